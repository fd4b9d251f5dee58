package providerfile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"milepost/address"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

// lineWidth is where an array of domains goes on in the next line, in octets.
const lineWidth = 130

// Write writes a provider's file: comments at its head, then what differs from the
// reader's defaults. Under the name ID.toml it reads as the same provider. What a
// domains_from named stands under domains.
func Write(p *settings.Provider, comments ...string) []byte { return WriteBeside("", p, comments...) }

// WriteBeside is [Write] for a provider of whose domains some stand in a list beside the
// file: under domains_from it is named, and none of them is among p's.
func WriteBeside(list string, p *settings.Provider, comments ...string) []byte {
	var w fileWriter
	for _, c := range comments {
		w.comment(c)
	}
	w.identity(p, list)
	w.tables(p)
	return w.b
}

// fileWriter writes TOML in the order and style of the shipped files.
type fileWriter struct{ b []byte }

// comment writes a line that no text can leave.
func (w *fileWriter) comment(text string) {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	w.b = fmt.Appendf(w.b, "# %s\n", text)
}

// key writes a key with a value that is TOML.
func (w *fileWriter) key(name, value string) { w.b = fmt.Appendf(w.b, "%s = %s\n", name, value) }

// header begins a table.
func (w *fileWriter) header(header string) {
	if len(w.b) > 0 {
		w.b = append(w.b, '\n')
	}
	w.b = append(w.b, header+"\n"...)
}

// text writes a string, unless it is the one that the reader takes without the key.
func text[S ~string](w *fileWriter, name string, value, byDefault S) {
	if value != byDefault {
		w.key(name, tomlfile.Quote(string(value)))
	}
}

func words[S ~string](values []S) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = tomlfile.Quote(string(v))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// flag writes a boolean that is false without the key.
func (w *fileWriter) flag(name string, value bool) {
	if value {
		w.key(name, "true")
	}
}

// domains writes an array of names, in several lines if it is long.
func (w *fileWriter) domains(name string, domains []string) {
	if len(domains) == 0 {
		return
	}
	if one := words(domains); len(name)+len(one) < lineWidth {
		w.key(name, one)
		return
	}
	w.b = fmt.Appendf(w.b, "%s = [\n%s]\n", name, rows(domains))
}

// rows are the elements of an array in lines.
func rows(domains []string) []byte {
	var b []byte
	width := 0
	for _, d := range domains {
		d = tomlfile.Quote(d) + ","
		if width > 0 && width+1+len(d) > lineWidth {
			b, width = append(b, '\n'), 0
		}
		before := " "
		if width == 0 {
			before = "  "
		}
		b = append(append(b, before...), d...)
		width += len(before) + len(d)
	}
	return append(b, '\n')
}

func patterns(p *settings.Provider) []string {
	out := make([]string, len(p.Domains))
	for i, d := range p.Domains {
		out[i] = d.String()
	}
	return out
}

func names(domains []address.Domain) []string {
	out := make([]string, len(domains))
	for i, d := range domains {
		out[i] = d.ASCII
	}
	return out
}

func (w *fileWriter) identity(p *settings.Provider, list string) {
	text(w, "display_name", p.DisplayName, "")
	text(w, "short_name", p.ShortName, p.DisplayName)
	w.domains("domains", patterns(p))
	text(w, "domains_from", list, "")
	w.domains("mx", names(p.MX))
	text(w, "kind", p.Kind, "")
	text(w, "country", p.Country, "")
	text(w, "website", p.Website, "")
	text(w, "webmail", p.Webmail, "")
	text(w, "apple_name", p.AppleName, "")
	text(w, "google_name", p.GoogleName, "")
	text(w, "source", p.Source, "")
	if p.Checked != "" {
		w.key("checked", string(p.Checked)) // a local date, which the reader made
	}
	w.flag("no_mail_programs", p.NoMailPrograms)
	w.flag("closed", p.Closed)
	text(w, "autodiscover_redirect_url", p.AutodiscoverRedirectURL, "")
	text(w, "autodiscover_redirect_address", p.AutodiscoverRedirectAddress, "")
}

func (w *fileWriter) tables(p *settings.Provider) {
	w.servers("incoming", "", p.Incoming)
	w.servers("outgoing", settings.SMTP, p.Outgoing)
	w.servers("setup", settings.ManageSieve, p.Setup)
	for _, s := range p.Services {
		w.header("[[service]]")
		text(w, "protocol", s.Protocol, "")
		text(w, "url", s.URL, "")
		w.login(s.Authentication, settings.Basic, s.Username)
	}
	if o := p.OAuth2; o != nil {
		w.header("[oauth2]")
		text(w, "issuer", o.Issuer, "")
		text(w, "auth_url", o.AuthURL, "")
		text(w, "token_url", o.TokenURL, "")
		text(w, "scope", o.Scope, "")
		text(w, "client_id", o.ClientID, "")
	}
	if m := p.MTASTS; m != nil {
		w.header("[mta_sts]")
		text(w, "mode", m.Mode, "")
		if m.MaxAge != defaultMTASTSAge {
			w.key("max_age", strconv.FormatUint(uint64(m.MaxAge), 10))
		}
		if len(m.MX) > 0 {
			w.domains("mx", patterns(&settings.Provider{Domains: m.MX}))
		}
	}
	for _, d := range p.Documentation {
		w.header("[[documentation]]")
		text(w, "url", d.URL, "")
		w.texts("", d.Descriptions)
	}
	if pw := p.Password; pw.URL != "" || pw.Kind != "" && pw.Kind != settings.AccountPassword {
		w.header("[password]")
		text(w, "kind", pw.Kind, "")
		text(w, "url", pw.URL, "")
	}
	for _, e := range p.Enable {
		w.header("[[enable]]")
		if e.Protocols != nil && !slices.Equal(e.Protocols, p.Protocols()) {
			w.key("protocols", words(e.Protocols))
		}
		text(w, "url", e.URL, "")
		w.texts("text.", e.Text)
	}
	if n := p.Notice; n != nil {
		w.header("[notice]")
		text(w, "url", n.URL, "")
		w.texts("", n.Text)
	}
}

func (w *fileWriter) texts(before string, texts []settings.Text) {
	for _, t := range texts {
		lang := t.Lang
		if !bareKey.MatchString(lang) { // no language tag; the reader will say so
			lang = tomlfile.Quote(lang)
		}
		text(w, before+lang, t.Value, "")
	}
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

func (w *fileWriter) servers(key string, byDefault settings.Protocol, servers []settings.Server) {
	for _, s := range servers {
		w.header("[[" + key + "]]")
		text(w, "protocol", s.Protocol, byDefault)
		text(w, "hostname", s.Hostname, "")
		socketType := defaultSocketType(s.Protocol)
		// A port that belongs to another socket type is refused without one.
		if s.SocketType != socketType || s.Port != settings.DefaultPort(s.Protocol, socketType) && isDefaultPort(s) {
			text(w, "socket_type", s.SocketType, "")
		}
		if s.Port != settings.DefaultPort(s.Protocol, s.SocketType) {
			w.key("port", strconv.Itoa(int(s.Port)))
		}
		w.login(s.Authentication, settings.PasswordCleartext, s.Username)
		if len(s.Devices) > 0 && !isLoopback(s.Hostname) {
			w.key("devices", words(s.Devices))
		}
	}
}

// isDefaultPort tells whether the port belongs to one of the socket types.
func isDefaultPort(s settings.Server) bool {
	return slices.ContainsFunc(settings.SocketTypes, func(t settings.SocketType) bool { return s.Port == settings.DefaultPort(s.Protocol, t) })
}

func (w *fileWriter) login(methods []settings.Authentication, byDefault settings.Authentication, username settings.Username) {
	if !slices.Equal(methods, []settings.Authentication{byDefault}) {
		w.key("authentication", words(methods))
	}
	text(w, "username", username, settings.EmailAddress)
}
