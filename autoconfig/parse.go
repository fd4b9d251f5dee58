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
	if len(data) > maxDocument {
		return settings.Provider{}, fmt.Errorf("document has %d octets; at most %d are read", len(data), maxDocument)
	}
	var doc document
	if err := decode(data, &doc); err != nil {
		return settings.Provider{}, err
	}
	if len(doc.Providers) == 0 {
		return settings.Provider{}, errors.New("document has no emailProvider element")
	}
	ep := doc.Providers[0]
	p := settings.Provider{
		DisplayName: first(ep.DisplayName),
		ShortName:   first(ep.DisplayShortName),
		Incoming:    servers(ep.Incoming, settings.IncomingProtocols),
		Outgoing:    servers(ep.Outgoing, settings.OutgoingProtocols),
		Setup:       servers(doc.Setup, settings.SetupProtocols),
		Services: slices.Concat(services(ep.Incoming, "incomingServer"), services(doc.Calendar, "calendar"),
			services(doc.AddressBook, "addressbook"), services(doc.FileShare, "fileShare")),
		OAuth2: oauth2(doc.OAuth2),
	}
	p.Enable = enables(slices.Concat(ep.Enable, doc.Enable), p.Protocols())
	identify(&p, ep)
	for _, d := range ep.Documentation {
		if url, ok := parseURL(d.URL, "https", "http"); ok {
			p.Documentation = append(p.Documentation, settings.Documentation{URL: url, Descriptions: texts(d.Descr)})
		}
	}
	if len(doc.LoginPage) > 0 {
		p.Webmail, _ = parseURL(doc.LoginPage[0].URL, "https", "http")
	}
	switch {
	case len(p.Domains) == 0:
		return settings.Provider{}, errors.New("document names no domain")
	case len(p.Incoming)+len(p.Outgoing)+len(p.Services) == 0:
		return settings.Provider{}, errors.New("document has no server or service that can be used")
	}
	return p, nil
}

func decode(data []byte, doc *document) error {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	d.CharsetReader = func(charset string, _ io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("document is in %s; UTF-8 is allowed", charset)
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
				return fmt.Errorf("document is not well-formed: %w", err)
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
			return fmt.Errorf("document is not well-formed: %w", err)
		}
	}
}

// identify reads the provider's id and domains; each stands in for the other.
func identify(p *settings.Provider, ep emailProvider) {
	seen := make(map[string]bool)
	for _, d := range ep.Domain {
		parsed, err := address.ParseDomain(strings.TrimSpace(d.Name))
		if err != nil || seen[d.Purpose+parsed.ASCII] {
			continue
		}
		seen[d.Purpose+parsed.ASCII] = true
		switch d.Purpose {
		case "":
			p.Domains = append(p.Domains, settings.DomainPattern{Domain: parsed})
		case "mx":
			p.MX = append(p.MX, parsed)
		}
	}
	id, err := address.ParseDomain(strings.TrimSpace(ep.ID))
	switch {
	case err == nil:
		p.ID = id.ASCII
		if len(p.Domains) == 0 && strings.Contains(id.ASCII, ".") {
			p.Domains = []settings.DomainPattern{{Domain: id}}
		}
	case len(p.Domains) > 0:
		p.ID = p.Domains[0].Domain.ASCII
	}
}

func servers(sections []section, protocols []settings.Protocol) []settings.Server {
	var out []settings.Server
	for _, s := range sections {
		i := slices.IndexFunc(protocols, func(p settings.Protocol) bool { return strings.EqualFold(string(p), s.Type) })
		hostname, err := settings.ParseHostname(first(s.Hostname))
		port, errPort := strconv.ParseUint(first(s.Port), 10, 16)
		socketType := settings.SocketType(first(s.SocketType))
		methods := methods(s.Authentication, settings.ServerAuthentications, settings.PasswordCleartext)
		if i < 0 || err != nil || errPort != nil || port == 0 || !slices.Contains(settings.SocketTypes, socketType) || len(methods) == 0 {
			continue
		}
		out = append(out, settings.Server{Protocol: protocols[i], Hostname: hostname, Port: uint16(port),
			SocketType: socketType, Authentication: methods, Username: parseUsername(first(s.Username))})
	}
	return out
}

func services(sections []section, element string) []settings.Service {
	var out []settings.Service
	for _, s := range sections {
		url, ok := parseURL(first(s.URL), "https")
		methods := methods(s.Authentication, settings.ServiceAuthentications, settings.Basic)
		if !ok || len(methods) == 0 {
			continue
		}
		for _, p := range settings.ServiceProtocols {
			if in := sectionOf[p]; in.element == element && strings.EqualFold(in.kind, s.Type) {
				out = append(out, settings.Service{Protocol: p, URL: url, Authentication: methods, Username: parseUsername(first(s.Username))})
			}
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

func parseURL(s string, schemes ...string) (settings.URL, bool) {
	u, err := settings.ParseURL(oneLine(s), schemes...)
	return u, err == nil
}

func oauth2(o oAuth2) *settings.OAuth2Settings {
	out := settings.OAuth2Settings{Issuer: first(o.Issuer), Scope: first(o.Scope), ClientID: first(o.ClientID)}
	out.AuthURL, _ = parseURL(first(o.AuthURL), "https")
	out.TokenURL, _ = parseURL(first(o.TokenURL), "https")
	if out == (settings.OAuth2Settings{}) {
		return nil
	}
	return &out
}

// enables reads the instructions to switch something on first. The format does not say
// for which protocols.
func enables(elements []enable, protocols []settings.Protocol) []settings.Enable {
	var out []settings.Enable
	for _, e := range elements {
		if text := texts(e.Instruction); len(text) > 0 {
			url, _ := parseURL(e.URL, "https", "http")
			out = append(out, settings.Enable{Protocols: protocols, URL: url, Text: text})
		}
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
