package address

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxDomain = 253 // octets of a name without its trailing dot, RFC 1035 §3.1
	maxLabel  = 63  // octets, RFC 1035 §2.3.4
	maxTyped  = 1024
)

// Domain is a mail domain in both of its spellings, lower case and without a
// trailing dot. Made by [ParseDomain] it is always valid; the zero Domain
// stands for "none".
type Domain struct {
	ASCII   string // A-labels (RFC 5890 §2.3.2.1): the key for every look-up
	Unicode string // U-labels, for people
}

// String returns the ASCII form.
func (d Domain) String() string { return d.ASCII }

// IsZero tells whether d is the zero Domain.
func (d Domain) IsZero() bool { return d.ASCII == "" }

// Parent returns the domain above d: example.com for mail.example.com. The
// parent of a single label is the zero Domain.
func (d Domain) Parent() Domain {
	_, ascii, _ := strings.Cut(d.ASCII, ".")
	_, unicode, _ := strings.Cut(d.Unicode, ".")
	return Domain{ASCII: ascii, Unicode: unicode}
}

// The Lookup profile of x/net/idna lets over-long labels through, so it is put
// together here (UTS #46, non-transitional).
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// ParseDomain reads a domain as people and programs write it: in upper case,
// with a trailing dot, in A-labels or U-labels. It refuses what is no domain
// name: empty labels, labels over 63 and names over 253 octets, characters
// other than letters, digits and hyphens (RFC 5321 §2.3.5), and IP addresses.
func ParseDomain(s string) (Domain, error) {
	if len(s) > maxTyped {
		return Domain{}, fmt.Errorf("domain is %d octets long; at most %d are allowed", len(s), maxDomain)
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		// The local part is left out: errors may end in a log.
		return Domain{}, fmt.Errorf("%q is an address; a domain is the part behind the @", "…@"+s[at+1:])
	}
	s = trimDot(s)
	if isASCII(s) {
		s = strings.ToLower(s)
		if err := checkName(s); err != nil {
			return Domain{}, err
		}
		if !strings.Contains(s, "xn--") {
			return Domain{s, s}, nil
		}
	}
	ascii, err := profile.ToASCII(s)
	if err == nil || ascii != "" && isASCII(ascii) {
		// What is too long or empty is said in our words, not in idna's.
		if err := checkName(ascii); err != nil {
			return Domain{}, err
		}
	}
	if err != nil {
		return Domain{}, idnaError(s, err)
	}
	unicode, err := profile.ToUnicode(ascii)
	if err != nil {
		return Domain{}, idnaError(s, err)
	}
	return Domain{ascii, unicode}, nil
}

// Host is a Host header (RFC 9110 §7.2: a name, perhaps with a port), and the label
// that it may begin with. It is parsed when it is asked for: most requests name an
// address too, whose domain is enough.
type Host struct{ Header, Label string }

// Domain returns the domain that LABEL.DOMAIN, or DOMAIN itself, stands for. What is
// no domain, an IP address for one, is the zero Domain.
func (h Host) Domain() Domain {
	d, err := ParseDomain((&url.URL{Host: h.Header}).Hostname())
	if err != nil {
		return Domain{}
	}
	if strings.HasPrefix(d.ASCII, h.Label+".") {
		return d.Parent()
	}
	return d
}

func idnaError(s string, err error) error {
	return fmt.Errorf("domain %q is not an internationalised name: %s", s, strings.TrimPrefix(err.Error(), "idna: "))
}

// trimDot removes one trailing dot, in any of the forms that IDNA counts as a
// dot (RFC 3490 §3.1).
func trimDot(s string) string {
	for _, dot := range [...]string{".", "\u3002", "\uff0e", "\uff61"} {
		if t, ok := strings.CutSuffix(s, dot); ok {
			return t
		}
	}
	return s
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// checkName holds a lower-case ASCII name to the rules for host names (RFC 1123
// §2.1) and sizes (RFC 1035 §2.3.4).
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("domain is empty")
	case len(s) > maxDomain:
		return fmt.Errorf("domain is %d octets long; at most %d are allowed", len(s), maxDomain)
	case s[0] == '[':
		return errors.New("domain is an address literal; a name is needed")
	}
	var label string
	for label = range strings.SplitSeq(s, ".") {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	if strings.Trim(label, "0123456789") == "" { // RFC 3696 §2: no top-level domain is all digits
		return fmt.Errorf("domain %q ends in a number; an IP address is not a domain", s)
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("domain has an empty label")
	case len(label) > maxLabel:
		return fmt.Errorf("domain label %q is %d octets long; at most %d are allowed", label[:8]+"…", len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("domain label %q starts or ends with a hyphen", label)
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("domain label %q has the character %q; letters, digits and hyphens are allowed", label, c)
		}
	}
	return nil
}
