package pages

import (
	"html/template"
	"slices"

	"milepost/internal/answer"
	"milepost/internal/thunderbirdqr"
	"milepost/settings"
)

// answerPage is the model of the page with an answer.
type answerPage struct {
	answer.Answer
	ProfileCode template.URL  // opens the profile on a phone; empty: none
	AccountCode template.URL  // for Thunderbird for Android; empty: none
	CodeSignIn  answer.SignIn // what is asked of a person once AccountCode is read
}

// Setup is the page with somebody's settings.
func (s *Site) Setup(r Reader, a answer.Answer) ([]byte, error) {
	v := s.view(r, "/setup", a.Request.Query())
	v.NoIndex = true
	v.Typed = a.Request.Typed
	v.Heading = v.T("answer-title", "address", a.Address.Unicode())
	page := answerPage{Answer: a}
	// A code must name the whole URL. A request's Host may say anything, so without
	// a public URL there is no code.
	if a.Profile != "" && s.publicURL != "" && !a.Provider.Closed {
		page.ProfileCode, _ = codeImage(s.publicURL + a.Profile)
	}
	if code, ok := thunderbirdqr.Encode(a); ok {
		page.AccountCode, _ = codeImage(code.Text)
		page.CodeSignIn = code.SignIn
	}
	return s.render(pageAnswer, v, page)
}

// Password names the password that a program wants. It may be another one than the
// mailbox's, of which a notice may speak.
func (v *view) Password() string {
	if p := v.Model.(answerPage).Provider; p.Notice != nil || p.Password.Kind != settings.AccountPassword {
		return v.T("password-noted")
	}
	return v.T("password-mailbox")
}

// SignInStep tells a person how to sign in.
func (v *view) SignInStep(how answer.SignIn) template.HTML {
	provider := v.Model.(answerPage).Provider.ShortName
	switch how {
	case answer.ByPassword:
		return v.H("step-password", "password", v.Password())
	case answer.ByEither:
		return v.H("step-page", "provider", provider) + " " + v.H("step-no-page", "password", v.Password())
	case answer.ByOAuth2:
		return v.H("step-oauth2", "provider", provider)
	}
	return ""
}

// ChoiceURL is the path of the same answer with another protocol.
func (p answerPage) ChoiceURL(protocol settings.Protocol) string {
	q := p.Request
	q.Protocol = protocol
	return "/setup?" + q.Query()
}

// Servers are all of the provider's servers, incoming first.
func (p answerPage) Servers() []settings.Server {
	return slices.Concat(p.Provider.Incoming, p.Provider.Outgoing)
}

// SignsIn tells whether the server asks who somebody is.
func (c card) SignsIn() bool { return answer.SignInAt(c.Server.Authentication) != answer.ByNothing }
