package providerfile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"milepost/address"
	"milepost/catalogue"
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

// read reads one provider's file. The entry holds what could be read.
func (d Directory) read(name string) (e catalogue.Entry, warnings, mistakes textfile.Errors) {
	data, err := textfile.Read(d.FS, name, maxFile)
	if err != nil {
		e = catalogue.Entry{Provider: &settings.Provider{}, File: d.path(name), Line: 1}
		return e, nil, textfile.Errors{{File: e.File, Err: err}}
	}
	return d.Parse(name, data)
}

// Parse reads what a file of the directory holds, or shall hold. The entry holds what
// could be read.
func (d Directory) Parse(name string, data []byte) (e catalogue.Entry, warnings, mistakes textfile.Errors) {
	p := &settings.Provider{}
	e = catalogue.Entry{Provider: p, File: d.path(name), Line: 1}
	t := tomlfile.Parse(e.File, data)
	if mistakes = t.Errors(); len(mistakes) > 0 {
		return e, nil, mistakes
	}
	e.Line = t.Line("id")
	readIdentity(t, p, strings.TrimSuffix(name, ".toml"))
	fromList := d.readDomains(t, &e)

	p.Incoming = servers(t, "incoming", "", settings.IncomingProtocols)
	p.Outgoing = servers(t, "outgoing", settings.SMTP, settings.OutgoingProtocols)
	p.Setup = servers(t, "setup", settings.ManageSieve, settings.SetupProtocols)
	p.Services = services(t)
	if p.NoMailPrograms, _ = t.Bool("no_mail_programs"); p.NoMailPrograms {
		for _, key := range []string{"incoming", "outgoing", "setup"} {
			if t.Has(key) {
				t.Errorf(key, "stands beside no_mail_programs, which says that there is no server; one of them is allowed")
			}
		}
	} else {
		needServers(t, "incoming", p.Incoming)
		needServers(t, "outgoing", p.Outgoing)
	}
	if len(p.MX) == 0 && !t.Refused("mx") && slices.ContainsFunc(slices.Concat(p.Incoming, p.Outgoing, p.Setup), atMXHost) {
		t.Errorf("mx", "%s, and a hostname is %s; write the domains that hold the MX hosts", missing(t, "mx"), settings.MXHost)
	}
	p.Password = password(t.Table("password"))
	p.Enable = enable(t, p)
	p.OAuth2 = oauth2(t.Table("oauth2"))
	readRedirect(t, p)
	p.MTASTS = mtasts(t.Table("mta_sts"))
	for _, d := range t.Tables("documentation") {
		url := tomlfile.Required(d, "url", httpsURL)
		p.Documentation = append(p.Documentation, settings.Documentation{URL: url, Descriptions: texts(d, "url and ")})
		d.Done()
	}
	if n := t.Table("notice"); n != nil {
		p.Notice = &settings.Notice{URL: tomlfile.Optional(n, "url", httpsURL), Text: texts(n, "url and ")}
		n.Done()
	}
	t.Done()
	return e, append(t.Warnings(), fromList...), t.Errors()
}

func atMXHost(s settings.Server) bool { return s.Hostname == settings.MXHost }

func needServers(t *tomlfile.Table, key string, servers []settings.Server) {
	if len(servers) == 0 && !t.Refused(key) {
		t.Errorf(key, "%s; a provider needs at least one [[%s]] server", missing(t, key), key)
	}
}

// missing says why nothing was found under a key.
func missing(t *tomlfile.Table, key string) string {
	if t.Has(key) {
		return "is empty"
	}
	return "is missing"
}

// readRedirect reads where Autodiscover sends Outlook instead.
func readRedirect(t *tomlfile.Table, p *settings.Provider) {
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

func readIdentity(t *tomlfile.Table, p *settings.Provider, fileID string) {
	id, given := t.String("id")
	if !given {
		id = fileID
	}
	if p.ID = id; !idPattern.MatchString(id) || len(id) > 253 {
		from := ""
		if !given {
			from = " (the file's name)"
		}
		t.Errorf("id", "%q%s is no id; letters a to z, digits, dots and hyphens are allowed", id, from)
	}
	if !t.Has("display_name") {
		t.Errorf("display_name", "is missing; a provider needs a name")
	}
	p.DisplayName = tomlfile.Optional(t, "display_name", parseName(maxDisplayName))
	p.ShortName = tomlfile.Optional(t, "short_name", parseName(maxShortName))
	if !t.Has("short_name") {
		p.ShortName, _ = t.String("display_name")
		if n := utf8.RuneCountInString(p.ShortName); n > maxShortName {
			t.ErrorAt(t.Line("display_name"), "short_name",
				fmt.Errorf("is missing and display_name has %d characters; write a short_name of at most %d", n, maxShortName))
		}
	}
	p.Kind = tomlfile.Optional(t, "kind", tomlfile.OneOf(settings.Kinds))
	p.Country = tomlfile.Optional(t, "country", country)
	p.Website = string(tomlfile.Optional(t, "website", webURL))
	p.Webmail = tomlfile.Optional(t, "webmail", httpsURL)
	p.AppleName = tomlfile.Optional(t, "apple_name", inList("Apple", settings.AppleNames))
	p.GoogleName = tomlfile.Optional(t, "google_name", inList("the Gmail app", settings.GoogleNames))
	p.Source = string(tomlfile.Optional(t, "source", webURL))
	checked, _ := t.Date("checked")
	p.Checked = settings.Date(checked)
	p.Closed, _ = t.Bool("closed")
}

// parseName makes a parser of names up to a number of characters.
func parseName(limit int) func(string) (string, error) {
	return func(s string) (string, error) {
		switch n := utf8.RuneCountInString(s); {
		case strings.TrimSpace(s) == "":
			return "", fmt.Errorf("is empty; 1 to %d characters are allowed", limit)
		case n > limit:
			return "", fmt.Errorf("has %d characters; at most %d are allowed", n, limit)
		case s != strings.TrimSpace(s) || strings.ContainsFunc(s, unicode.IsControl):
			return "", fmt.Errorf("%q has control characters, or space at its ends; neither is allowed", s)
		}
		return s, nil
	}
}

// texts reads the keys that are left: language tags with a sentence each. The other
// keys that are allowed there are named in messages.
func texts(t *tomlfile.Table, others string) []settings.Text {
	var out []settings.Text
	keys := t.Keys()
	for _, key := range keys {
		value := tomlfile.Optional(t, key, func(s string) (string, error) {
			if tag, err := language.Parse(key); err != nil || tag.String() != key {
				return "", fmt.Errorf("is no language tag; %stags such as en, fr and pt-BR are allowed", others)
			}
			return parseSentence(s)
		})
		if value != "" {
			out = append(out, settings.Text{Lang: key, Value: value})
		}
	}
	if len(keys) == 0 {
		t.Errorf("en", "is missing; a text in at least one language is needed")
	}
	return out
}

// parseSentence folds white space, but for the spaces at which French does not break a
// line.
func parseSentence(s string) (string, error) {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) && r != '\u00a0' && r != '\u202f'
	}), " ")
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		return "", errors.New("is empty")
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("has control characters")
	case n > maxText:
		return "", fmt.Errorf("has %d characters; at most %d are allowed", n, maxText)
	}
	return s, nil
}

// parseWords is [parseSentence] for what programs read: all white space is folded.
func parseWords(s string) (string, error) { return parseSentence(strings.Join(strings.Fields(s), " ")) }

func country(s string) (string, error) {
	r, err := language.ParseRegion(s)
	if err != nil || !r.IsCountry() || r.String() != s {
		return "", fmt.Errorf(`%q is no country; two capital letters of ISO 3166 are allowed: "FR"`, s)
	}
	return s, nil
}

func httpsURL(s string) (settings.URL, error) { return settings.ParseURL(s, "https") }
func webURL(s string) (settings.URL, error)   { return settings.ParseURL(s, "https", "http") }
