// Package mobileconfig renders Apple configuration profiles: property lists
// that set mail, calendar and contact accounts up on an iPhone, iPad or Mac, and
// signs them (CMS, RFC 5652).
//
// It follows Apple's published payload schemas. Passwords are left out: a
// profile that is downloaded is no place for them. OAuth 2.0 for mail has no key
// there, so a provider that takes nothing else is refused.
package mobileconfig

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/address"
)

// ContentType of a profile, signed or not.
const ContentType = "application/x-apple-aspen-config"

const (
	maxAddresses = 16  // in one profile
	maxName      = 200 // characters of a person's name
)

// Request is what a link to a profile asks for.
type Request struct {
	Addresses []address.Address // at least one
	Options   Options
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
// several repeated or with commas; name, protocol and lang. Languages are those
// that the client prefers (an Accept-Language header), for want of lang. The
// errors are sentences for the person who opened the link.
func ParseRequest(rawQuery, languages string) (Request, error) {
	r := Request{Options: Options{Lang: chooseLanguage(languages)}}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		key, raw, _ := strings.Cut(pair, "=")
		value, err := url.PathUnescape(raw) // keeps a + that was not escaped
		if err != nil {
			value = raw
		}
		switch strings.ToLower(key) {
		case "emailaddress", "email", "addresses":
			list := []string{value}
			if _, err := address.Parse(value); err != nil { // a comma may be part of one
				list = strings.Split(value, ",")
			}
			for _, one := range list {
				a, err := parseAddress(strings.TrimSpace(one))
				if err != nil {
					return Request{}, err
				}
				if !slices.Contains(r.Addresses, a) {
					r.Addresses = append(r.Addresses, a)
				}
			}
		case "name":
			// In a name a + is a space, as forms write it.
			if value, err = url.QueryUnescape(raw); err != nil {
				value = raw
			}
			if r.Options.Name, err = parseName(value); err != nil {
				return Request{}, err
			}
		case "protocol":
			switch strings.ToLower(value) {
			case "pop3", "pop":
				r.Options.POP3 = true
			case "imap", "":
			default:
				return Request{}, errors.New("the protocol is unknown; imap and pop3 are allowed")
			}
		case "lang":
			if value != "" {
				r.Options.Lang = chooseLanguage(value)
			}
		}
	}
	switch {
	case len(r.Addresses) == 0:
		return Request{}, errors.New("the address is missing; add ?emailaddress=ADDRESS")
	case len(r.Addresses) > maxAddresses:
		return Request{}, fmt.Errorf("a profile holds at most %d addresses", maxAddresses)
	}
	return r, nil
}

// parseAddress reads an address that will stand on a device's screen, under our
// signature: it must not be a sentence, nor turn the text around.
func parseAddress(s string) (address.Address, error) {
	a, err := address.Parse(s)
	switch {
	case err != nil:
		return a, fmt.Errorf("the %w", err)
	case strings.ContainsFunc(a.Local, unicode.IsSpace):
		return a, errors.New("the address has a space; no profile is made for those")
	case strings.ContainsFunc(a.Local, isBidi):
		return a, errors.New("the address has characters that turn the direction of text")
	}
	return a, nil
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
