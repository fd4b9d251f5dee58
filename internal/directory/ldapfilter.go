package directory

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"milepost/address"
	"milepost/settings"
)

// template is a filter, a DN or a value in which the placeholders of provider files
// stand for an address: %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN% (in A-labels).
type template []piece

type piece struct {
	text        string // as it stands, if placeholder is empty
	placeholder string
}

var placeholder = regexp.MustCompile(settings.EmailAddress + "|" + settings.EmailLocalPart + "|" + settings.EmailDomain)

func parseTemplate(s string) (template, error) {
	var t template
	for s != "" {
		at := placeholder.FindStringIndex(s)
		if at == nil {
			at = []int{len(s), len(s)}
		}
		if text := s[:at[0]]; strings.Contains(text, "%") {
			return nil, fmt.Errorf("has an unknown placeholder or a stray %%; %s, %s and %s are allowed, and \\25 for a %%",
				settings.EmailAddress, settings.EmailLocalPart, settings.EmailDomain)
		} else if text != "" {
			t = append(t, piece{text: text})
		}
		if at[0] < at[1] {
			t = append(t, piece{placeholder: s[at[0]:at[1]]})
		}
		s = s[at[1]:]
	}
	return t, nil
}

// fill puts an address in, of which no character can mean anything once it is escaped.
func (t template) fill(a address.Address, escape func(string) string) string {
	var b strings.Builder
	for _, p := range t {
		switch p.placeholder {
		case "":
			b.WriteString(p.text)
		case settings.EmailAddress:
			b.WriteString(escape(a.Local + "@" + a.Domain.ASCII)) // without quotes, as mail servers look it up
		case settings.EmailLocalPart:
			b.WriteString(escape(a.Local))
		default:
			b.WriteString(escape(a.Domain.ASCII))
		}
	}
	return b.String()
}

func (t template) placeholders() (n int) {
	for _, p := range t {
		if p.placeholder != "" {
			n++
		}
	}
	return n
}

// personal tells whether it differs between the addresses of a domain.
func (t template) personal() bool {
	for _, p := range t {
		if p.placeholder == settings.EmailAddress || p.placeholder == settings.EmailLocalPart {
			return true
		}
	}
	return false
}

func verbatim(s string) string { return s }

// parseFilter compiles a filter (RFC 4515) without placeholders.
func parseFilter(s string) error {
	if t, err := parseTemplate(s); err != nil {
		return fmt.Errorf("%q %w", s, err)
	} else if t.placeholders() > 0 {
		return fmt.Errorf("%q has a placeholder; it is asked for all domains", s)
	}
	_, err := compileFilter(s)
	return err
}

func compileFilter(s string) (*ber.Packet, error) {
	p, err := ldap.CompileFilter(s)
	if err != nil {
		if e, ok := errors.AsType[*ldap.Error](err); ok {
			err = e.Err
		}
		return nil, fmt.Errorf("%q is no filter (RFC 4515): %s", s, strings.TrimPrefix(err.Error(), "ldap: "))
	}
	return p, nil
}

// loginFilter finds the entry of an address.
type loginFilter struct {
	template
	// values are those that an entry must have one of, to be the address's own.
	values     []template
	attributes []string // that have them
}

// parseLoginFilter compiles a filter with placeholders. They are allowed in what an
// attribute equals, outside of a "not", and nowhere else: a pattern would find others.
func parseLoginFilter(s string) (*loginFilter, error) {
	t, err := parseTemplate(s)
	if err != nil {
		return nil, fmt.Errorf("%q %w", s, err)
	}
	packet, err := compileFilter(s)
	if err != nil {
		return nil, err
	}
	f := &loginFilter{template: t}
	if f.collect(packet) != t.placeholders() {
		return nil, fmt.Errorf("%q has a placeholder in another place than an equality, as (mail=%s)", s, settings.EmailAddress)
	}
	if len(f.values) == 0 {
		return nil, fmt.Errorf("%q finds the same for all addresses of a domain; it needs %s or %s", s, settings.EmailAddress, settings.EmailLocalPart)
	}
	return f, nil
}

// collect returns how many placeholders stand where they may.
func (f *loginFilter) collect(p *ber.Packet) (n int) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr:
		for _, c := range p.Children {
			n += f.collect(c)
		}
	case ldap.FilterEqualityMatch:
		t, err := parseTemplate(p.Children[1].Data.String())
		if err != nil {
			return 0 // a % that was escaped
		}
		if n = t.placeholders(); t.personal() {
			f.values = append(f.values, t)
			f.attributes = append(f.attributes, p.Children[0].Data.String())
		}
	}
	return n
}

// owns tells whether an entry has a value that is the address's, but for the case of
// ASCII letters. A server's rules see more alike than that: full-width letters, accents,
// spaces (RFC 4518), so what they find may be somebody else's.
func (f *loginFilter) owns(e *ldap.Entry, a address.Address) bool {
	for _, t := range f.values {
		wanted := t.fill(a, verbatim)
		for _, attribute := range e.Attributes {
			for _, v := range attribute.Values {
				if equalASCIIFold(v, wanted) {
					return true
				}
			}
		}
	}
	return false
}

func equalASCIIFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerASCII(a[i]) != lowerASCII(b[i]) {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// parseBase reads the DN to search below, in which the domain of an address may stand,
// as in domainName=%EMAILDOMAIN%,o=domains,dc=example,dc=com.
func parseBase(s string) (template, error) {
	t, err := parseTemplate(s)
	if err != nil {
		return nil, fmt.Errorf("%q %w", s, err)
	}
	dn, err := ldap.ParseDN(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no DN (RFC 4514)", s)
	}
	for _, rdn := range dn.RDNs {
		for _, part := range rdn.Attributes {
			if strings.Contains(part.Type, "%") {
				return nil, fmt.Errorf("%q has a placeholder for the name of an attribute", s)
			}
		}
	}
	return t, nil
}

var attributeName = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)+)(;[A-Za-z0-9-]+)*$`)

// parseAttribute reads an attribute description (RFC 4512 §2.5).
func parseAttribute(s string) (string, error) {
	if !attributeName.MatchString(s) {
		return "", fmt.Errorf("%q is no attribute; mail is an example", s)
	}
	return s, nil
}

// parseAttributes reads attributes with commas between.
func parseAttributes(s string) ([]string, error) {
	var out []string
	for name := range strings.SplitSeq(s, ",") {
		name, err := parseAttribute(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}
