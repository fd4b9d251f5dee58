package catalogue

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

const (
	maxDisplayName = 60 // characters, draft-ietf-mailmaint-autoconfig displayName
	maxShortName   = 20 // … displayShortName
	maxText        = 2000
	maxServers     = 100 // of one direction
)

// loaded is one provider file with what is needed to name places in it.
type loaded struct {
	provider *settings.Provider
	file     string
	idLine   int
	errs     Errors

	listFile    string  // of domains_from
	domainLines []int32 // of provider.Domains; negative: a line of listFile
	mxLines     []int32 // of provider.MX
}

// domainAt says where a domain was claimed.
func (l *loaded) domainAt(d settings.DomainPattern) (file string, line int32) {
	i := slices.Index(l.provider.Domains, d)
	return l.place(i)
}

func (l *loaded) place(i int) (file string, line int32) {
	if line = l.domainLines[i]; line < 0 {
		return l.listFile, -line
	}
	return l.file, line
}

func (l *loaded) domainError(i int, err error) Error {
	file, line := l.place(i)
	if file == l.file {
		return Error{File: file, Line: int(line), Key: "domains", Err: err}
	}
	return Error{File: file, Line: int(line), Err: err}
}

// loadFile reads one provider. Its mistakes are in errs; what could be read is
// in provider.
func loadFile(source Source, name string) *loaded {
	l := &loaded{provider: &settings.Provider{}, file: source.path(name), idLine: 1}
	data, err := textfile.Read(source.FS, name, maxFile)
	if err != nil {
		l.errs = Errors{{File: l.file, Err: err}}
		return l
	}
	t := tomlfile.Parse(l.file, data)
	if l.errs = t.Errors(); len(l.errs) > 0 {
		return l
	}
	l.identity(t, strings.TrimSuffix(path.Base(name), ".toml"))
	list := l.domains(t, source, name)

	p := l.provider
	p.Incoming = servers(t, "incoming", "", settings.IncomingProtocols)
	p.Outgoing = servers(t, "outgoing", settings.SMTP, settings.OutgoingProtocols)
	p.Setup = servers(t, "setup", settings.ManageSieve, settings.SetupProtocols)
	needServers(t, "incoming", p.Incoming)
	needServers(t, "outgoing", p.Outgoing)
	p.Services = services(t)
	p.OAuth2 = oauth2(t.Table("oauth2"))
	redirect(t, p)
	for _, d := range t.Tables("documentation") {
		url := tomlfile.Required(d, "url", httpsURL)
		p.Documentation = append(p.Documentation, settings.Documentation{URL: url, Descriptions: texts(d)})
		d.Done()
	}
	if n := t.Table("notice"); n != nil {
		p.Notice = &settings.Notice{URL: tomlfile.Optional(n, "url", httpsURL), Text: texts(n)}
		n.Done()
	}
	t.Done()
	l.errs = append(t.Errors(), list...)
	return l
}

func needServers(t *tomlfile.Table, key string, servers []settings.Server) {
	if len(servers) == 0 {
		t.Errorf(key, "is missing; a provider needs at least one [[%s]] server", key)
	}
}

// redirect reads where Autodiscover sends Outlook instead.
func redirect(t *tomlfile.Table, p *settings.Provider) {
	p.AutodiscoverRedirectURL = tomlfile.Optional(t, "autodiscover_redirect_url", func(s string) (settings.URL, error) {
		u, err := httpsURL(s)
		if err == nil && !u.Filled() {
			err = fmt.Errorf("%q has a placeholder; none is allowed here", s)
		}
		return u, err
	})
	p.AutodiscoverRedirectAddress = tomlfile.Optional(t, "autodiscover_redirect_address", func(s string) (settings.Username, error) {
		u, err := settings.ParseUsername(s)
		if err == nil {
			d, _ := address.ParseDomain("example.com")
			if _, bad := address.Parse(u.For(address.Address{Local: "fred", Domain: d})); bad != nil || u == settings.EmailAddress {
				err = fmt.Errorf(`%q is no other address; "%s@tenant.example.com", say, is allowed`, s, settings.EmailLocalPart)
			}
		}
		return u, err
	})
	if p.AutodiscoverRedirectURL != "" && p.AutodiscoverRedirectAddress != "" {
		t.Errorf("autodiscover_redirect_address", "stands beside autodiscover_redirect_url; one of them is allowed")
	}
}

var idPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

func (l *loaded) identity(t *tomlfile.Table, fileID string) {
	p := l.provider
	id, given := t.String("id")
	if !given {
		id = fileID
	}
	l.idLine = t.Line("id")
	if p.ID = id; !idPattern.MatchString(id) || len(id) > 253 {
		from := ""
		if !given {
			from = " (the file's name)"
		}
		t.Errorf("id", "%q%s is no id; letters a to z, digits, dots and hyphens are allowed", id, from)
	}
	name := func(key string, limit int) string {
		s, ok := t.String(key)
		if !ok {
			return ""
		}
		checkName(t, key, s, limit)
		return s
	}
	p.DisplayName = name("display_name", maxDisplayName)
	if !t.Has("display_name") {
		t.Errorf("display_name", "is missing; a provider needs a name")
	}
	p.ShortName = name("short_name", maxShortName)
	if !t.Has("short_name") {
		p.ShortName = p.DisplayName
		if n := utf8.RuneCountInString(p.ShortName); n > maxShortName {
			t.ErrorAt(t.Line("display_name"), "short_name",
				fmt.Errorf("is missing and display_name has %d characters; write a short_name of at most %d", n, maxShortName))
		}
	}
	p.Kind = tomlfile.Optional(t, "kind", func(s string) (settings.Kind, error) { return tomlfile.OneOf(s, settings.Kinds) })
	p.Country = tomlfile.Optional(t, "country", country)
	p.Website = string(tomlfile.Optional(t, "website", webURL))
	p.Webmail = tomlfile.Optional(t, "webmail", httpsURL)
	p.Source = string(tomlfile.Optional(t, "source", webURL))
	p.Closed, _ = t.Bool("closed")
}

func checkName(t *tomlfile.Table, key, s string, limit int) {
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		t.Errorf(key, "is empty; 1 to %d characters are allowed", limit)
	case n > limit:
		t.Errorf(key, "has %d characters; at most %d are allowed", n, limit)
	case s != strings.TrimSpace(s) || strings.ContainsFunc(s, unicode.IsControl):
		t.Errorf(key, "%q has control characters, or space at its ends; neither is allowed", s)
	}
}

// domains reads the provider's domains, and returns the mistakes of the list
// beside the file.
func (l *loaded) domains(t *tomlfile.Table, source Source, file string) Errors {
	p := l.provider
	items, _ := t.Strings("domains")
	for _, item := range items {
		d, err := parsePattern(item.Value)
		if err != nil {
			t.ErrorAt(item.Line, "domains", err)
			continue
		}
		p.Domains = append(p.Domains, d)
		l.domainLines = append(l.domainLines, int32(item.Line))
	}
	mx, _ := t.Strings("mx")
	for _, item := range mx {
		d, err := address.ParseDomain(item.Value)
		if err != nil {
			t.ErrorAt(item.Line, "mx", err)
			continue
		}
		p.MX = append(p.MX, d)
		l.mxLines = append(l.mxLines, int32(item.Line))
	}
	list, ok := t.String("domains_from")
	if !ok {
		if len(items)+len(mx) == 0 && !t.Has("domains_from") {
			t.Errorf("domains", "is missing; a provider needs domains, domains_from or mx")
		}
		return nil
	}
	name := path.Join(path.Dir(file), list)
	if list == "" || strings.HasPrefix(list, "/") || !fs.ValidPath(name) || path.Dir(name) != path.Dir(file) {
		t.Errorf("domains_from", "%q is no file beside this one; a plain file name is allowed", list)
		return nil
	}
	data, err := textfile.Read(source.FS, name, maxList)
	if err != nil {
		t.Errorf("domains_from", "%s: %w", list, err)
		return nil
	}
	l.listFile = source.path(name)
	errs := l.readList(string(data))
	if errs == nil && len(p.Domains)+len(p.MX) == 0 {
		t.Errorf("domains_from", "%s names no domain; a provider needs at least one", list)
	}
	return errs
}

// maxListMistakes ends the reading of a list that is none.
const maxListMistakes = 100

func (l *loaded) readList(text string) Errors {
	var errs Errors
	p := l.provider
	n := strings.Count(text, "\n") + 1
	p.Domains, l.domainLines = slices.Grow(p.Domains, n), slices.Grow(l.domainLines, n)
	number := int32(0)
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		d, err := parsePattern(line)
		if err != nil {
			if errs = append(errs, Error{File: l.listFile, Line: int(number), Err: err}); len(errs) == maxListMistakes {
				return append(errs, Error{File: l.listFile, Line: int(number),
					Err: fmt.Errorf("is the %dth mistake; the rest of the list was not read", maxListMistakes)})
			}
			continue
		}
		p.Domains = append(p.Domains, d)
		l.domainLines = append(l.domainLines, -number)
	}
	return errs
}

func parsePattern(s string) (settings.DomainPattern, error) {
	if s == "*" {
		return settings.DomainPattern{Wildcard: true}, nil
	}
	name, wildcard := strings.CutPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return settings.DomainPattern{}, fmt.Errorf(`%q has a * where none can be; "example.com", "*.example.com" and "*" are allowed`, s)
	}
	d, err := address.ParseDomain(name)
	return settings.DomainPattern{Wildcard: wildcard, Domain: d}, err
}

// texts reads the keys that are left: language tags with a sentence each.
func texts(t *tomlfile.Table) []settings.Text {
	var out []settings.Text
	keys := t.Keys()
	for _, key := range keys {
		value, ok := t.String(key)
		if tag, err := language.Parse(key); err != nil || tag.String() != key {
			t.Errorf(key, "is no language tag; url and tags such as en, fr and pt-BR are allowed")
			continue
		}
		if !ok {
			continue
		}
		if strings.TrimSpace(value) == "" {
			t.Errorf(key, "is empty")
			continue
		}
		value = oneLine(value)
		if strings.ContainsFunc(value, unicode.IsControl) {
			t.Errorf(key, "has control characters")
			continue
		}
		if n := utf8.RuneCountInString(value); n > maxText {
			t.Errorf(key, "has %d characters; at most %d are allowed", n, maxText)
			continue
		}
		out = append(out, settings.Text{Lang: key, Value: value})
	}
	if len(keys) == 0 {
		t.Errorf("en", "is missing; a text in at least one language is needed")
	}
	return out
}

// oneLine folds the white space in a text, but for the spaces at which French does
// not break a line.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f'
	}), " ")
}

func country(s string) (string, error) {
	r, err := language.ParseRegion(s)
	if err != nil || !r.IsCountry() || r.String() != s {
		return "", fmt.Errorf(`%q is no country; two capital letters of ISO 3166 are allowed: "FR"`, s)
	}
	return s, nil
}

func httpsURL(s string) (settings.URL, error) { return settings.ParseURL(s, "https") }
func webURL(s string) (settings.URL, error)   { return settings.ParseURL(s, "https", "http") }
