package pacc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/settings"
)

// maxDocument is the longest document that Parse reads, in octets; one has 500.
const maxDocument = 64 << 10

// Parse reads a document. Members that are not known here are passed over, as the draft
// demands; of the two names of submission, the newer one counts. The provider has neither
// identity nor domains, for a document is for the domain where it was asked for; each
// server and service takes the ways to log in that the document names, or a password if it
// names none. The error joins every mistake, each with its place.
func Parse(data []byte) (settings.Provider, error) {
	switch {
	case len(data) > maxDocument:
		return settings.Provider{}, fmt.Errorf("document has %d octets; at most %d are read", len(data), maxDocument)
	case !utf8.Valid(data):
		return settings.Provider{}, errors.New("document is not UTF-8 (RFC 8259 §8.1)")
	}
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		return settings.Provider{}, fmt.Errorf("document is no JSON: %w", err)
	}
	r := new(reader)
	doc, ok := r.object(member{"document", root})
	if !ok {
		return settings.Provider{}, r.errs[0]
	}
	var p settings.Provider
	r.about(&p, doc)
	methods := r.authentication(&p, doc)
	r.protocols(&p, doc, methods)
	if err := errors.Join(r.errs...); err != nil {
		return settings.Provider{}, err
	}
	return p, nil
}

// reader collects what is wrong with a document.
type reader struct{ errs []error }

// member is a value and its place, as in info.provider.name.
type member struct {
	place string
	value any // nil: it is missing, or null
}

type object struct {
	place   string
	members map[string]any
}

func (o object) member(name string) member {
	place := name
	if o.place != "document" {
		place = o.place + "." + name
	}
	return member{place, o.members[name]}
}

func (r *reader) wrong(m member, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(m.place+": "+format, args...))
}

// object reads a member that must be an object; false: it is none.
func (r *reader) object(m member) (object, bool) {
	members, ok := m.value.(map[string]any)
	switch {
	case m.value == nil:
		r.wrong(m, "is missing")
	case !ok:
		r.wrong(m, "must be an object")
	}
	return object{m.place, members}, ok
}

// text reads a member that must be a string; false: it is none.
func (r *reader) text(m member) (string, bool) {
	s, ok := m.value.(string)
	switch {
	case m.value == nil:
		r.wrong(m, "is missing")
	case !ok:
		r.wrong(m, "must be a string")
	}
	return s, ok
}

// name reads a name of at most so many characters.
func (r *reader) name(m member, most int) string {
	s, ok := r.text(m)
	if n := utf8.RuneCountInString(s); ok && (n == 0 || n > most || strings.ContainsFunc(s, unicode.IsControl)) {
		r.wrong(m, "%q is no name; 1 to %d characters are allowed, none of them for control", s, most)
	}
	return s
}

func (r *reader) about(p *settings.Provider, doc object) {
	info, ok := r.object(doc.member("info"))
	if !ok {
		return
	}
	if provider, ok := r.object(info.member("provider")); ok {
		p.DisplayName = r.name(provider.member("name"), maxName)
		if m := provider.member("shortName"); m.value != nil {
			p.ShortName = r.name(m, maxShortName)
		}
	}
	m := info.member("help")
	if m.value == nil {
		return
	}
	if help, ok := r.object(m); ok {
		if m := help.member("documentation"); m.value != nil {
			if s, ok := r.text(m); ok {
				u, err := settings.ParseURL(s, "https")
				if err != nil || !u.Filled() {
					r.wrong(m, "%q is no https URL", s)
				}
				p.Documentation = []settings.Documentation{{URL: u}}
			}
		}
	}
}

// methods are the ways to log in, as servers and services name them.
type methods struct{ server, service []settings.Authentication }

func (r *reader) authentication(p *settings.Provider, doc object) (ways methods) {
	password := methods{[]settings.Authentication{settings.PasswordCleartext}, []settings.Authentication{settings.Basic}}
	m := doc.member("authentication")
	if m.value == nil {
		return password
	}
	o, ok := r.object(m)
	if !ok {
		return ways
	}
	if m := o.member("oauth-public"); m.value != nil {
		if oauth, ok := r.object(m); ok {
			m := oauth.member("issuer")
			issuer, ok := r.text(m)
			if ok && !isIssuer(issuer) {
				r.wrong(m, "%q is no issuer; an https URL without query, fragment and needless escapes is allowed", issuer)
			}
			p.OAuth2 = &settings.OAuth2Settings{Issuer: issuer}
			ways = methods{[]settings.Authentication{settings.OAuth2}, []settings.Authentication{settings.OAuth2}}
		}
	}
	takes, isBool := o.member("password").value.(bool)
	if m := o.member("password"); m.value != nil && !isBool {
		r.wrong(m, "must be true or false")
	}
	switch {
	case takes:
		ways.server, ways.service = append(ways.server, password.server...), append(ways.service, password.service...)
	case ways.server == nil && len(r.errs) == 0:
		r.wrong(m, "names no way to log in that is known; password and oauth-public are")
	}
	return ways
}

func (r *reader) protocols(p *settings.Provider, doc object, ways methods) {
	o, ok := r.object(doc.member("protocols"))
	if !ok {
		return
	}
	before := len(r.errs)
	p.Incoming = slices.Concat(r.server(o.member("imap"), settings.IMAP, ways), r.server(o.member("pop3"), settings.POP3, ways))
	p.Outgoing = r.server(o.member("smtp"), settings.SMTP, ways)
	if m := o.member("submit"); m.value != nil {
		p.Outgoing = r.server(m, settings.SMTP, ways)
	}
	for _, protocol := range []settings.Protocol{settings.JMAP, settings.CalDAV, settings.CardDAV, settings.WebDAV} {
		p.Services = append(p.Services, r.service(o.member(string(protocol)), protocol, ways)...)
	}
	if len(p.Incoming)+len(p.Outgoing)+len(p.Services) == 0 && len(r.errs) == before {
		r.wrong(member{place: o.place}, "names none that is known; jmap, imap, pop3, submit, smtp, caldav, carddav and webdav are")
	}
}

// server reads a server; none: the member is missing.
func (r *reader) server(m member, protocol settings.Protocol, ways methods) []settings.Server {
	if m.value == nil {
		return nil
	}
	o, ok := r.object(m)
	if !ok {
		return nil
	}
	m = o.member("host")
	s, ok := r.text(m)
	if !ok {
		return nil
	}
	host, err := settings.ParseHostname(s)
	if err != nil || strings.Contains(s, "%") || !isName(s) {
		r.wrong(m, "%q is no host name", s)
		return nil
	}
	return []settings.Server{{
		Protocol: protocol, Hostname: host, Port: settings.DefaultPort(protocol, settings.SSL), SocketType: settings.SSL,
		Authentication: ways.server, Username: settings.EmailAddress,
	}}
}

// service reads a service; none: the member is missing.
func (r *reader) service(m member, protocol settings.Protocol, ways methods) []settings.Service {
	if m.value == nil {
		return nil
	}
	o, ok := r.object(m)
	if !ok {
		return nil
	}
	m = o.member("url")
	s, ok := r.text(m)
	if !ok {
		return nil
	}
	u, err := settings.ParseURL(s, "https")
	switch {
	case err != nil || !isServiceURL(settings.JMAP, u):
		r.wrong(m, "%q is no https URL at the default port", s)
	case !isServiceURL(protocol, u):
		r.wrong(m, "%q has no path, which a URL of %s needs", s, protocol)
	default:
		return []settings.Service{{Protocol: protocol, URL: u, Authentication: ways.service, Username: settings.EmailAddress}}
	}
	return nil
}
