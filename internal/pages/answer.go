package pages

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"

	"milepost/settings"
)

// Answer is what a person is told about an account: the page and the programs'
// interface are both made of it.
type Answer struct {
	Asked    Asked
	Protocol settings.Protocol   // of the incoming server
	Choices  []settings.Protocol // of incoming servers, in their customary order
	Incoming settings.Server     // recommended, as is Outgoing
	Outgoing settings.Server
	Others   []settings.Server // that also work, the encrypted ones first
	Profile  string            // path of the profile for Apple's devices; empty: none can be made
}

// Asked is the account with what was asked for.
type Asked struct {
	settings.Account
	Request Request
}

// Local is the part before the @; empty: only a domain was typed.
func (a Asked) Local() string { return a.Address.Local }

// ErrNoServers is the error for an account that has no server left to name.
var ErrNoServers = errors.New("no server is known for incoming, or none for outgoing mail")

// NewAnswer chooses the servers. A protocol that the provider lacks, or that is
// not chosen, is replaced by the recommended one.
func NewAnswer(account settings.Account, q Request) (Answer, error) {
	p := account.Provider
	a := Answer{Asked: Asked{account, q}}
	for _, protocol := range settings.IncomingProtocols {
		if _, ok := settings.Best(p.Incoming, protocol); ok {
			a.Choices = append(a.Choices, protocol)
		}
	}
	incoming := settings.Recommended(p.Incoming, settings.IncomingProtocols)
	outgoing := settings.Recommended(p.Outgoing, settings.OutgoingProtocols)
	if len(incoming) == 0 || len(outgoing) == 0 {
		return Answer{}, ErrNoServers
	}
	a.Incoming, a.Outgoing = incoming[0], outgoing[0]
	if chosen, ok := settings.Best(p.Incoming, q.Protocol); ok {
		a.Incoming = chosen
	}
	a.Protocol = a.Incoming.Protocol
	for _, list := range [][]settings.Server{p.Incoming, p.Outgoing} {
		for _, s := range list {
			if !same(s, a.Incoming) && !same(s, a.Outgoing) {
				a.Others = append(a.Others, s)
			}
		}
	}
	slices.SortStableFunc(a.Others, func(x, y settings.Server) int { return weakness(x) - weakness(y) })
	return a, nil
}

// same tells whether two servers are one: in a provider, these four name it.
func same(a, b settings.Server) bool {
	return a.Protocol == b.Protocol && a.Hostname == b.Hostname && a.Port == b.Port && a.SocketType == b.SocketType
}

func weakness(s settings.Server) int {
	if s.SocketType.Encrypted() {
		return 0
	}
	return 1
}

// OnThisComputer tells whether the servers run on the reader's own computer, as
// Proton Mail Bridge does: a phone cannot reach them.
func (a Answer) OnThisComputer() bool {
	ip, err := netip.ParseAddr(string(a.Incoming.Hostname))
	return err == nil && ip.IsLoopback()
}

// AnyPlain tells whether one of the other servers does not encrypt.
func (a Answer) AnyPlain() bool {
	return slices.ContainsFunc(a.Others, func(s settings.Server) bool { return !s.SocketType.Encrypted() })
}

// SignInAt says how a person gets in: "password", "oauth2" (no password at
// all), "both", "none" (nobody is asked) or "other".
func (a Answer) SignInAt() string { return signInAt(a.Incoming) }

// SendingSignInAt is SignInAt for the outgoing server.
func (a Answer) SendingSignInAt() string { return signInAt(a.Outgoing) }

func signInAt(s settings.Server) string {
	password := s.TakesPassword()
	oauth2 := slices.Contains(s.Authentication, settings.OAuth2)
	switch {
	case password && oauth2:
		return "both"
	case password:
		return "password"
	case oauth2:
		return "oauth2"
	case !slices.ContainsFunc(s.Authentication, func(m settings.Authentication) bool {
		return m != settings.None && m != settings.ClientIPAddress
	}):
		return "none"
	}
	return "other"
}

// ByName tells whether Apple's devices may offer the provider by name, with a
// sign-in of its own that is better than a profile: those that offer OAuth2,
// and Apple itself.
func (a Answer) ByName() bool {
	how := a.SignInAt()
	return how == "both" || how == "oauth2" || a.Incoming.Hostname == "imap.mail.me.com"
}

// ChoiceURL is the path of the same answer with another protocol.
func (a Answer) ChoiceURL(p settings.Protocol) string {
	q := a.Asked.Request
	q.Protocol = p
	return "/setup?" + q.query()
}

// ProfileQuery is the query that makes the profile of an answer, in a language.
func (a Answer) ProfileQuery(lang string) string {
	q := "emailaddress=" + url.QueryEscape(a.Asked.Address.String())
	if a.Protocol == settings.POP3 {
		q += "&protocol=pop3"
	}
	return q + "&lang=" + lang
}
