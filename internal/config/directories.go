package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

// What a directory has unless it says otherwise.
const (
	defaultBudget      = 300 * time.Millisecond
	defaultConnections = 4
)

var directoryKinds = []Kind{Postgres, MySQL, SQLite, LDAP}

// readDirectories reads the [[directory]] tables.
func (c *Config) readDirectories(root *tomlfile.Table, dir string, seen *textfile.Seen) {
	owners := make(map[string]int) // the line of the directory that has a provider
	for _, t := range root.Tables("directory") {
		d := Directory{Fallback: settings.EmailAddress, Budget: defaultBudget, Connections: defaultConnections}
		d.Access = readAccess(t, directoryKinds, c.File, dir, seen)
		d.DomainsOf = readDomainsOf(t, owners)
		d.Login = sqlOnly(t, d.Kind, "login")
		d.LoginAttribute, d.NameAttribute = ldapOnly(t, d.Kind, "login_attribute"), ldapOnly(t, d.Kind, "name_attribute")
		if d.Preset != "" && d.Login != "" {
			t.Errorf("login", "stands beside preset; one of them is allowed")
		}
		if t.Has("fallback") {
			d.Fallback = tomlfile.Optional(t, "fallback", parseFallback)
		}
		if t.Has("budget") {
			d.Budget = tomlfile.Optional(t, "budget", parseDuration(10*time.Millisecond, 5*time.Second))
		}
		d.Connections = int(tomlfile.Number(t, "connections", defaultConnections, 1, 100))
		d.AllowHTTP, _ = tomlfile.Each(t, "allow_http", parsePrefix)
		d.TellUnknown, _ = t.Bool("tell_unknown")
		t.Done()
		c.Directories = append(c.Directories, d)
	}
}

// readAccess reads how one gets at what a directory is kept in.
func readAccess(t *tomlfile.Table, kinds []Kind, file, dir string, seen *textfile.Seen) Access {
	a := Access{Place: textfile.Error{File: file, Line: t.Line("")}}
	a.Kind = tomlfile.Required(t, "kind", tomlfile.OneOf(kinds))
	a.DSN = readDSN(t, a.Kind, dir, seen)
	a.Preset, _ = t.String("preset")
	a.Base, a.Filter = ldapOnly(t, a.Kind, "base"), ldapOnly(t, a.Kind, "filter")
	return a
}

// ldapOnly reads what means something in LDAP alone, and sqlOnly in SQL alone.
func ldapOnly(t *tomlfile.Table, kind Kind, key string) string {
	s, ok := t.String(key)
	if ok && kind != LDAP && kind != "" {
		t.Errorf(key, "is for kind = %q alone", LDAP)
	}
	return s
}

func sqlOnly(t *tomlfile.Table, kind Kind, key string) string {
	s, ok := t.String(key)
	if ok && kind == LDAP {
		t.Errorf(key, "is for databases; base, filter and login_attribute are for LDAP")
	}
	return s
}

// readDomainsOf reads an ID, or a list of IDs. A provider has one directory at most.
func readDomainsOf(t *tomlfile.Table, owners map[string]int) []string {
	const key = "domains_of"
	ids, lines := tomlfile.OneOrEach(t, key, parseProviderID)
	if len(ids) == 0 && !t.Refused(key) {
		t.Errorf(key, "names no provider; the id of one is needed, or a list of them")
	}
	for i, id := range ids {
		if line, ok := owners[id]; ok {
			t.ErrorAt(int(lines[i]), key, fmt.Errorf("%s has the directory of line %d already", id, line))
		}
		owners[id] = t.Line("")
	}
	return ids
}

func parseProviderID(s string) (string, error) {
	if s == "" {
		return "", errors.New("is empty; the id of a provider is needed")
	}
	return s, nil
}

func parseFallback(s string) (settings.Username, error) {
	u, err := settings.ParseUsername(s)
	if err == nil && u == settings.Login {
		err = fmt.Errorf("%s is what it stands in for", settings.Login)
	}
	return u, err
}

// showDirectories leaves out the DSN, which may hold a password.
func (c *Config) showDirectories(b *strings.Builder) {
	for _, d := range c.Directories {
		fmt.Fprintf(b, "\n[[directory]]\nkind = %s\n# dsn is not shown\n", quoted(d.Kind))
		for _, v := range []struct{ key, value string }{
			{"preset", d.Preset}, {"base", d.Base}, {"filter", d.Filter}, {"login", d.Login},
			{"login_attribute", d.LoginAttribute}, {"name_attribute", d.NameAttribute},
		} {
			if v.value != "" {
				fmt.Fprintf(b, "%s = %s\n", v.key, quoted(v.value))
			}
		}
		fmt.Fprintf(b, "domains_of = [%s]\nfallback = %s\nbudget = %s\nconnections = %d\n", joined(d.DomainsOf, quoted), quoted(d.Fallback), duration(d.Budget), d.Connections)
		fmt.Fprintf(b, "allow_http = [%s]\ntell_unknown = %t\n", joined(d.AllowHTTP, asText[netip.Prefix]), d.TellUnknown)
	}
}

func joined[T any](values []T, show func(T) string) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = show(v)
	}
	return strings.Join(words, ", ")
}
