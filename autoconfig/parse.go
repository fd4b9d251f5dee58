package autoconfig

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// maxDocument is the longest document that Parse reads, in octets; the ISP
// database's longest has 5,000.
const maxDocument = 1 << 20

// Parse reads a document as strangers publish it, by the draft's rule: a
// section that cannot be understood is passed over, and so is what is unknown.
// Of several emailProvider elements the first counts. It fails if the text is
// no well-formed UTF-8 XML, its root is not clientConfig, or nothing usable is
// left.
func Parse(data []byte) (settings.Provider, error) {
	p, _, err := ParseNoting(data)
	return p, err
}

// ParseNoting is [Parse], and says what was passed over.
func ParseNoting(data []byte) (settings.Provider, Notes, error) {
	if len(data) > maxDocument {
		return settings.Provider{}, Notes{}, fmt.Errorf("document has %d octets; at most %d are read", len(data), maxDocument)
	}
	var doc document
	if err := decode(data, &doc); err != nil {
		return settings.Provider{}, Notes{}, err
	}
	if len(doc.Providers) == 0 {
		return settings.Provider{}, Notes{}, errors.New("document has no emailProvider element")
	}
	r := reader{lines: make(map[string][]int)}
	p, err := r.provider(doc)
	slices.SortStableFunc(r.notes, func(a, b Note) int { return a.Line - b.Line })
	return p, Notes{r.notes, r.lines}, err
}

func (r *reader) provider(doc document) (settings.Provider, error) {
	ep := doc.Providers[0]
	r.document(doc, ep)
	p := settings.Provider{
		DisplayName: first(ep.DisplayName),
		ShortName:   first(ep.DisplayShortName),
		Incoming:    r.servers("incoming", "incomingServer", ep.Incoming, settings.IncomingProtocols),
		Outgoing:    r.servers("outgoing", "outgoingServer", ep.Outgoing, settings.OutgoingProtocols),
		Setup:       r.servers("setup", "setupServer", doc.Setup, settings.SetupProtocols),
		Services: slices.Concat(r.services("incomingServer", ep.Incoming), r.services("calendar", doc.Calendar),
			r.services("addressbook", doc.AddressBook), r.services("fileShare", doc.FileShare)),
		OAuth2: r.oauth2(doc.OAuth2),
	}
	p.Enable = r.enables(slices.Concat(ep.Enable, doc.Enable), p.Protocols())
	r.identify(&p, ep)
	for _, d := range ep.Documentation {
		url, err := parseURL(d.URL, "https", "http")
		if err != nil {
			r.note(d.line, "<documentation> is left out: url: %s", err)
			continue
		}
		r.take("documentation", d.line)
		p.Documentation = append(p.Documentation, settings.Documentation{URL: url, Descriptions: texts(d.Descr)})
	}
	p.Webmail = r.webmail(doc.WebMail)
	switch {
	case len(p.Domains)+len(p.MX) == 0:
		return settings.Provider{}, errors.New("document names no domain")
	case len(p.Incoming)+len(p.Outgoing)+len(p.Services) == 0:
		return settings.Provider{}, errors.New("document has no server or service that can be used")
	}
	return p, nil
}

func decode(data []byte, doc *document) error {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, otherCharset(charset)
	}
	// encoding/xml knows no entities but XML's own five, so no document grows.
	for rooted := false; ; {
		token, err := d.Token()
		switch t := token.(type) {
		case xml.StartElement:
			if rooted {
				return fmt.Errorf("document goes on behind its root, with %s", t.Name.Local)
			}
			if t.Name.Local != "clientConfig" {
				return fmt.Errorf("document's root is %s; clientConfig is allowed", t.Name.Local)
			}
			if err := d.DecodeElement(doc, &t); err != nil {
				return malformed(err)
			}
			rooted = true
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return errors.New("document has text outside of its root")
			}
		}
		if err == io.EOF && rooted {
			return nil
		}
		if err == io.EOF {
			return errors.New("document is empty")
		}
		if err != nil {
			return malformed(err)
		}
	}
}

// malformed says that a document could not be decoded, and why.
func malformed(err error) error {
	if other := otherCharset(""); errors.As(err, &other) {
		return other
	}
	return fmt.Errorf("document is not well-formed: %w", err)
}

// otherCharset is the error about a document that says to be in one.
type otherCharset string

func (c otherCharset) Error() string { return "document is in " + string(c) + "; UTF-8 is allowed" }

// identify reads the provider's id and domains; each stands in for the other.
func (r *reader) identify(p *settings.Provider, ep emailProvider) {
	seen := make(map[string]bool)
	for _, d := range ep.Domain {
		parsed, err := address.ParseDomain(strings.TrimSpace(d.Name))
		switch {
		case err != nil:
			r.note(d.line, "<domain> is left out: %s", err)
			continue
		case seen[d.Purpose+parsed.ASCII]:
			continue
		}
		seen[d.Purpose+parsed.ASCII] = true
		switch d.Purpose {
		case "":
			p.Domains = append(p.Domains, settings.DomainPattern{Domain: parsed})
		case "mx":
			p.MX = append(p.MX, parsed)
		default:
			r.note(d.line, "<domain> is left out: the purpose %q is unknown; mx is allowed", d.Purpose)
		}
	}
	id, err := address.ParseDomain(strings.TrimSpace(ep.ID))
	switch {
	case err == nil:
		p.ID = id.ASCII
		if len(p.Domains)+len(p.MX) == 0 && strings.Contains(id.ASCII, ".") {
			p.Domains = []settings.DomainPattern{{Domain: id}}
		}
	case len(p.Domains) > 0:
		p.ID = p.Domains[0].Domain.ASCII
	case len(p.MX) > 0:
		p.ID = p.MX[0].ASCII
	}
	if err != nil && ep.ID != "" {
		r.note(ep.line, "the id of <emailProvider> is left out: %s", err)
	}
}

func (r *reader) servers(part, element string, sections []section, protocols []settings.Protocol) []settings.Server {
	var out []settings.Server
	for _, s := range sections {
		i := slices.IndexFunc(protocols, func(p settings.Protocol) bool { return strings.EqualFold(string(p), s.Type) })
		if i < 0 {
			if _, ok := serviceOf(element, s); !ok {
				r.section(element, s, "the type is unknown")
			}
			continue
		}
		server, reason := readServer(s, protocols[i])
		if r.section(element, s, reason); reason != "" {
			continue
		}
		if len(server.Authentication) < len(s.Authentication) {
			r.note(s.line, "of the authentication %s are read: %q", methodsOf(s), server.Authentication)
		}
		r.take(part, s.line)
		out = append(out, server)
	}
	return out
}

// readServer says why a section is no server, if it is none.
func readServer(s section, protocol settings.Protocol) (_ settings.Server, reason string) {
	hostname, err := settings.ParseHostname(first(s.Hostname))
	if err != nil {
		return settings.Server{}, err.Error()
	}
	port, err := strconv.ParseUint(first(s.Port), 10, 16)
	if err != nil || port == 0 {
		return settings.Server{}, fmt.Sprintf("%q is no port; 1 to 65535 are allowed", first(s.Port))
	}
	socketType := settings.SocketType(first(s.SocketType))
	if !slices.Contains(settings.SocketTypes, socketType) {
		return settings.Server{}, fmt.Sprintf("%q is no socketType; SSL, STARTTLS and plain are allowed", socketType)
	}
	methods := methods(s.Authentication, settings.ServerAuthentications, settings.PasswordCleartext)
	if len(methods) == 0 {
		return settings.Server{}, "no authentication is known: " + methodsOf(s)
	}
	return settings.Server{Protocol: protocol, Hostname: hostname, Port: uint16(port),
		SocketType: socketType, Authentication: methods, Username: parseUsername(first(s.Username))}, ""
}

// serviceOf finds what a section offers at a URL.
func serviceOf(element string, s section) (settings.Protocol, bool) {
	for _, p := range settings.ServiceProtocols {
		if in := sectionOf[p]; in.element == element && strings.EqualFold(in.kind, s.Type) {
			return p, true
		}
	}
	return "", false
}

func (r *reader) services(element string, sections []section) []settings.Service {
	var out []settings.Service
	for _, s := range sections {
		protocol, ok := serviceOf(element, s)
		if !ok {
			if element != "incomingServer" { // those have been noted
				r.section(element, s, "the type is unknown")
			}
			continue
		}
		reason := ""
		url, err := parseURL(first(s.URL), "https")
		methods := methods(s.Authentication, settings.ServiceAuthentications, settings.Basic)
		switch {
		case err != nil:
			reason = err.Error()
		case len(methods) == 0:
			reason = "no authentication is known: " + methodsOf(s)
		}
		if r.section(element, s, reason); reason == "" {
			r.take("service", s.line)
			out = append(out, settings.Service{Protocol: protocol, URL: url, Authentication: methods, Username: parseUsername(first(s.Username))})
		}
	}
	return out
}

// methods reads the methods that are known. Where a document names none at
// all, clients take a password.
func methods(elements []authentication, known []settings.Authentication, byDefault settings.Authentication) []settings.Authentication {
	if len(elements) == 0 {
		return []settings.Authentication{byDefault}
	}
	var out []settings.Authentication
	for _, e := range elements {
		m := settings.Authentication(strings.TrimSpace(e.Method))
		switch m { // names of older drafts
		case "plain":
			m = settings.PasswordCleartext
		case "secure":
			m = settings.PasswordEncrypted
		case "http-basic":
			m = settings.Basic
		case "http-digest":
			m = settings.Digest
		}
		if e.System != "sasl" && slices.Contains(known, m) && !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// parseUsername keeps what is no valid template as it is, as clients do. Without a
// username they take the address.
func parseUsername(s string) settings.Username {
	if u, err := settings.ParseUsername(s); err == nil {
		return u
	}
	return settings.Username(cmp.Or(s, settings.EmailAddress))
}

func parseURL(s string, schemes ...string) (settings.URL, error) {
	return settings.ParseURL(oneLine(s), schemes...)
}

// url reads a URL that may be missing.
func (r *reader) url(line int, name, s string, schemes ...string) settings.URL {
	if s == "" {
		return ""
	}
	u, err := parseURL(s, schemes...)
	if err != nil {
		r.note(line, "%s is left out: %s", name, err)
	}
	return u
}

// webmail reads the first page to log in at.
func (r *reader) webmail(elements []webMail) settings.URL {
	var pages []loginPage
	for _, w := range elements {
		pages = append(pages, w.LoginPage...)
	}
	if len(pages) == 0 {
		return ""
	}
	for _, p := range pages[1:] {
		r.note(p.line, "<loginPage> stands %d times; the first is read", len(pages))
	}
	return r.url(pages[0].line, "<loginPage>", pages[0].URL, "https", "http")
}

func (r *reader) oauth2(o oAuth2) *settings.OAuth2Settings {
	out := settings.OAuth2Settings{Issuer: first(o.Issuer), Scope: first(o.Scope), ClientID: first(o.ClientID)}
	out.AuthURL = r.url(o.line, "<authURL> in <oAuth2>", first(o.AuthURL), "https")
	out.TokenURL = r.url(o.line, "<tokenURL> in <oAuth2>", first(o.TokenURL), "https")
	if out == (settings.OAuth2Settings{}) {
		return nil
	}
	return &out
}

// enables reads the instructions to switch something on first. The format does not say
// for which protocols.
func (r *reader) enables(elements []enable, protocols []settings.Protocol) []settings.Enable {
	var out []settings.Enable
	for _, e := range elements {
		text := texts(e.Instruction)
		if len(text) == 0 {
			r.note(e.line, "<enable> is left out: it has no <instruction>")
			continue
		}
		r.take("enable", e.line)
		url := r.url(e.line, "visiturl of <enable>", e.URL, "https", "http")
		out = append(out, settings.Enable{Protocols: protocols, URL: url, Text: text})
	}
	return out
}

func texts(elements []text) []settings.Text {
	var out []settings.Text
	for _, e := range elements {
		if value := oneLine(e.Value); value != "" {
			out = append(out, settings.Text{Lang: cmp.Or(oneLine(e.Lang), "en"), Value: value})
		}
	}
	return out
}

func first(leaves []string) string {
	if len(leaves) == 0 {
		return ""
	}
	return oneLine(leaves[0])
}

// oneLine folds the white space in a text (XML 1.0 §2.3): people indent it. A
// no-break space is no such white space.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\r\n", r) }), " ")
}
