package exchange

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// difference is a value in which a file and a document do not agree.
type difference struct {
	key       string // as messages about the file have it
	has, says string // the file; the document
}

// merge compares a file's provider with a document's.
type merge struct {
	file     *settings.Provider // with the document's values in place of those that differ
	more     settings.Provider  // what the file lacks
	differ   []difference
	added    []string // what more holds, for people
	document *settings.Provider
}

func newMerge(file, document *settings.Provider) *merge {
	copied := *file
	copied.Incoming, copied.Outgoing, copied.Setup = slices.Clone(file.Incoming), slices.Clone(file.Outgoing), slices.Clone(file.Setup)
	copied.Services, copied.Documentation = slices.Clone(file.Services), slices.Clone(file.Documentation)
	m := &merge{file: &copied, document: document}
	m.identity()
	m.more.Incoming = m.servers("incoming", m.file.Incoming, document.Incoming)
	m.more.Outgoing = m.servers("outgoing", m.file.Outgoing, document.Outgoing)
	m.more.Setup = m.servers("setup", m.file.Setup, document.Setup)
	m.services()
	m.oauth2()
	m.instructions()
	return m
}

// compare compares two values that both are there.
func (m *merge) compare(key, has, says string, take func()) {
	if has != says {
		m.differ = append(m.differ, difference{key, has, says})
		take()
	}
}

// value compares two values of a key that the file may lack.
func value[S ~string](m *merge, key string, has *S, says S, more *S) {
	switch {
	case says == "":
	case *has == "":
		*more = says
		m.added = append(m.added, key)
	default:
		m.compare(key, string(*has), string(says), func() { *has = says })
	}
}

func (m *merge) identity() {
	f, d := m.file, m.document
	value(m, "display_name", &f.DisplayName, d.DisplayName, &m.more.DisplayName)
	value(m, "short_name", &f.ShortName, d.ShortName, &m.more.ShortName)
	value(m, "webmail", &f.Webmail, d.Webmail, &m.more.Webmail)
	value(m, "source", &f.Source, d.Source, &m.more.Source)
	value(m, "checked", &f.Checked, d.Checked, &m.more.Checked)
	known := make(map[settings.DomainPattern]bool, len(f.Domains))
	for _, p := range f.Domains {
		known[plain(p)] = true
	}
	for _, p := range d.Domains {
		if !known[plain(p)] {
			m.more.Domains = append(m.more.Domains, p)
		}
	}
	for _, mx := range d.MX {
		if !slices.ContainsFunc(f.MX, func(o address.Domain) bool { return o.ASCII == mx.ASCII }) {
			m.more.MX = append(m.more.MX, mx)
		}
	}
	for _, n := range []struct {
		n   int
		key string
	}{{len(m.more.Domains), "domains"}, {len(m.more.MX), "mx"}} {
		if n.n > 0 {
			m.added = append(m.added, fmt.Sprintf("%s (%d)", n.key, n.n))
		}
	}
}

// plain is a pattern without the way in which its domain was written.
func plain(p settings.DomainPattern) settings.DomainPattern {
	p.Domain = address.Domain{ASCII: p.Domain.ASCII}
	return p
}

// pairs finds for each element of a document the one of a file that is meant: by the
// first test, or else by the next, each but once. -1: there is none.
func pairs[T any](file, document []T, same ...func(a, b T) bool) []int {
	out := make([]int, len(document))
	for i := range out {
		out[i] = -1
	}
	for _, test := range same {
		for i, d := range document {
			for j, f := range file {
				if out[i] < 0 && !slices.Contains(out, j) && test(f, d) {
					out[i] = j
				}
			}
		}
	}
	return out
}

func (m *merge) servers(key string, file, document []settings.Server) (more []settings.Server) {
	host := func(a, b settings.Server) bool { return a.Protocol == b.Protocol && a.Hostname == b.Hostname }
	port := func(a, b settings.Server) bool { return host(a, b) && a.Port == b.Port }
	for i, j := range pairs(file, document, port, host) {
		d := document[i]
		if j < 0 {
			more = append(more, d)
			m.added = append(m.added, fmt.Sprintf("%s[%d]", key, len(file)+len(more)))
			continue
		}
		f, at := &file[j], fmt.Sprintf("%s[%d].", key, j+1)
		m.compare(at+"port", fmt.Sprint(f.Port), fmt.Sprint(d.Port), func() { f.Port = d.Port })
		m.compare(at+"socket_type", string(f.SocketType), string(d.SocketType), func() { f.SocketType = d.SocketType })
		m.compare(at+"authentication", words(f.Authentication), words(d.Authentication), func() { f.Authentication = d.Authentication })
		m.compare(at+"username", string(f.Username), string(d.Username), func() { f.Username = d.Username })
	}
	return more
}

func (m *merge) services() {
	file, document := m.file.Services, m.document.Services
	protocol := func(a, b settings.Service) bool { return a.Protocol == b.Protocol }
	url := func(a, b settings.Service) bool { return protocol(a, b) && a.URL == b.URL }
	for i, j := range pairs(file, document, url, protocol) {
		d := document[i]
		if j < 0 {
			m.more.Services = append(m.more.Services, d)
			m.added = append(m.added, fmt.Sprintf("service[%d]", len(file)+len(m.more.Services)))
			continue
		}
		f, at := &file[j], fmt.Sprintf("service[%d].", j+1)
		m.compare(at+"url", string(f.URL), string(d.URL), func() { f.URL = d.URL })
		m.compare(at+"authentication", words(f.Authentication), words(d.Authentication), func() { f.Authentication = d.Authentication })
		m.compare(at+"username", string(f.Username), string(d.Username), func() { f.Username = d.Username })
	}
}

func (m *merge) oauth2() {
	d := m.document.OAuth2
	switch {
	case d == nil:
		return
	case m.file.OAuth2 == nil:
		m.more.OAuth2 = d
		m.added = append(m.added, "oauth2")
		return
	}
	f := *m.file.OAuth2
	m.file.OAuth2 = &f
	m.compare("oauth2.issuer", f.Issuer, d.Issuer, func() { f.Issuer = d.Issuer })
	m.compare("oauth2.auth_url", string(f.AuthURL), string(d.AuthURL), func() { f.AuthURL = d.AuthURL })
	m.compare("oauth2.token_url", string(f.TokenURL), string(d.TokenURL), func() { f.TokenURL = d.TokenURL })
	m.compare("oauth2.scope", f.Scope, d.Scope, func() { f.Scope = d.Scope })
	if d.ClientID != "" {
		m.compare("oauth2.client_id", f.ClientID, d.ClientID, func() { f.ClientID = d.ClientID })
	}
}

// instructions compares help pages and what must be switched on. Texts are people's:
// a page that is there already keeps its own.
func (m *merge) instructions() {
	for _, d := range m.document.Documentation {
		if !slices.ContainsFunc(m.file.Documentation, func(f settings.Documentation) bool { return f.URL == d.URL }) {
			m.more.Documentation = append(m.more.Documentation, d)
			m.added = append(m.added, fmt.Sprintf("documentation[%d]", len(m.file.Documentation)+len(m.more.Documentation)))
		}
	}
	for _, d := range m.document.Enable {
		if !slices.ContainsFunc(m.file.Enable, func(f settings.Enable) bool { return f.URL == d.URL }) {
			d.Protocols = nil // all of the file's
			m.more.Enable = append(m.more.Enable, d)
			m.added = append(m.added, fmt.Sprintf("enable[%d]", len(m.file.Enable)+len(m.more.Enable)))
		}
	}
}

// whole is the file's provider with all that the document has.
func (m *merge) whole() *settings.Provider {
	p := *m.file
	p.Webmail, p.Source, p.Checked = cmp.Or(p.Webmail, m.more.Webmail), cmp.Or(p.Source, m.more.Source), cmp.Or(p.Checked, m.more.Checked)
	p.Domains, p.MX = slices.Concat(p.Domains, m.more.Domains), slices.Concat(p.MX, m.more.MX)
	p.Incoming, p.Outgoing, p.Setup = slices.Concat(p.Incoming, m.more.Incoming), slices.Concat(p.Outgoing, m.more.Outgoing), slices.Concat(p.Setup, m.more.Setup)
	p.Services = slices.Concat(p.Services, m.more.Services)
	if m.more.OAuth2 != nil {
		p.OAuth2 = m.more.OAuth2
	}
	p.Documentation, p.Enable = slices.Concat(p.Documentation, m.more.Documentation), slices.Concat(p.Enable, m.more.Enable)
	return &p
}

func words(methods []settings.Authentication) string {
	var quoted []string
	for _, m := range methods {
		quoted = append(quoted, string(m))
	}
	return strings.Join(quoted, ", ")
}
