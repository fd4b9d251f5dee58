// Package answer chooses, once, what a person or a program is told about an
// account: which servers, and how to sign in. The pages, the JSON for programs
// and the QR codes are all made of it.
package answer

import (
	"errors"
	"slices"

	"milepost/settings"
)

// Answer is what is told about one account.
type Answer struct {
	settings.Account
	Request  Request
	Choices  []settings.Protocol // that incoming servers speak, in their customary order
	Incoming settings.Server     // the recommended one
	Outgoing settings.Server     // the recommended one
	Others   []settings.Server   // that work too, the encrypted ones first
	Profile  string              // path of the profile for Apple's devices; empty: none can be made

	ProfileSigned bool // so that Apple's devices do not say that it is not
}

// ErrNoServers is the error for an account without servers to recommend.
var ErrNoServers = errors.New("no server is known for incoming, or none for outgoing mail")

// New chooses the servers; there are none where no mail program gets in. If the request names no protocol, or one that the
// provider lacks, the recommended one is taken.
func New(account settings.Account, q Request) (Answer, error) {
	p := account.Provider
	a := Answer{Account: account, Request: q}
	for _, protocol := range settings.IncomingProtocols {
		if _, ok := settings.Best(p.Incoming, protocol); ok {
			a.Choices = append(a.Choices, protocol)
		}
	}
	if p.NoMailPrograms {
		return a, nil
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
	a.Others = slices.DeleteFunc(slices.Concat(p.Incoming, p.Outgoing), func(s settings.Server) bool {
		return same(s, a.Incoming) || same(s, a.Outgoing)
	})
	slices.SortStableFunc(a.Others, func(x, y settings.Server) int { return weakness(x) - weakness(y) })
	return a, nil
}

// same tells whether two servers of a provider are one and the same.
func same(a, b settings.Server) bool {
	return a.Protocol == b.Protocol && a.Hostname == b.Hostname && a.Port == b.Port && a.SocketType == b.SocketType
}

func weakness(s settings.Server) int {
	if s.SocketType.Encrypted() {
		return 0
	}
	return 1
}

// WorksOn tells whether the recommended servers can be used on a kind of device.
func (a Answer) WorksOn(d settings.Device) bool {
	return a.Incoming.WorksOn(d) && a.Outgoing.WorksOn(d)
}

// OnThisComputer tells whether the servers run on the person's own computer, as
// Proton Mail Bridge does.
func (a Answer) OnThisComputer() bool {
	return !a.WorksOn(settings.Phone) && a.WorksOn(settings.Computer)
}

// AnyPlain tells whether one of the other servers does not encrypt.
func (a Answer) AnyPlain() bool {
	return slices.ContainsFunc(a.Others, func(s settings.Server) bool { return !s.SocketType.Encrypted() })
}

// SignIn is how a person gets in at a server.
type SignIn string

const (
	ByPassword  SignIn = "password"
	ByOAuth2    SignIn = "oauth2" // no password works
	ByEither    SignIn = "both"   // password or OAuth2
	ByNothing   SignIn = "none"   // nobody is asked
	ByOtherWays SignIn = "other"
)

// SignInAt says how a person gets in at a server that accepts any of these methods.
func SignInAt(methods []settings.Authentication) SignIn {
	password := slices.ContainsFunc(methods, settings.Authentication.Password)
	oauth2 := slices.Contains(methods, settings.OAuth2)
	switch {
	case password && oauth2:
		return ByEither
	case password:
		return ByPassword
	case oauth2:
		return ByOAuth2
	case !slices.ContainsFunc(methods, func(m settings.Authentication) bool {
		return m != settings.None && m != settings.ClientIPAddress
	}):
		return ByNothing
	}
	return ByOtherWays
}

// SignIn says how a person gets in at the incoming server.
func (a Answer) SignIn() SignIn { return SignInAt(a.Incoming.Authentication) }

// SendingSignIn says how a person gets in at the outgoing server.
func (a Answer) SendingSignIn() SignIn { return SignInAt(a.Outgoing.Authentication) }

// ProfileQuery is the query that asks for the answer's profile, in a language.
func (a Answer) ProfileQuery(lang string) string {
	q := "emailaddress=" + escape(a.Address.String())
	if a.Incoming.Protocol == settings.POP3 {
		q += "&protocol=pop3"
	}
	return q + "&lang=" + lang
}
