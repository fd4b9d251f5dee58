package settings

import (
	"slices"
	"strings"
)

func (a Account) Shared() bool {
	p := &a.Provider
	inUsername := func(u Username) bool {
		return u != EmailAddress && (strings.Contains(string(u), EmailLocalPart) || strings.Contains(string(u), EmailAddress))
	}
	inURL := func(u URL) bool {
		return strings.Contains(string(u), EmailLocalPart) || strings.Contains(string(u), EmailAddress)
	}
	inServer := func(s Server) bool { return inUsername(s.Username) }
	return !(slices.ContainsFunc(p.Incoming, inServer) || slices.ContainsFunc(p.Outgoing, inServer) || slices.ContainsFunc(p.Setup, inServer) ||
		slices.ContainsFunc(p.Services, func(s Service) bool { return inUsername(s.Username) || inURL(s.URL) }) ||
		p.OAuth2 != nil && (inURL(p.OAuth2.AuthURL) || inURL(p.OAuth2.TokenURL)) || inURL(p.Webmail))
}
