package pages

import (
	"html/template"
	"slices"

	"milepost/settings"
)

// answerPage is the model of the page that answers.
type answerPage struct {
	Answer
	Provider    settings.Provider
	ProfileCode template.URL // opens the profile on a phone; empty: none
	AccountCode template.URL // for Thunderbird for Android; empty: none
	CodeSignIn  string       // how one signs in after AccountCode, as SignInAt says it
}

// Setup is the page with somebody's settings.
func (s *Site) Setup(r Reader, a Answer) ([]byte, error) {
	v := s.view(r, "/setup", a.Asked.Request.query())
	v.NoIndex = true
	v.Typed = a.Asked.Request.Typed
	v.Heading = v.T("answer-title", "address", a.Asked.Address.Unicode())
	page := answerPage{Answer: a, Provider: a.Asked.Provider}
	// A code must name the whole URL. What a request calls this server may be
	// anything, so without a public URL there is none.
	if a.Profile != "" && s.publicURL != "" && !page.Provider.Closed {
		page.ProfileCode, _ = codeImage(s.publicURL + a.Profile)
	}
	if text, signIn, ok := accountCode(a); ok {
		page.AccountCode, _ = codeImage(text)
		page.CodeSignIn = signIn
	}
	return s.render(pageAnswer, v, page)
}

// Password names the password that a program wants. With a notice it may be
// another than the mailbox's, and only the notice knows.
func (v *view) Password() string {
	if v.Data.(answerPage).Provider.Notice != nil {
		return v.T("password-noted")
	}
	return v.T("password-mailbox")
}

// SignInStep tells a person to sign in, in the way that SignInAt names.
func (v *view) SignInStep(how string) template.HTML {
	provider := v.Data.(answerPage).Provider.ShortName
	switch how {
	case "password":
		return v.H("step-password", "password", v.Password())
	case "both":
		return v.H("step-page", "provider", provider) + " " + v.H("step-no-page", "password", v.Password())
	case "oauth2":
		return v.H("step-oauth2", "provider", provider)
	}
	return ""
}

// Servers are all of the provider's servers, incoming first.
func (p answerPage) Servers() []settings.Server {
	return slices.Concat(p.Provider.Incoming, p.Provider.Outgoing)
}

// SignsIn tells whether the server asks who somebody is.
func (c card) SignsIn() bool { return signInAt(c.Server) != "none" }

// providerPage is the model of the page of one provider.
type providerPage struct {
	settings.Provider
	Asked       Asked
	DomainNames []string // in their own letters; empty: too many to list
	Any         bool     // other domains too
}

// maxDomainsShown is the longest list of domains on a page. A longer one is a
// hoster's list of customers, which is nobody's business.
const maxDomainsShown = 100

// Provider is the page of one provider.
func (s *Site) Provider(r Reader, p *settings.Provider) ([]byte, error) {
	v := s.view(r, "/providers/"+p.ID, "")
	v.Heading = v.T("provider-title", "provider", p.DisplayName)
	page := providerPage{Provider: *p, Asked: Asked{Account: settings.Account{Provider: *p}}}
	for _, d := range p.Domains {
		if d.Wildcard && d.Domain.IsZero() {
			page.Any = true
			continue
		}
		if len(p.Domains) <= maxDomainsShown {
			page.DomainNames = append(page.DomainNames, patternName(d))
		}
	}
	return s.render(pageProvider, v, page)
}

func patternName(d settings.DomainPattern) string {
	if d.Wildcard {
		return "*." + d.Domain.Unicode
	}
	return d.Domain.Unicode
}
