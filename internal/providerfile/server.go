package providerfile

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"milepost/internal/tomlfile"
	"milepost/settings"
)

// servers reads an array of servers. Without a default the protocol must be
// given.
func servers(t *tomlfile.Table, key string, byDefault settings.Protocol, allowed []settings.Protocol) []settings.Server {
	var out []settings.Server
	for _, st := range t.Tables(key) {
		if len(out) == maxServers {
			t.Errorf(key, "has more than %d servers; that is not allowed", maxServers)
			break
		}
		s := settings.Server{Protocol: byDefault}
		if byDefault == "" || st.Has("protocol") {
			s.Protocol = tomlfile.Required(st, "protocol", tomlfile.OneOf(allowed))
		}
		s.Hostname = tomlfile.Required(st, "hostname", settings.ParseHostname)
		// On this machine, where nobody needs a name, there are bridges (proton.me).
		loopback := isLoopback(s.Hostname)
		if ip, err := netip.ParseAddr(string(s.Hostname)); err == nil && !loopback {
			st.WarnAt(st.Line("hostname"), "hostname", fmt.Errorf("%s is an IP address; hardly any certificate holds for one, so clients will refuse the server; write its name", ip))
		}
		readPort(st, &s)
		s.Authentication = authentication(st, settings.PasswordCleartext, settings.ServerAuthentications)
		s.Username = username(st)
		s.Devices = devices(st, loopback)
		st.Done()
		if i := slices.IndexFunc(out, func(o settings.Server) bool {
			return o.Protocol == s.Protocol && o.Hostname == s.Hostname && o.Port == s.Port
		}); i >= 0 && s.Protocol != "" && s.Hostname != "" && s.Port != 0 {
			st.Errorf("hostname", "%s port %d for %s is %s[%d] already; each server stands once", s.Hostname, s.Port, s.Protocol, key, i+1)
		}
		out = append(out, s)
	}
	return out
}

// isLoopback tells whether a host is the computer itself.
func isLoopback(h settings.Hostname) bool {
	ip, err := netip.ParseAddr(string(h))
	return err == nil && ip.IsLoopback() || h == "localhost"
}

// defaultSocketType is the one that a server has without the key.
func defaultSocketType(p settings.Protocol) settings.SocketType {
	if p == settings.ManageSieve {
		return settings.STARTTLS // RFC 5804 registers no other
	}
	return settings.SSL
}

// readPort reads socket type and port, which follow from each other.
func readPort(t *tomlfile.Table, s *settings.Server) {
	s.SocketType = defaultSocketType(s.Protocol)
	typeGiven := t.Has("socket_type")
	if typeGiven {
		s.SocketType = tomlfile.Optional(t, "socket_type", tomlfile.OneOf(settings.SocketTypes))
	}
	right := settings.DefaultPort(s.Protocol, s.SocketType)
	switch n, ok := t.Int("port"); {
	case !t.Has("port"):
		s.Port = right
	case ok && (n < 1 || n > 65535):
		t.Errorf("port", "%d is no port; 1 to 65535 are allowed", n)
	case ok:
		s.Port = uint16(n)
	}
	if typeGiven || s.Port == right {
		return
	}
	for _, other := range settings.SocketTypes {
		if s.Port == settings.DefaultPort(s.Protocol, other) {
			t.Errorf("port", "%d is the port of socket_type %q, and socket_type is not given, which means %q; write the one that is meant", s.Port, other, s.SocketType)
			return
		}
	}
}

func authentication(t *tomlfile.Table, byDefault settings.Authentication, allowed []settings.Authentication) []settings.Authentication {
	if methods := once(t, "authentication", allowed); methods != nil {
		return methods
	}
	return []settings.Authentication{byDefault}
}

func username(t *tomlfile.Table) settings.Username {
	if !t.Has("username") {
		return settings.EmailAddress
	}
	return tomlfile.Optional(t, "username", settings.ParseUsername)
}

func services(t *tomlfile.Table) []settings.Service {
	var out []settings.Service
	for _, st := range t.Tables("service") {
		out = append(out, settings.Service{
			Protocol:       tomlfile.Required(st, "protocol", tomlfile.OneOf(settings.ServiceProtocols)),
			URL:            tomlfile.Required(st, "url", httpsURL),
			Authentication: authentication(st, settings.Basic, settings.ServiceAuthentications),
			Username:       username(st),
		})
		st.Done()
	}
	return out
}

func oauth2(t *tomlfile.Table) *settings.OAuth2Settings {
	if t == nil {
		return nil
	}
	o := &settings.OAuth2Settings{
		Issuer:   tomlfile.Required(t, "issuer", issuer),
		AuthURL:  tomlfile.Required(t, "auth_url", httpsURL),
		TokenURL: tomlfile.Required(t, "token_url", httpsURL),
		Scope:    tomlfile.Required(t, "scope", parseWords),
		ClientID: tomlfile.Optional(t, "client_id", parseWords),
	}
	t.Done()
	return o
}

// issuer reads a hostname, as the ISP database writes it, or an https URL.
func issuer(s string) (string, error) {
	if strings.Contains(s, "/") {
		u, err := httpsURL(s)
		return string(u), err
	}
	h, err := settings.ParseHostname(s)
	return string(h), err
}
