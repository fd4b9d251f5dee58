package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"milepost/address"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

// kind is how the value of a setting is read and shown.
type kind struct {
	word string // for the manual
	// read reads the key of a table of the file, which lies in a directory.
	read func(c *Config, t *tomlfile.Table, key, dir string)
	// set takes what stands in the environment or on the command line.
	set func(c *Config, text string) error
	// add is set for one more element of a list; nil: it is no list.
	add func(c *Config, text string) error
	// show is the value as TOML.
	show func(c *Config) string
	// secret values are shown to nobody.
	secret bool
	// hidden is what show leaves out; nil: nothing.
	hidden func(c *Config) string
}

// secret is a value that is not for everybody who reads what is in force.
func secret(k kind) kind {
	k.secret = true
	return k
}

// one is a string that is parsed.
func one[T any](at func(*Config) *T, parse func(string) (T, error), show func(T) string) kind {
	set := func(c *Config, s string) error {
		v, err := parse(s)
		if err == nil {
			*at(c) = v
		}
		return err
	}
	return kind{
		word: "string",
		read: func(c *Config, t *tomlfile.Table, key, _ string) {
			if s, ok := t.String(key); ok {
				if err := set(c, s); err != nil {
					t.Errorf(key, "%w", err)
				}
			}
		},
		set:  set,
		show: func(c *Config) string { return show(*at(c)) },
	}
}

// word is one that takes true and false for words, without quotes too.
func word[T any](at func(*Config) *T, parse func(string) (T, error), show func(T) string) kind {
	k := one(at, parse, show)
	k.word = "string, true or false"
	k.read = func(c *Config, t *tomlfile.Table, key, _ string) {
		if s, ok := t.Word(key); ok {
			if err := k.set(c, s); err != nil {
				t.Errorf(key, "%w", err)
			}
		}
	}
	return k
}

// text is a string that somebody else parses.
func text(at func(*Config) *string) kind {
	return one(at, func(s string) (string, error) { return s, nil }, quoted)
}

// list is an array of strings; in the environment, with commas between.
func list[T any](at func(*Config) *[]T, parse func(string) (T, error), show func(T) string) kind {
	add := func(c *Config, s string) error {
		v, err := parse(s)
		if err == nil {
			*at(c) = append(*at(c), v)
		}
		return err
	}
	return kind{
		word: "array of strings",
		read: func(c *Config, t *tomlfile.Table, key, _ string) {
			if values, _ := tomlfile.Each(t, key, parse); values != nil {
				*at(c) = values
			}
		},
		set: func(c *Config, s string) error {
			*at(c) = []T{}
			for element := range strings.SplitSeq(s, ",") {
				if element = strings.TrimSpace(element); element == "" {
					continue
				}
				if err := add(c, element); err != nil {
					return err
				}
			}
			return nil
		},
		add: add,
		show: func(c *Config) string {
			words := make([]string, len(*at(c)))
			for i, v := range *at(c) {
				words[i] = show(v)
			}
			return "[" + strings.Join(words, ", ") + "]"
		},
	}
}

// path is a file or a directory: in the file relative to where that lies, else to the
// working directory.
func path(at func(*Config) *string) kind {
	k := one(at, parsePath, quoted)
	k.word = "path"
	k.read = func(c *Config, t *tomlfile.Table, key, dir string) {
		if s := tomlfile.Optional(t, key, parsePath); s != "" {
			*at(c) = within(dir, s)
		}
	}
	return k
}

// pathOrURL is a directory, or the URL of a database, whose password is never shown.
func pathOrURL(at func(*Config) *string) kind {
	k := path(at)
	k.word = "path or URL"
	k.set = func(c *Config, s string) error {
		_, err := parsePathOrURL(s)
		if err == nil {
			*at(c) = s
		}
		return err
	}
	k.read = func(c *Config, t *tomlfile.Table, key, dir string) {
		switch s := tomlfile.Optional(t, key, parsePathOrURL); {
		case s == "":
		case strings.Contains(s, "://"):
			*at(c) = s
		default:
			*at(c) = within(dir, s)
		}
	}
	k.show = func(c *Config) string { return quoted(WithoutPassword(*at(c))) }
	k.hidden = func(c *Config) string { return *at(c) }
	return k
}

func parsePathOrURL(s string) (string, error) {
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case !isURL:
		return parsePath(s)
	case scheme != "postgres" && scheme != "postgresql":
		return "", fmt.Errorf("%s:// is no database that can be used; a directory, or postgres://USER@HOST/DATABASE, is allowed", scheme)
	case rest == "":
		return "", errors.New("names no database; postgres://USER@HOST/DATABASE, say, is allowed")
	}
	if _, err := url.Parse(s); err != nil { // whose text would show the password
		return "", errors.New("is no URL; postgres://USER:PASSWORD@HOST/DATABASE is allowed, with what is special in the password as %40 and so on")
	}
	return s, nil
}

// WithoutPassword is the URL of a database as people may see it; a path stays.
func WithoutPassword(s string) string {
	scheme, _, isURL := strings.Cut(s, "://")
	if !isURL {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return scheme + "://…"
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Set(name, "xxxxx")
			u.RawQuery = q.Encode()
		}
	}
	return u.Redacted()
}

func paths(at func(*Config) *[]string) kind {
	k := list(at, parsePath, quoted)
	k.word = "array of paths"
	k.read = func(c *Config, t *tomlfile.Table, key, dir string) {
		values, _ := tomlfile.Each(t, key, parsePath)
		for i := range values {
			values[i] = within(dir, values[i])
		}
		if values != nil {
			*at(c) = values
		}
	}
	return k
}

func parsePath(s string) (string, error) {
	if s == "" {
		return "", errors.New("is empty; a path is needed")
	}
	return s, nil
}

func number[T int | uint32](at func(*Config) *T, least, most int64) kind {
	return kind{
		word: fmt.Sprintf("integer, %d to %d", least, most),
		read: func(c *Config, t *tomlfile.Table, key, _ string) {
			*at(c) = T(tomlfile.Number(t, key, int64(*at(c)), least, most))
		},
		set: func(c *Config, s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil || n < least || n > most {
				return fmt.Errorf("is %q; %d to %d are allowed", s, least, most)
			}
			*at(c) = T(n)
			return nil
		},
		show: func(c *Config) string { return fmt.Sprint(*at(c)) },
	}
}

func boolean(at func(*Config) *bool) kind {
	return kind{
		word: "true or false",
		read: func(c *Config, t *tomlfile.Table, key, _ string) {
			if v, ok := t.Bool(key); ok {
				*at(c) = v
			}
		},
		set: func(c *Config, s string) error {
			v, err := tomlfile.OneOf([]string{"true", "false"})(s)
			if err == nil {
				*at(c) = v == "true"
			}
			return err
		},
		show: func(c *Config) string { return strconv.FormatBool(*at(c)) },
	}
}

// quoted writes a string as TOML does.
func quoted[S ~string](s S) string { return tomlfile.Quote(string(s)) }

func asText[T fmt.Stringer](v T) string { return quoted(v.String()) }

// withoutDot shows an absolute name as people write it.
func withoutDot(name string) string { return quoted(strings.TrimSuffix(name, ".")) }

func hexadecimal(s CookieSecret) string { return quoted(hex.EncodeToString(s[:])) }

func duration(d time.Duration) string {
	s := d.String() // as 1m0s
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return quoted(s)
}

func parseDuration(least, most time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, fmt.Errorf("%q is no time; \"5s\" and \"1m30s\", say, are allowed", s)
		}
		if d < least || d > most {
			return 0, fmt.Errorf("is %q; %s to %s are allowed", s, duration(least), duration(most))
		}
		return d, nil
	}
}

var levels = []string{"debug", "info", "warn", "error"}

func parseLevel(s string) (l slog.Level, err error) {
	if s, err = tomlfile.OneOf(levels)(s); err == nil {
		err = l.UnmarshalText([]byte(s))
	}
	return l, err
}

func level(l slog.Level) string { return quoted(strings.ToLower(l.String())) }

func notOffered(all bool) string {
	if all {
		return `"all"`
	}
	return `"mail"`
}

// mailbox shows what the SOA holds as the address that it was made of.
func mailbox(s string) string {
	if s == "" {
		return `""`
	}
	local := 0
	for local < len(s) && (s[local] != '.' || local > 0 && s[local-1] == '\\') {
		local++
	}
	return quoted(strings.ReplaceAll(s[:local], `\.`, ".") + "@" + strings.TrimSuffix(s[min(local+1, len(s)):], "."))
}

func parseEmail(s string) (string, error) {
	a, err := address.Parse(s)
	if err != nil {
		return "", fmt.Errorf(`%w; "hostmaster@example.net", say, is allowed`, err)
	}
	return a.String(), nil
}

// parseDirectoryURL reads where an ACME server is; RFC 8555 §6.1 wants HTTPS.
func parseDirectoryURL(s string) (string, error) {
	u, err := settings.ParseURL(s, "https")
	return string(u), err
}

// ParsePublicURL reads the HTTPS address of a server, https://HOST[:PORT], with or
// without a slash at the end.
func ParsePublicURL(s string) (string, error) {
	parsed, err := settings.ParseURL(s, "https") // its host is ASCII and in lower case
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(parsed))
	if err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q has more than a host; https://mail.example.com, say, is allowed", s)
	}
	return "https://" + u.Host, nil
}

// parsePrefix reads a network, or an address as the network that holds it alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf(`%q is no network; "192.0.2.0/24", "2001:db8::/32" and "192.0.2.1", say, are allowed`, s)
	}
	if p != p.Masked() {
		return p, fmt.Errorf("%q has bits set behind its length; %s is allowed", s, p.Masked())
	}
	return p, nil
}

// parseResolver reads the address of a DNS server, with port 53 if it names none.
func parseResolver(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(s)
	at := netip.AddrPortFrom(a, 53)
	if err != nil {
		at, err = netip.ParseAddrPort(s)
	}
	if err != nil || at.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf(`%q is no address of a resolver; "127.0.0.1", "192.0.2.53:5353" and "[2001:db8::53]:53", say, are allowed`, s)
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}

func resolver(at netip.AddrPort) string {
	if !at.IsValid() {
		return `""`
	}
	return asText(at)
}
