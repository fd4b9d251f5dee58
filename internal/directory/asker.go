package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/lookup"
	"milepost/internal/tomlfile"
)

// Login is what a directory has on an address.
type Login = lookup.Login

// asker asks one kind of directory. Calls may overlap.
type asker interface {
	// login returns all that the directory has on an address, two at most: more than
	// one is ambiguous. It is back when the context ends. Of an address that exists and
	// of one that does not, the directory has the same to do.
	login(ctx context.Context, a address.Address) ([]Login, error)
	// close gives its connections up; what is under way may fail.
	close()
}

// openAsker makes what asks a directory. It connects to nothing yet.
func openAsker(d config.Directory) (asker, error) {
	switch d.Kind {
	case config.Postgres:
		return openPostgres(d)
	case config.MySQL, config.SQLite:
		return openDatabaseLogins(d)
	case config.LDAP:
		return openLDAPLogins(d)
	}
	return nil, fmt.Errorf("%q is no kind of directory", d.Kind)
}

// loginArguments are the address, its local part and its domain: what ?1, ?2 and ?3
// stand for.
const loginArguments = 3

func argumentsOf(a address.Address) [loginArguments]string {
	return [...]string{a.String(), a.Local, a.Domain.ASCII}
}

// askable tells whether any directory is asked about an address: its local part has to be
// letters, digits and the signs that need no quotes (RFC 5322 §3.2.3). Databases hold
// letters with and without accents, and what ends in a space, for the same, so any other
// could get somebody else's row.
func askable(a address.Address) bool {
	return a.Local != "" && !strings.ContainsFunc(a.Local, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>@[\]`, r)
	})
}

// patterns finds an address that is compared as a pattern.
var patterns = regexp.MustCompile(`(?i)\b(i?like|r?like|regexp|glob|similar\s+to)\s+\?`)

// loginQuery is the query of a directory, as its kind of database takes it.
func loginQuery(d config.Directory) (statement, error) {
	query := d.Login
	if d.Preset != "" && query == "" {
		preset, ok := loginPresets[d.Preset]
		if !ok {
			return statement{}, fmt.Errorf("preset %q has no login names for %s; %s", d.Preset, d.Kind, allowedLoginPresets(d.Kind))
		}
		if query = preset[d.Kind]; query == "" {
			return statement{}, fmt.Errorf("preset %q has no login names for %s; %s", d.Preset, d.Kind, allowedLoginPresets(d.Kind))
		}
	}
	if query == "" {
		return statement{}, errors.New("needs login, a query, or a preset")
	}
	if patterns.MatchString(query) {
		return statement{}, errors.New(`login compares the address as a pattern, in which a stranger's % and _ stand for anything; "=" is allowed`)
	}
	s, err := parseStatement(d.Kind, query, loginArguments)
	if err != nil {
		return s, fmt.Errorf("login %w", err)
	}
	if len(s.order) == 0 {
		return s, errors.New("login has no placeholder, so it would say the same of every address; ? is the address, ?2 its local part and ?3 its domain")
	}
	return s, nil
}

// withMarks is the text with other marks in place of those of the arguments: of the first
// one that is used, the second, and so on, or in MySQL of each place.
func (s statement) withMarks(kind config.Kind, mark func(i int) string) string {
	var out strings.Builder
	places := 0
	for rest := s.text; rest != ""; {
		n := opaque(kind, rest)
		if n > 0 || rest[0] != '$' && rest[0] != '?' {
			n = max(n, 1)
			out.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		n = 1
		for n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			n++
		}
		i := places
		if number, err := strconv.Atoi(rest[1:n]); err == nil {
			i = number - 1
		}
		out.WriteString(mark(i))
		places++
		rest = rest[n:]
	}
	return out.String()
}

func allowedLoginPresets(kind config.Kind) string {
	var names []string
	for name, queries := range loginPresets {
		if queries[kind] != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return tomlfile.Allowed(names)
}

// loginColumns are where the login name and the full name stand in a row; -1: nowhere.
// They have those names, or come first and second.
type loginColumns struct{ login, name int }

func parseLoginColumns(names []string) loginColumns {
	named := func(want string) int {
		return slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, want) })
	}
	c := loginColumns{named("login"), named("name")}
	if c.login < 0 {
		c = loginColumns{0, 1}
	}
	if c.name >= len(names) {
		c.name = -1
	}
	return c
}

// append adds what a row says. In the row of an address that is not there all is NULL.
func (c loginColumns) append(logins []Login, row [][]byte) []Login {
	if c.login >= len(row) || row[c.login] == nil {
		return logins
	}
	l := Login{Name: string(row[c.login])}
	if c.name >= 0 {
		l.FullName = string(row[c.name])
	}
	return append(logins, l)
}
