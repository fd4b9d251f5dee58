package pages

import (
	"milepost/internal/answer"
	"milepost/settings"
)

// Trouble is the page for somebody whose program refuses to work: what it may say, and
// what is to be done at this provider.
func (s *Site) Trouble(r Reader, a answer.Answer) ([]byte, error) {
	v := s.view(r, "/trouble", a.Request.Query())
	v.Heading = v.T("trouble-title", "address", a.Address.Unicode())
	v.NoIndex = true
	return s.render(pageTrouble, v, answerPage{Answer: a})
}

// AskTrouble asks for the address first: what helps depends on the provider.
func (s *Site) AskTrouble(r Reader) ([]byte, error) {
	v := s.view(r, "/trouble", "")
	v.Heading = v.T("trouble-link")
	v.Description = v.T("trouble-ask")
	return s.render(pageAskTrouble, v, nil)
}

// FormAction is where the form for an address leads.
func (v *view) FormAction() string {
	if v.path == "/trouble" || v.path == "/widget" {
		return v.path
	}
	return "/setup"
}

// SetupURL is the path of the answer.
func (p answerPage) SetupURL() string { return "/setup?" + p.Request.Query() }

// TroubleURL is where the page leads those for whom it does not work.
func (p answerPage) TroubleURL() string { return "/trouble?" + p.Request.Query() }

// TroubleURL leads to the page about any of the provider's domains; empty: none is named.
func (p providerPage) TroubleURL() string {
	if p.Provider.Closed || p.Provider.NoMailPrograms || len(p.DomainNames) == 0 {
		return ""
	}
	for _, d := range p.Provider.Domains {
		if !d.Wildcard {
			return "/trouble?emailaddress=" + d.Domain.ASCII
		}
	}
	return ""
}

// Chosen are the servers that the answer recommends.
func (p answerPage) Chosen() []settings.Server { return []settings.Server{p.Incoming, p.Outgoing} }

// Enabling is what must be switched on for the chosen protocols.
func (p answerPage) Enabling() []settings.Notice {
	only := *p.Provider
	only.Notice = nil
	return only.Notices(p.Incoming.Protocol, p.Outgoing.Protocol)
}

// UsernameWords is a server's username, or what describes it.
func (v *view) UsernameWords(s settings.Server) string {
	return v.UsernameField(s.Username, v.Model.(answerPage).Account, "").Value
}

// WhichPassword is the key of the message that says which password the provider wants.
func (p answerPage) WhichPassword() string {
	switch {
	case p.SignIn() == answer.ByOAuth2:
		return "trouble-oauth2"
	case p.Provider.Password.Kind == settings.AppPassword:
		return "trouble-app-password"
	case p.Provider.Password.Kind == settings.BridgePassword:
		return "trouble-bridge-password"
	}
	return "trouble-account-password"
}
