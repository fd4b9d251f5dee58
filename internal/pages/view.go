package pages

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"milepost/settings"
)

// view is what every template is given: words in the reader's language, links
// that keep it, and what the page itself is about, as Model.
type view struct {
	Site    *Site
	Reader  Reader
	Heading string
	Typed   string // stands in the address field
	Mistake string // in what was typed; empty: none
	NoIndex bool   // search engines stay out
	// Description is what the page is about, for who has not opened it; empty: nothing
	// that the heading does not say.
	Description string
	Refresh     int // seconds after which the page is looked at again, without script; 0: not at all
	Model       any

	messages messages
	path     string
	query    string // of the page's own URL, without the language
}

func (s *Site) view(r Reader, path, query string) *view {
	return &view{Site: s, Reader: r, messages: s.messages[r.Lang], path: path, query: query}
}

// T is a message as plain text; its placeholders follow as names and values.
func (v *view) T(key string, args ...any) string {
	return v.messages.get(key).text(args)
}

// H is a message as HTML, with its links; the values are escaped.
func (v *view) H(key string, args ...any) template.HTML {
	return v.messages.get(key).html(v.Link, args)
}

// Link adds the language to a path of ours, if a link has chosen it. One that the
// browser prefers needs no mention.
func (v *view) Link(path string) string {
	if !v.Reader.Chosen {
		return path
	}
	path, fragment, found := strings.Cut(path, "#")
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	path += mark + "lang=" + v.Reader.Lang
	if found {
		path += "#" + fragment
	}
	return path
}

// languageLink leads to the same page in another language.
type languageLink struct {
	Lang, Name, URL string
	Current         bool
}

// Languages are the links of the language switch. They may hold an address, but lead
// to this server alone.
func (v *view) Languages() []languageLink {
	out := make([]languageLink, len(languages))
	for i, l := range languages {
		query := v.query
		if query != "" {
			query += "&"
		}
		out[i] = languageLink{Lang: l.code, Name: l.name, URL: v.path + "?" + query + "lang=" + l.code, Current: l.code == v.Reader.Lang}
	}
	return out
}

// LanguageName is what the reader's language calls itself.
func (v *view) LanguageName() string {
	for _, l := range languages {
		if l.code == v.Reader.Lang {
			return l.name
		}
	}
	return v.Reader.Lang
}

// Current tells whether a path leads to this very page.
func (v *view) Current(path string) bool { return v.path == path }

// Asset is the path of an embedded file, which changes with its content.
func (v *view) Asset(name string) string { return v.Site.assets.paths[name] }

// Texts finds the text for the reader among several.
func (v *view) Texts(texts []settings.Text) settings.Text {
	return settings.InLanguage(texts, v.Reader.Lang)
}

// HelpPages returns a provider's help pages, those in the reader's language first, and
// then the English ones.
func (v *view) HelpPages(all []settings.Documentation) []settings.Documentation {
	rank := func(d settings.Documentation) int {
		switch lang, _, _ := strings.Cut(v.Texts(d.Descriptions).Lang, "-"); lang {
		case v.Reader.Lang:
			return 0
		case "en":
			return 1
		}
		return 2
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b settings.Documentation) int { return rank(a) - rank(b) })
	return sorted
}

// PasswordPage is where people make the password that mail programs need; empty: they
// have it, or nobody knows.
func (v *view) PasswordPage(p *settings.Provider) settings.URL {
	if p.Password.Kind != settings.AppPassword {
		return ""
	}
	return p.Password.URL
}

// Security names a socket type as mail programs do.
func (v *view) Security(t settings.SocketType) string {
	switch t {
	case settings.SSL:
		return "SSL/TLS"
	case settings.STARTTLS:
		return "STARTTLS"
	}
	return v.T("security-none")
}

// SecurityTerm is where the help page explains a socket type.
func (v *view) SecurityTerm(t settings.SocketType) string {
	switch t {
	case settings.SSL:
		return "/help#ssl-tls"
	case settings.STARTTLS:
		return "/help#starttls"
	}
	return "/help#unencrypted"
}

// ProtocolName names a protocol or a service as people know it.
func (v *view) ProtocolName(p settings.Protocol) string {
	switch p {
	case settings.IMAP:
		return "IMAP"
	case settings.POP3:
		return "POP"
	case settings.SMTP:
		return "SMTP"
	case settings.ManageSieve:
		return v.T("service-filters")
	case settings.CalDAV:
		return v.T("service-calendars")
	case settings.CardDAV:
		return v.T("service-contacts")
	case settings.WebDAV:
		return v.T("service-files")
	case settings.JMAP:
		return v.T("service-mail")
	case settings.ActiveSync:
		return "Exchange ActiveSync"
	case settings.EWS:
		return "Exchange Web Services"
	}
	return string(p)
}

// ProtocolTerm is where the help page explains a server's protocol.
func (v *view) ProtocolTerm(p settings.Protocol) string {
	switch p {
	case settings.IMAP:
		return "/help#imap"
	case settings.POP3:
		return "/help#pop"
	}
	return "/help#smtp"
}

// SignIn names the ways to log in, the provider's preference first.
func (v *view) SignIn(methods []settings.Authentication) string {
	names := make([]string, 0, len(methods))
	for _, m := range methods {
		switch m {
		case settings.PasswordCleartext, settings.Basic:
			names = append(names, v.T("signin-password"))
		case settings.PasswordEncrypted, settings.Digest:
			names = append(names, v.T("signin-encrypted"))
		case settings.GSSAPI:
			names = append(names, "Kerberos (GSSAPI)")
		case settings.TLSClientCert:
			names = append(names, v.T("signin-certificate"))
		case settings.ClientIPAddress:
			names = append(names, v.T("signin-network"))
		case settings.None:
			names = append(names, v.T("signin-none"))
		default: // OAuth2, NTLM: the same in every language
			names = append(names, string(m))
		}
	}
	return strings.Join(names, ", ")
}

// field is a value with its label and its copy button.
type field struct {
	*view
	Label  string
	Value  string
	Term   string // where it is explained; empty: nowhere
	Server string // whose value it is, for people who hear the page
	Copied bool   // it has a copy button
}

// Field makes a field. A value in which words describe a placeholder is not worth
// copying.
func (v *view) Field(label string, value any, term, server string) field {
	text := v.Words(value)
	return field{view: v, Label: label, Value: text, Term: v.Link(term), Server: server, Copied: text == fmt.Sprint(value)}
}

// SignInField is the field of the ways to log in. Programs offer them in a list, so
// there is nothing to copy.
func (v *view) SignInField(methods []settings.Authentication) field {
	f := field{view: v, Label: v.T("field-signin"), Value: v.SignIn(methods)}
	if slices.Contains(methods, settings.OAuth2) {
		f.Term = v.Link("/help#oauth2")
	}
	return f
}

// UsernameField is the field of a username: filled in if the address is known, else
// described.
func (v *view) UsernameField(u settings.Username, a settings.Account, server string) field {
	value := string(u)
	if !a.Address.Domain.IsZero() {
		value = a.Username(u)
	}
	f := v.Field(v.T("field-username"), value, "/help#username", server)
	switch {
	case a.Address.Local != "":
		f.Value, f.Copied = value, true // though it may look like a placeholder
	case u == settings.EmailAddress:
		f.Value = v.T("username-address")
	case u == settings.EmailLocalPart:
		f.Value = v.T("username-local")
	}
	return f
}

// Words replaces placeholders by words in the reader's language.
func (v *view) Words(value any) string {
	s := fmt.Sprint(value)
	if !strings.Contains(s, "%EMAIL") && s != settings.MXHost {
		return s
	}
	return v.Site.placeholders[v.Reader.Lang].Replace(s)
}

// card is a recommended server on the page that answers.
type card struct {
	*view
	settings.Account
	ID, Title string
	Server    settings.Server
}

// Card shows a server with all its values, under its anchor, which is its title's key
// too.
func (v *view) Card(a settings.Account, id string, s settings.Server) card {
	return card{v, a, id, v.T(id), s}
}

// table is several servers in rows.
type table struct {
	*view
	settings.Account
	Servers []settings.Server
	Label   string
}

// Table shows an account's servers in rows.
func (v *view) Table(a settings.Account, servers []settings.Server, label string) table {
	return table{v, a, servers, label}
}
