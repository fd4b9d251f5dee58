package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"milepost/address"
)

// The placeholders (draft-ietf-mailmaint-autoconfig, "Placeholders"). They are
// case-sensitive.
const (
	EmailAddress   = "%EMAILADDRESS%"
	EmailLocalPart = "%EMAILLOCALPART%"
	EmailDomain    = "%EMAILDOMAIN%"
)

// Username is a login name; it may hold placeholders.
type Username string

// Hostname is an ASCII host name or an IPv4 address; it may hold %EMAILDOMAIN%.
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

// fill replaces the placeholders, in one pass, so that nothing which an address
// holds is taken for a placeholder.
func fill(s string, a address.Address, escape func(string) string) string {
	if a.Local != "" && s == EmailAddress { // nearly always
		return escape(a.String())
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "%EMAIL")
		if i < 0 {
			if b.Len() == 0 {
				return s
			}
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		switch {
		case strings.HasPrefix(s, EmailDomain):
			b.WriteString(escape(a.Domain.ASCII))
			s = s[len(EmailDomain):]
		case a.Local != "" && strings.HasPrefix(s, EmailAddress):
			b.WriteString(escape(a.String()))
			s = s[len(EmailAddress):]
		case a.Local != "" && strings.HasPrefix(s, EmailLocalPart):
			b.WriteString(escape(a.Local))
			s = s[len(EmailLocalPart):]
		default: // it stays
			b.WriteByte('%')
			s = s[1:]
		}
	}
}

var errPlaceholder = errors.New("has an unknown placeholder or a stray %; " +
	EmailAddress + ", " + EmailLocalPart + " and " + EmailDomain + " are allowed")

// ParseUsername reads a username. It refuses the empty one, control
// characters, and a % that belongs to no known placeholder.
func ParseUsername(s string) (Username, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	rest := strings.NewReplacer(EmailAddress, "", EmailLocalPart, "", EmailDomain, "").Replace(s)
	if strings.Contains(rest, "%") {
		return "", fmt.Errorf("%q %w", s, errPlaceholder)
	}
	if s == EmailLocalPart+"@"+EmailDomain {
		return EmailAddress, nil // the same, and every client knows it
	}
	return Username(s), nil
}

// ParseHostname reads a hostname, in A-labels or U-labels. It refuses what
// [address.ParseDomain] refuses, save IPv4 addresses, and placeholders other
// than %EMAILDOMAIN%.
func ParseHostname(s string) (Hostname, error) {
	if strings.Contains(strings.ReplaceAll(s, EmailDomain, ""), "%") {
		return "", fmt.Errorf("%q has a placeholder that no hostname can have, or a stray %%; %s is allowed", s, EmailDomain)
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() {
		return Hostname(s), nil
	}
	// A stand-in that is a label keeps the rest of the name checkable.
	const standIn = "emaildomain-placeholder"
	d, err := address.ParseDomain(strings.ReplaceAll(s, EmailDomain, standIn))
	if err != nil {
		return "", fmt.Errorf("%q is not a hostname: %w", s, err)
	}
	return Hostname(strings.ReplaceAll(d.ASCII, standIn, EmailDomain)), nil
}

// ParseURL reads an absolute URL with a host, whose scheme is one of those
// given. Placeholders may stand behind the host.
func ParseURL(s string, schemes ...string) (URL, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	filled := strings.NewReplacer(EmailAddress, "a", EmailLocalPart, "a", EmailDomain, "a").Replace(s)
	u, err := url.Parse(filled)
	if err != nil || strings.ContainsFunc(s, unicode.IsSpace) {
		return "", fmt.Errorf("%q is not a URL; spaces and stray %% signs are not allowed", s)
	}
	for _, scheme := range schemes {
		if u.Scheme != scheme {
			continue
		}
		if u.User != nil {
			return "", fmt.Errorf("%q carries a user name; that is not allowed", s)
		}
		if _, err := ParseHostname(u.Hostname()); err != nil {
			return "", fmt.Errorf("%q is not a URL: %w", s, err)
		}
		return URL(s), nil
	}
	return "", fmt.Errorf("%q is not a URL that starts with %s", s, strings.Join(schemes, ":// or ")+"://")
}

func checkText(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%q has a control character", s)
	}
	return nil
}
