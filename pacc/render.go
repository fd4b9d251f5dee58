package pacc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"milepost/settings"
)

// Render makes the document of an account that names the domain alone: everybody in it
// gets the same, and the same settings give the same bytes. The error is a sentence that
// says why there is none: a mail account needs JMAP, or IMAP or POP3 with submission, and
// the format cannot say it.
func Render(a settings.Account) ([]byte, error) {
	if a.Address.Local != "" || a.Login != "" {
		return nil, errors.New("a document is made for a domain, not for one of its addresses")
	}
	doc, err := newDocument(a.Provider)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err = e.Encode(doc)
	return b.Bytes(), err
}

// Record is the text of the TXT record that announces a document: of the bytes as they
// are served. A client uses no document without one.
func Record(doc []byte) string {
	sum := sha256.Sum256(doc)
	return "v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:])
}

// newDocument says of a provider what can be said.
func newDocument(p *settings.Provider) (document, error) {
	doc := document{Info: about{Provider: provider{p.DisplayName, p.ShortName}}}
	if i := slices.IndexFunc(p.Documentation, func(d settings.Documentation) bool {
		return d.URL.Filled() && strings.HasPrefix(string(d.URL), "https://")
	}); i >= 0 {
		doc.Info.Help = &help{string(p.Documentation[i].URL)}
	}
	issuer := ""
	if p.OAuth2 != nil && isIssuer(p.OAuth2.Issuer) {
		issuer = p.OAuth2.Issuer
	}
	s := sayable{p, issuer != ""}
	all, err := s.mail(&doc.Protocols)
	if err != nil {
		return document{}, fmt.Errorf("no PACC document can be made for %s: %w", p.DisplayName, err)
	}
	doc.Protocols.CalDAV = s.service(settings.CalDAV, all)
	doc.Protocols.CardDAV = s.service(settings.CardDAV, all)
	doc.Protocols.WebDAV = s.service(settings.WebDAV, all)
	doc.Authentication.Password = all.password
	if all.oauth {
		doc.Authentication.OAuthPublic = &oauthPublic{issuer}
	}
	return doc, nil
}

// sayable picks out of a provider what the format can say.
type sayable struct {
	*settings.Provider
	oauth bool // the issuer can be said
}

// login is a set of ways to log in.
type login struct{ password, oauth bool }

func (l login) and(m login) login { return login{l.password && m.password, l.oauth && m.oauth} }

// takes tells whether each of m is among l: then whatever a client picks of m works.
func (l login) takes(m login) bool { return l.and(m) == m }

func (s sayable) login(methods []settings.Authentication) login {
	return login{
		slices.ContainsFunc(methods, settings.Authentication.Password),
		s.oauth && slices.Contains(methods, settings.OAuth2),
	}
}

// mail fills in what mail needs, and returns the ways to log in that all of it takes.
func (s sayable) mail(to *protocols) (all login, err error) {
	if s.Closed {
		return login{}, errors.New("it has closed")
	}
	if all, err = s.servers(to); err != nil {
		jmap, ok := s.first(settings.JMAP, login{})
		if !ok {
			return login{}, err
		}
		all = s.login(jmap.Authentication)
	}
	to.JMAP = s.service(settings.JMAP, all)
	return all, nil
}

// servers fills in the servers that have a name: submission, and IMAP or POP3 or both. One
// direction alone is left out, for a client would take it for the whole account.
func (s sayable) servers(to *protocols) (all login, err error) {
	out, err := s.server(s.Outgoing, settings.SMTP)
	if err != nil {
		return login{}, err
	}
	for _, p := range settings.IncomingProtocols {
		in, no := s.server(s.Incoming, p)
		both := s.login(in.Authentication).and(s.login(out.Authentication))
		if no == nil && both == (login{}) {
			no = fmt.Errorf("%s and %s share no way to log in, and the format knows one for all", in.Hostname, out.Hostname)
		}
		switch {
		case no != nil && (err == nil || errors.Is(err, errAbsent)):
			err = no
		case no != nil:
		case all == login{}:
			all = both
			fallthrough
		case both.takes(all):
			host := &server{string(in.Hostname)}
			if p == settings.IMAP {
				to.IMAP = host
			} else {
				to.POP3 = host
			}
		}
	}
	if all == (login{}) {
		return login{}, err
	}
	to.SMTP = &server{string(out.Hostname)}
	to.Submit = to.SMTP
	return all, nil
}

// errAbsent is about a protocol that a provider does not have.
var errAbsent = errors.New("it lacks IMAP and POP3, or SMTP, and has no JMAP at an https URL")

// server returns the best server of a protocol that can be said. The error is about the
// first that cannot.
func (s sayable) server(servers []settings.Server, p settings.Protocol) (settings.Server, error) {
	why := errAbsent
	var can []settings.Server
	for _, server := range servers {
		switch no := s.unsayable(server); {
		case server.Protocol != p:
		case no == nil:
			can = append(can, server)
		case why == errAbsent:
			why = no
		}
	}
	if best, ok := settings.Best(can, p); ok {
		return best, nil
	}
	return settings.Server{}, why
}

// unsayable says why the format cannot say a server; nil: it can.
func (s sayable) unsayable(server settings.Server) error {
	port := settings.DefaultPort(server.Protocol, settings.SSL)
	switch {
	case !server.WorksOn(settings.Computer, settings.Phone):
		return fmt.Errorf("%s does not work on phones and computers alike, and the format cannot say so", server.Hostname)
	case server.SocketType != settings.SSL:
		return fmt.Errorf("%s has no TLS from the first byte on port %d, and the format knows nothing else", server.Hostname, server.Port)
	case server.Port != port:
		return fmt.Errorf("%s has the port %d, and the format knows %d alone", server.Hostname, server.Port, port)
	case !isName(string(server.Hostname)):
		return fmt.Errorf("%s is an IP address, and the format needs a name", server.Hostname)
	case server.Username != settings.EmailAddress:
		return fmt.Errorf("%s takes the login name %s, and the format knows the whole address alone", server.Hostname, server.Username)
	case s.login(server.Authentication) != login{}:
		return nil
	case slices.Contains(server.Authentication, settings.OAuth2):
		return fmt.Errorf("%s takes OAuth2 alone, and the format needs an issuer that is an https URL", server.Hostname)
	}
	return fmt.Errorf("%s takes neither a password nor OAuth2", server.Hostname)
}

// first returns the first service of a protocol that can be said and takes all of some
// ways to log in, and at least one.
func (s sayable) first(p settings.Protocol, all login) (settings.Service, bool) {
	i := slices.IndexFunc(s.Services, func(x settings.Service) bool {
		ways := s.login(x.Authentication)
		return x.Protocol == p && x.Username == settings.EmailAddress && ways != login{} && ways.takes(all) && isServiceURL(p, x.URL)
	})
	if i < 0 {
		return settings.Service{}, false
	}
	return s.Services[i], true
}

func (s sayable) service(p settings.Protocol, all login) *service {
	if x, ok := s.first(p, all); ok {
		return &service{string(x.URL)}
	}
	return nil
}

// isName tells whether a host is a name and no IP address.
func isName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil
}

// isServiceURL tells whether a service can be said: https at the default port, the same
// for everybody, and with a path if it is one of WebDAV's.
func isServiceURL(p settings.Protocol, u settings.URL) bool {
	parsed, err := url.Parse(string(u))
	return err == nil && u.Filled() && parsed.Scheme == "https" && parsed.Port() == "" && isName(parsed.Hostname()) &&
		parsed.User == nil && parsed.Fragment == "" && (p == settings.JMAP || strings.Trim(parsed.Path, "/") != "")
}

// isIssuer tells whether an issuer can be said (draft-ietf-mailmaint-oauth-public): an
// https URL without user, query, fragment, dot segments and needless escapes. It is
// compared letter by letter, so it is never changed.
func isIssuer(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#") || strings.ContainsFunc(s, notInURI) {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	for i := 0; i+2 < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if c, err := url.PathUnescape(s[i : i+3]); err == nil && strings.Contains(unreserved, c) {
			return false
		}
	}
	return true
}

// notInURI tells whether a character stands in no URI as it is (RFC 3986 §2).
func notInURI(r rune) bool { return r <= ' ' || r >= 0x7f }

// unreserved are the characters that need no escape (RFC 3986 §2.3).
const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
