package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/address"
)

// The placeholders (draft-ietf-mailmaint-autoconfig, "Placeholders"). They are
// case-sensitive.
const (
	EmailAddress   = "%EMAILADDRESS%"
	EmailLocalPart = "%EMAILLOCALPART%"
	EmailDomain    = "%EMAILDOMAIN%"
)

// MXHost stands for the MX host of the address's domain, where a provider has each
// customer's mail on a server of a name of its own. It is no placeholder of the draft:
// no client can fill it in, so no document holds it.
const MXHost = "%MXHOST%"

// Login stands, as a whole username, for the login name that a directory has for the
// address. It is no placeholder of the draft either, and no document holds it.
const Login = "%LOGIN%"

// Username is a login name; it may hold placeholders.
type Username string

// Hostname is an ASCII host name or an IPv4 address; it may hold %EMAILDOMAIN%, or be
// %MXHOST%.
type Hostname string

// URL is an absolute URL; it may hold placeholders.
type URL string

// For fills the placeholders in. Without a local part in a, those that need it
// stay.
func (u Username) For(a address.Address) string {
	return fill(string(u), a, func(s string) string { return s })
}

// For fills the domain in.
func (h Hostname) For(d address.Domain) Hostname {
	return Hostname(strings.ReplaceAll(string(h), EmailDomain, d.ASCII))
}

// For fills the placeholders in, escaped so that no address can change the
// URL's shape (RFC 3986 §2.3: all but unreserved characters). Without a local
// part in a, those that need it stay.
func (u URL) For(a address.Address) URL {
	return URL(fill(string(u), a, escapeURL))
}

// Filled tells whether there is a URL, and no placeholder in it.
func (u URL) Filled() bool { return u != "" && !hasPlaceholder(u) }

func escapeURL(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// fill replaces the placeholders in one pass, so that none is seen in an address
// that looks like one.
func fill(s string, a address.Address, escape func(string) string) string {
	switch {
	case !hasPlaceholder(s):
		return s
	case a.Local == "":
		return strings.ReplaceAll(s, EmailDomain, a.Domain.ASCII)
	case s == EmailAddress: // nearly always
		return escape(a.String())
	case s == EmailLocalPart:
		return escape(a.Local)
	}
	return strings.NewReplacer(EmailAddress, escape(a.String()), EmailLocalPart, escape(a.Local), EmailDomain, a.Domain.ASCII).Replace(s)
}

// placeholders takes the known ones out, so that a % which is left is a mistake.
var placeholders = strings.NewReplacer(EmailAddress, "", EmailLocalPart, "", EmailDomain, "")

var errPlaceholder = errors.New("has an unknown placeholder or a stray %; " +
	EmailAddress + ", " + EmailLocalPart + " and " + EmailDomain + " are allowed, and " + Login + " as a whole username")

// ParseUsername reads a username. It refuses the empty one, control
// characters, a % that belongs to no known placeholder, and [Login] in a longer one.
func ParseUsername(s string) (Username, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	if s != strings.TrimSpace(s) {
		return "", fmt.Errorf("%q has space at its ends; that is not allowed", s)
	}
	switch {
	case s == Login:
		return Login, nil
	case strings.Contains(s, Login):
		return "", fmt.Errorf("%q has more than %s, which stands alone: the directory's login name is the whole username", s, Login)
	case strings.Contains(placeholders.Replace(s), "%"):
		return "", fmt.Errorf("%q %w", s, errPlaceholder)
	}
	if s == EmailLocalPart+"@"+EmailDomain {
		return EmailAddress, nil // the same, and every client knows it
	}
	return Username(s), nil
}

// ParseHostname reads a hostname, in A-labels or U-labels. It refuses what
// [address.ParseDomain] refuses, save IPv4 addresses, and placeholders other
// than %EMAILDOMAIN% as the whole name or its end, and %MXHOST% as the whole name.
func ParseHostname(s string) (Hostname, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() {
		return Hostname(s), nil
	}
	if s == MXHost {
		return MXHost, nil
	}
	name, placeholder := strings.CutSuffix(s, EmailDomain)
	switch {
	case strings.Contains(name, "%") || placeholder && name != "" && !strings.HasSuffix(name, "."):
		return "", fmt.Errorf(`%q has a placeholder that no hostname can have, or a stray %%; "imap.%s", "%s" and "%s" are allowed`, s, EmailDomain, EmailDomain, MXHost)
	case placeholder && name == "":
		return EmailDomain, nil
	case strings.Contains(s, "/"):
		return "", fmt.Errorf("%q is not a hostname but a URL or a path; the name alone is allowed", s)
	case strings.Count(s, ":") == 1:
		return "", fmt.Errorf("%q is not a hostname: it has a port; write the name alone, and the port where ports stand", s)
	}
	d, err := address.ParseDomain(name)
	if err != nil {
		return "", fmt.Errorf("%q is not a hostname: %w", s, err)
	}
	if placeholder {
		return Hostname(d.ASCII + "." + EmailDomain), nil
	}
	return Hostname(d.ASCII), nil
}

// ParseURL reads an absolute URL with a host, whose scheme is one of those
// given. Scheme and host become lower case and ASCII. Placeholders may stand
// behind the host, and %EMAILDOMAIN% at its end.
func ParseURL(s string, schemes ...string) (URL, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !slices.Contains(schemes, scheme) {
		return "", fmt.Errorf("%q is not a URL that starts with %s", s, strings.Join(schemes, ":// or ")+"://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if strings.Contains(authority, "@") {
		return "", fmt.Errorf("%q carries a user name; that is not allowed", s)
	}
	host, port, hasPort := strings.Cut(authority, ":")
	hostname, err := ParseHostname(host)
	if err != nil || hostname == MXHost {
		return "", fmt.Errorf("%q is not a URL: its host %q is no hostname", s, host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return "", fmt.Errorf("%q is not a URL: its port %q is none; 1 to 65535 are allowed", s, port)
	}
	if _, err := url.PathUnescape(placeholders.Replace(rest)); err != nil || strings.ContainsFunc(rest, unicode.IsSpace) {
		return "", fmt.Errorf("%q is not a URL; spaces, stray %% signs and placeholders other than %s, %s and %s are not allowed", s, EmailAddress, EmailLocalPart, EmailDomain)
	}
	if hasPort {
		hostname += Hostname(":" + port)
	}
	return URL(scheme + "://" + string(hostname) + rest), nil
}

func checkText(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("is empty")
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not UTF-8", s)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%q has a control character", s)
	}
	return nil
}
