// Package mobileconfig renders Apple configuration profiles: property lists
// that set mail, calendar and contact accounts up on an iPhone, iPad or Mac, and
// signs them (CMS, RFC 5652).
//
// It follows Apple's published payload schemas. Passwords are left out: a
// profile that is downloaded is no place for them. OAuth 2.0 for mail has no key
// there, so a provider that takes nothing else is refused.
package mobileconfig

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/address"
	"milepost/internal/query"
)

// ContentType of a profile, signed or not.
const ContentType = "application/x-apple-aspen-config"

const (
	maxAddresses = 16  // in one profile
	maxName      = 200 // characters of a person's name
)

// Request is what a link to a profile asks for.
type Request struct {
	Addresses []address.Address // at least one, none of them twice
	Options   Options

	listed int // addresses that were read, repeated ones too
}

// Paths are where profiles are asked for: ours first, then those that stand in
// other servers' documentation.
var Paths = []string{
	"/mobileconfig",
	"/mobileconfig/",
	"/email.mobileconfig",
	"/profile.mobileconfig",
	"/.well-known/apple-mail.mobileconfig",
}

// ParseRequest reads a query: the address as emailaddress, email or addresses,
// of which any may be repeated or a list with commas; name, protocol and lang.
// Languages are those that the client prefers (an Accept-Language header), for
// want of lang. The errors are sentences for the person who opened the link.
func ParseRequest(rawQuery, languages string) (Request, error) {
	r := Request{Options: Options{Lang: languages}}
	for p := range query.Parameters(rawQuery) {
		if err := r.read(p); err != nil {
			return Request{}, err
		}
	}
	if len(r.Addresses) == 0 {
		return Request{}, errors.New("the address is missing; add ?emailaddress=ADDRESS")
	}
	r.Options.Lang = chooseLanguage(r.Options.Lang) // once: a query has room for thousands
	return r, nil
}

func (r *Request) read(p query.Parameter) (err error) {
	switch p.Name {
	case "emailaddress", "email", "addresses":
		return r.readAddresses(p.Value())
	case "name":
		r.Options.Name, err = parseName(p.Text())
	case "protocol":
		switch strings.ToLower(p.Value()) {
		case "pop3", "pop":
			r.Options.POP3 = true
		case "imap", "":
		default:
			return errors.New("the protocol is unknown; imap and pop3 are allowed")
		}
	case "lang":
		r.Options.Lang = cmp.Or(p.Value(), r.Options.Lang)
	}
	return err
}

// readAddresses reads a list, and counts before it works: a query has room for
// thousands.
func (r *Request) readAddresses(list string) error {
	for more := true; more; {
		var one string
		one, list, more = cutAddress(list)
		if r.listed++; r.listed > maxAddresses {
			return fmt.Errorf("a profile holds at most %d addresses", maxAddresses)
		}
		a, err := address.Parse(strings.TrimSpace(one))
		if err != nil {
			return fmt.Errorf("the %w", err)
		}
		if err := checkAddress(a); err != nil {
			return err
		}
		if !slices.Contains(r.Addresses, a) {
			r.Addresses = append(r.Addresses, a)
		}
	}
	return nil
}

// cutAddress cuts a list at its first comma outside of quotes (RFC 5321 §4.1.2,
// Quoted-string).
func cutAddress(list string) (first, rest string, more bool) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], list[i+1:], true
		}
	}
	return list, "", false
}

// checkAddress refuses an address that would mislead on a device's screen, under
// our signature: it must not be a sentence, nor turn the text around.
func checkAddress(a address.Address) error {
	switch {
	case a.Local == "":
		return errors.New("a profile needs a whole address")
	case strings.ContainsFunc(a.Local, unicode.IsSpace):
		return errors.New("the address has a space; no profile is made for those")
	case strings.ContainsFunc(a.Local, isBidi):
		return errors.New("the address has characters that turn the direction of text")
	}
	return nil
}

// isBidi tells whether a character turns the direction of the text around it
// (Unicode's Bidi_Control).
func isBidi(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

func parseName(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "", errors.New("the name has control characters")
	case strings.ContainsFunc(s, isBidi):
		return "", errors.New("the name has characters that turn the direction of text")
	case utf8.RuneCountInString(s) > maxName:
		return "", fmt.Errorf("the name has more than %d characters", maxName)
	}
	return s, nil
}
