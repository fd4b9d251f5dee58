// Package address holds mail addresses and their domains, parsed and
// normalised once, where they enter the program.
//
// It follows RFC 5321 §4.1.2 with the liberties that real addresses take: a
// local part in UTF-8 (RFC 6531 §3.3), dots anywhere in it, an unquoted @ or
// punctuation. Display names, comments and address literals are left out: an
// account is not set up with them.
package address

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddress is the longest address in octets: a path of 256 less its angle
// brackets, RFC 5321 §4.5.3.1.3.
const maxAddress = 254

// Address is one mail address. Made by [Parse] it is always valid. An Address
// without Local stands for "somebody in this domain".
type Address struct {
	Local  string // without the quotes of a quoted local part; letter case kept
	Domain Domain
}

// ErrNoAt is the error about an address that lacks the @.
var ErrNoAt = errors.New("address has no @")

// Parse reads one address. It splits at the last @, so everything before that
// is the local part. The errors say what is refused: no @, an empty part,
// control characters, unquoted spaces, stray quotes, text that is not UTF-8,
// addresses over 254 octets, and all that [ParseDomain] refuses.
func Parse(s string) (Address, error) {
	if len(s) > maxAddress {
		return Address{}, errTooLong(len(s))
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return Address{}, ErrNoAt
	}
	local, err := parseLocal(s[:at])
	if err != nil {
		return Address{}, err
	}
	domain, err := ParseDomain(s[at+1:])
	if err != nil {
		return Address{}, err
	}
	a := Address{Local: local, Domain: domain}
	if n := len(a.String()); n > maxAddress {
		return Address{}, errTooLong(n)
	}
	return a, nil
}

func errTooLong(n int) error {
	return fmt.Errorf("address is %d octets long; at most %d are allowed", n, maxAddress)
}

func parseLocal(s string) (string, error) {
	if s == "" {
		return "", errors.New("address has nothing before the @")
	}
	if !utf8.ValidString(s) {
		return "", errors.New("address is not valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "", fmt.Errorf("address has a control character (%U)", r)
		}
	}
	if s[0] == '"' {
		return unquote(s)
	}
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			return "", errors.New("address has a space before the @")
		case r == '"' || r == '\\':
			return "", fmt.Errorf("address has a %q outside of a quoted local part", r)
		}
	}
	return s, nil
}

// unquote undoes a quoted local part (RFC 5321 §4.1.2, Quoted-string).
func unquote(s string) (string, error) {
	if len(s) < 2 || s[len(s)-1] != '"' {
		return "", errors.New("address has an opening quote and no closing one before the @")
	}
	var b strings.Builder
	inner := s[1 : len(s)-1]
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", errors.New("address has a quote in the middle of its quoted local part")
		case '\\':
			if i++; i == len(inner) {
				return "", errors.New("address has an opening quote and no closing one before the @")
			}
		}
		b.WriteByte(inner[i])
	}
	if b.Len() == 0 {
		return "", errors.New("address has nothing before the @")
	}
	return b.String(), nil
}

// String returns the address with its domain in ASCII, the local part quoted
// where RFC 5321 §4.1.2 asks for it.
func (a Address) String() string { return a.with(a.Domain.ASCII) }

// Unicode returns the address as people read it.
func (a Address) Unicode() string { return a.with(a.Domain.Unicode) }

func (a Address) with(domain string) string {
	if a.Local == "" {
		return domain
	}
	if !strings.ContainsFunc(a.Local, special) {
		return a.Local + "@" + domain
	}
	return `"` + quoter.Replace(a.Local) + `"@` + domain
}

var quoter = strings.NewReplacer(`"`, `\"`, `\`, `\\`)

// special tells whether a character needs a quoted local part: everything that
// is not atext or a dot (RFC 5322 §3.2.3, RFC 6532 §3.2).
func special(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>@[\]`, r)
}
