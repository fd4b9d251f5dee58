package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
)

// kinds are those of sources, in the order of the manual.
var kinds = []Kind{Postgres, MySQL, SQLite, LDAP, File}

const (
	maxDSN    = 64 << 10 // octets
	maxSource = 64       // characters of a source's name
)

var sourceName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// readSources reads the arrays [[source]].
func (c *Config) readSources(root *tomlfile.Table, dir string, seen *textfile.Seen) {
	lines := make(map[string]int) // of the names
	for _, t := range root.Tables("source") {
		s := readSource(t, dir, seen)
		s.Place.File = c.File
		if at, twice := lines[s.Name]; twice && s.Name != "" {
			t.Errorf("name", "%s is the name of the source at line %d already; each needs a name of its own", s.Name, at)
		}
		lines[s.Name] = t.Line("name")
		t.Done()
		c.Sources = append(c.Sources, s)
	}
}

func readSource(t *tomlfile.Table, dir string, seen *textfile.Seen) (s Source) {
	s.Place = textfile.Error{Line: t.Line(""), Key: "source"}
	s.Kind = tomlfile.Required(t, "kind", tomlfile.OneOf(kinds))
	s.DSN = readDSN(t, s.Kind, dir, seen)
	s.Name = tomlfile.Optional(t, "name", parseSourceName)
	s.Provider = tomlfile.Optional(t, "provider", notEmpty)
	s.Preset = tomlfile.Optional(t, "preset", notEmpty)
	s.Listen = tomlfile.Optional(t, "listen", parseChannel)
	s.Every = tomlfile.Optional(t, "every", parseDuration(100*time.Millisecond, 24*time.Hour))
	for _, k := range []struct {
		key string
		to  *string
	}{
		{"domains", &s.Domains}, {"changed_since", &s.ChangedSince}, {"version", &s.Version},
		{"base", &s.Base}, {"filter", &s.Filter}, {"domain_attribute", &s.DomainAttribute},
		{"provider_attribute", &s.ProviderAttribute}, {"host_attribute", &s.HostAttribute}, {"name_attribute", &s.NameAttribute},
	} {
		*k.to = tomlfile.Optional(t, k.key, notEmpty)
	}
	if s.Name == "" && !t.Refused("name") {
		if s.Name = s.Preset; s.Name == "" {
			s.Name = string(s.Kind)
		}
	}
	if s.Kind != "" {
		s.agree(t)
	}
	return s
}

// agree finds keys that do not go together.
func (s *Source) agree(t *tomlfile.Table) {
	of := map[Kind][]string{
		Postgres: {"listen"},
		LDAP:     {"base", "filter", "domain_attribute", "provider_attribute", "host_attribute", "name_attribute"},
	}
	queries := []string{"domains", "changed_since", "version"}
	of[Postgres], of[MySQL], of[SQLite] = append(of[Postgres], queries...), queries, queries
	var allowed []string
	for _, k := range kinds { // in order, so that messages are
		for _, key := range of[k] {
			if t.Has(key) && !slices.Contains(of[s.Kind], key) && !slices.Contains(allowed, key) {
				allowed = append(allowed, key)
				t.Errorf(key, "is no key of a source of the kind %s; %s", s.Kind, forKinds(of, key))
			}
		}
	}
	inSQL := slices.Contains(of[s.Kind], "domains")
	switch {
	case inSQL && !t.Has("preset") && !t.Has("domains"):
		t.Errorf("preset", `is missing, and so is domains; preset = "postfixadmin", or domains = "SELECT …", say, is needed`)
	case inSQL && t.Has("preset"):
		for _, key := range queries {
			if t.Has(key) {
				t.Errorf(key, "stands beside preset, which has a query of its own; one of them is allowed")
			}
		}
	}
	if inSQL && t.Has("changed_since") && !t.Has("version") {
		t.Errorf("changed_since", "has no version beside it; that is needed, for it says when to ask and which rows were deleted")
	}
	inList := s.Kind == File && (s.Preset == "" || s.Preset == "list")
	rowsSay := t.Has("domains") || t.Has("provider_attribute") || s.Preset == "milepost" || inList
	if !t.Has("provider") && !rowsSay && !t.Refused("preset") {
		t.Errorf("provider", "is missing; the ID of the provider to which the domains belong is needed, for nothing else says it")
	}
}

func forKinds(of map[Kind][]string, key string) string {
	var words []string
	for _, k := range kinds {
		if slices.Contains(of[k], key) {
			words = append(words, string(k))
		}
	}
	return "it is for " + strings.Join(words, ", ")
}

// readDSN reads how to get there. What messages say of it is not what it is.
func readDSN(t *tomlfile.Table, kind Kind, dir string, seen *textfile.Seen) string {
	dsn, given := t.String("dsn")
	file := tomlfile.Optional(t, "dsn_file", parsePath)
	switch {
	case given && t.Has("dsn_file"):
		t.Errorf("dsn_file", "stands beside dsn; one of them is allowed")
		return ""
	case !t.Has("dsn") && !t.Has("dsn_file"):
		t.Errorf("dsn", "is missing; how to get at the source is needed, here or in the file that dsn_file names")
		return ""
	case file != "":
		path := within(dir, file)
		text, err := seen.ReadFile(path, maxDSN)
		if err != nil {
			t.Errorf("dsn_file", "%s: %w", path, err)
			return ""
		}
		if dsn = strings.TrimSpace(string(text)); dsn == "" {
			t.Errorf("dsn_file", "%s is empty; it must have the dsn alone", path)
		}
	case given && dsn == "":
		t.Errorf("dsn", "is empty; how to get at the source is needed")
	}
	if dsn != "" && (kind == File || kind == SQLite && !strings.HasPrefix(dsn, "file:")) {
		return within(dir, dsn)
	}
	return dsn
}

func notEmpty(s string) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", errors.New("is empty; leave it out, or say something")
	}
	return s, nil
}

func parseSourceName(s string) (string, error) {
	if !sourceName.MatchString(s) || len(s) > maxSource {
		return "", fmt.Errorf("%q is no name of a source; 1 to %d letters, digits, - and _ are allowed", s, maxSource)
	}
	return s, nil
}

// parseChannel reads the name of a channel, of which PostgreSQL has 63 octets.
func parseChannel(s string) (string, error) {
	if s == "" || len(s) > 63 || strings.ContainsRune(s, 0) {
		return "", errors.New("is no channel; 1 to 63 octets are allowed")
	}
	return s, nil
}

// showSources writes them without what may hold a password.
func (c *Config) showSources(b *strings.Builder) {
	for _, s := range c.Sources {
		fmt.Fprintf(b, "[[source]]\nkind = %s\n# dsn is not shown\n", quoted(s.Kind))
		every := ""
		if s.Every > 0 {
			every = s.Every.String()
		}
		for _, k := range []struct{ key, value string }{
			{"name", s.Name}, {"provider", s.Provider}, {"preset", s.Preset}, {"listen", s.Listen}, {"every", every},
			{"domains", s.Domains}, {"changed_since", s.ChangedSince}, {"version", s.Version},
			{"base", s.Base}, {"filter", s.Filter}, {"domain_attribute", s.DomainAttribute},
			{"provider_attribute", s.ProviderAttribute}, {"host_attribute", s.HostAttribute}, {"name_attribute", s.NameAttribute},
		} {
			if k.value != "" {
				fmt.Fprintf(b, "%s = %s\n", k.key, quoted(k.value))
			}
		}
	}
}
