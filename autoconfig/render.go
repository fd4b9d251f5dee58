package autoconfig

import (
	"bytes"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"milepost/internal/xmlwriter"
	"milepost/settings"
)

// Render makes the document that every known client accepts: the best server
// of each protocol, for the domain that was asked about. It fails if the
// provider has no incoming or no outgoing server for that domain.
func Render(a settings.Account) ([]byte, error) {
	a.Provider = accepted(a)
	w := xmlwriter.New()
	err := write(w, a, func(u settings.Username) string { return username(a, u) })
	if err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

// RenderAll makes the document that the ISP database would keep: every server
// and every domain of the provider, usernames as templates, and what must be
// switched on first. To hold for all the domains, the account's hostnames and
// URLs must be unfilled too; an account without a domain adds none. Clients differ
// in what they make of several servers of one protocol, so it is for exchange
// between administrators.
func RenderAll(a settings.Account) ([]byte, error) {
	var b bytes.Buffer
	err := WriteAll(&b, a)
	return b.Bytes(), err
}

// WriteAll writes the document of [RenderAll], however many domains it has.
func WriteAll(to io.Writer, a settings.Account) error {
	p := *a.Provider.WithoutLogin()
	asked := settings.DomainPattern{Domain: a.Address.Domain}
	if !asked.Domain.IsZero() && !slices.Contains(p.Domains, asked) {
		p.Domains = append([]settings.DomainPattern{asked}, p.Domains...)
	}
	p.Incoming, p.Outgoing, p.Setup = sayable(p.Incoming), sayable(p.Outgoing), sayable(p.Setup)
	a.Provider = &p
	w := xmlwriter.New()
	w.To(to)
	if err := write(w, a, func(u settings.Username) string { return string(u) }); err != nil {
		return err
	}
	return w.Flush()
}

// sayable leaves out servers whose hostname no document can say: %MXHOST% is ours.
func sayable(servers []settings.Server) []settings.Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s settings.Server) bool { return s.Hostname == settings.MXHost })
}

// accepted narrows a provider down to what every client reads rightly.
func accepted(a settings.Account) *settings.Provider {
	p := *a.Provider
	p.Domains = []settings.DomainPattern{{Domain: a.Address.Domain}}
	// One of each: Thunderbird takes the first of several, Evolution and aerc
	// the last. IMAP first: Geary reads no further.
	p.Incoming = recommended(p.Incoming, settings.IncomingProtocols)
	p.Outgoing = recommended(p.Outgoing, settings.OutgoingProtocols)
	p.Setup = recommended(p.Setup, settings.SetupProtocols)

	// Few clients fill placeholders in URLs, so where the address is not known
	// such a URL is left out.
	var services []settings.Service
	for _, protocol := range settings.ServiceProtocols {
		if s := p.Service(protocol); s.URL != "" {
			services = append(services, s)
		}
	}
	p.Services = services

	p.Documentation = slices.DeleteFunc(slices.Clone(p.Documentation), func(d settings.Documentation) bool {
		return !strings.HasPrefix(string(d.URL), "https://") || len(d.Descriptions) == 0
	})
	if o := p.OAuth2; o != nil && (!o.AuthURL.Filled() || !o.TokenURL.Filled() || o.Issuer == "" || o.Scope == "") {
		p.OAuth2 = nil
	}
	if !p.Webmail.Filled() || !strings.HasPrefix(string(p.Webmail), "https://") {
		p.Webmail = ""
	}
	p.Enable = nil // its element is no part of the draft
	return &p
}

// recommended returns the best server of each protocol, with the methods that
// every client can read.
func recommended(servers []settings.Server, protocols []settings.Protocol) []settings.Server {
	best := settings.Recommended(servers, protocols)
	for i := range best {
		best[i].Authentication = acceptedMethods(best[i].Authentication)
	}
	return best
}

// acceptedMethods leaves out what no client would use and some trip over: where a
// server takes a password, none, client-IP-address, and every method that stands
// behind the password.
func acceptedMethods(methods []settings.Authentication) []settings.Authentication {
	first := slices.IndexFunc(methods, settings.Authentication.Password)
	if first < 0 || len(methods) == 1 {
		return methods
	}
	var out []settings.Authentication
	for i, m := range methods {
		if m.Password() || i < first && m != settings.None && m != settings.ClientIPAddress {
			out = append(out, m)
		}
	}
	return out
}

// username fills a username in, because aerc, Geary and FairEmail know no
// placeholder but %EMAILADDRESS%. It stays a template where the filled text
// would not survive: Thunderbird reads text that looks like a number or a
// boolean as one (0123 becomes 123), Delta Chat loses what precedes an entity.
// A login name that no template makes is written all the same.
func username(a settings.Account, u settings.Username) string {
	filled, template := a.Username(u), templateOf(a, u)
	switch {
	case template == "":
		return filled
	case template == settings.EmailAddress:
		return string(template)
	}
	if looksTyped(filled) || xmlwriter.NeedsEntity(filled) || filled != strings.TrimSpace(filled) {
		return string(template)
	}
	return filled
}

// templateOf returns a template that makes the account's username: the provider's
// own, or for the directory's login name one that makes the same. Empty: none does.
func templateOf(a settings.Account, u settings.Username) settings.Username {
	if u != settings.Login {
		return u
	}
	for _, template := range [...]settings.Username{a.Provider.LoginFallback, settings.EmailAddress, settings.EmailLocalPart} {
		if template != "" && a.Login == template.For(a.Address) {
			return template
		}
	}
	return ""
}

// looksTyped tells whether Thunderbird reads a text as a number or a boolean
// (JXON.sys.mjs, parseText). Hexadecimal numbers have no bound there.
func looksTyped(s string) bool {
	if s == "" || !strings.ContainsRune("+-.0123456789iInNtTfF", rune(s[0])) {
		return false // nearly always, and at once
	}
	_, err := strconv.ParseFloat(s, 64)
	_, integer := new(big.Int).SetString(s, 0)
	return err == nil || integer || strings.EqualFold(s, "true") || strings.EqualFold(s, "false")
}

// write writes a provider down. The order of the elements is that of the
// grammar autoconfig-strict.
func write(w *xmlwriter.Writer, a settings.Account, username func(settings.Username) string) error {
	p := a.Provider
	switch {
	case len(p.Incoming) == 0:
		return fmt.Errorf("provider %s has no incoming server for %s", p.ID, a.Address.Domain)
	case len(p.Outgoing) == 0:
		return fmt.Errorf("provider %s has no outgoing server for %s", p.ID, a.Address.Domain)
	}
	d := documentWriter{w, username}
	d.Element("clientConfig", func() {
		d.Element("emailProvider", func() { d.provider(p) }, xmlwriter.Attr{Name: "id", Value: p.ID})
		for _, element := range [...]string{"calendar", "addressbook", "fileShare"} {
			d.services(p, element)
		}
		d.servers("setupServer", p.Setup)
		d.oauth2(p.OAuth2)
		if p.Webmail != "" {
			d.Element("webMail", func() { d.Empty("loginPage", xmlwriter.Attr{Name: "url", Value: string(p.Webmail)}) })
		}
	}, xmlwriter.Attr{Name: "version", Value: "1.1"})
	return nil
}

type documentWriter struct {
	*xmlwriter.Writer
	username func(settings.Username) string
}

func (d documentWriter) provider(p *settings.Provider) {
	for _, pattern := range p.Domains {
		if !pattern.Wildcard {
			d.Leaf("domain", pattern.Domain.ASCII)
		}
	}
	for _, mx := range p.MX {
		d.Leaf("domain", mx.ASCII, xmlwriter.Attr{Name: "purpose", Value: "mx"})
	}
	d.Leaf("displayName", p.DisplayName)
	d.Leaf("displayShortName", p.ShortName)
	d.servers("incomingServer", p.Incoming)
	d.services(p, "incomingServer")
	d.servers("outgoingServer", p.Outgoing)
	for _, doc := range p.Documentation {
		d.texts("documentation", "url", doc.URL, "descr", doc.Descriptions)
	}
	for _, e := range p.Enable {
		d.texts("enable", "visiturl", e.URL, "instruction", e.Text)
	}
}

func (d documentWriter) servers(element string, servers []settings.Server) {
	for _, s := range servers {
		d.Element(element, func() {
			d.Leaf("hostname", string(s.Hostname))
			d.Leaf("port", strconv.Itoa(int(s.Port)))
			d.Leaf("socketType", string(s.SocketType))
			for _, m := range s.Authentication {
				d.Leaf("authentication", string(m))
			}
			d.Leaf("username", d.username(s.Username))
		}, xmlwriter.Attr{Name: "type", Value: string(s.Protocol)})
	}
}

// services writes the services that stand in one kind of element.
func (d documentWriter) services(p *settings.Provider, element string) {
	for _, s := range p.Services {
		in := sectionOf[s.Protocol]
		if in.element != element {
			continue
		}
		d.Element(element, func() {
			d.Leaf("url", string(s.URL))
			for _, m := range s.Authentication {
				if m == settings.Basic || m == settings.Digest {
					d.Leaf("authentication", string(m), xmlwriter.Attr{Name: "system", Value: "http"})
				} else {
					d.Leaf("authentication", string(m))
				}
			}
			d.Leaf("username", d.username(s.Username))
		}, xmlwriter.Attr{Name: "type", Value: in.kind})
	}
}

func (d documentWriter) texts(element, attribute string, url settings.URL, child string, texts []settings.Text) {
	var attrs []xmlwriter.Attr
	if url != "" {
		attrs = []xmlwriter.Attr{{Name: attribute, Value: string(url)}}
	}
	d.Element(element, func() {
		for _, t := range texts {
			d.Leaf(child, t.Value, xmlwriter.Attr{Name: "lang", Value: t.Lang})
		}
	}, attrs...)
}

func (d documentWriter) oauth2(o *settings.OAuth2Settings) {
	if o == nil {
		return
	}
	d.Element("oAuth2", func() {
		for _, leaf := range [...]struct{ name, value string }{
			{"authURL", string(o.AuthURL)},
			{"tokenURL", string(o.TokenURL)},
			{"issuer", o.Issuer},
			{"scope", o.Scope},
			{"clientID", o.ClientID},
		} {
			if leaf.value != "" {
				d.Leaf(leaf.name, leaf.value)
			}
		}
	})
}
