package answer

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/address"
	"milepost/internal/query"
	"milepost/settings"
)

// Request is what a person or a program asks for.
type Request struct {
	Address  address.Address   // without Local: only a domain was typed
	Protocol settings.Protocol // that was chosen for incoming mail; empty: none
	Typed    string            // as it was typed, less the space around it; valid UTF-8

	NoMailbox bool // the address's directory does not have it, and says so
}

// ErrNoAddress is the error for a request without an address.
var ErrNoAddress = errors.New("the address is missing; add ?emailaddress=ADDRESS")

// ParseRequest reads the query of a page or of the interface for programs:
// emailaddress, and protocol if one was chosen. A domain alone is taken too. With
// an error, the request still has what was typed.
func ParseRequest(rawQuery string) (Request, error) {
	var q Request
	protocol, _ := query.Get(rawQuery, "protocol")
	switch strings.ToLower(protocol) {
	case "pop3", "pop":
		q.Protocol = settings.POP3
	case "imap":
		q.Protocol = settings.IMAP
	}
	value, _ := query.Get(rawQuery, "emailaddress")
	typed := strings.TrimFunc(value, around)
	q.Typed = strings.ToValidUTF8(typed[:min(len(typed), maxTyped)], "\ufffd")
	switch {
	case typed == "":
		return q, ErrNoAddress
	case len(typed) > maxTyped:
		return q, errors.New("what was typed is too long for an address")
	}
	var err error
	s := strings.TrimFunc(bare(typed), around)
	if strings.Contains(s, "@") {
		q.Address, err = address.Parse(s)
	} else {
		q.Address.Domain, err = address.ParseDomain(s)
		if err == nil && !strings.Contains(q.Address.Domain.ASCII, ".") {
			err = address.ErrNoAt
		}
	}
	return q, err
}

// maxTyped is more than an address takes, with a person's name before it.
const maxTyped = 1000

// around tells what stands around an address when people type or paste it, most
// of it unseen. A form sends a space as +, and no address begins or ends with one.
func around(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("+,;", r) || unicode.Is(unicode.Cf, r)
}

// bare takes the address out of what people paste: Fred <fred@example.com> and
// mailto:fred@example.com.
func bare(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		s = s[i+1 : len(s)-1]
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	return s
}

// Query is the request as it stands in a link to the same answer.
func (q Request) Query() string {
	s := "emailaddress=" + escape(q.asked())
	if q.Protocol != "" {
		s += "&protocol=" + string(q.Protocol)
	}
	return s
}

func (q Request) asked() string {
	if q.Address.Domain.IsZero() {
		return q.Typed
	}
	s := q.Address.String()
	if first, _ := utf8.DecodeRuneInString(s); around(first) { // in quotes it stays
		local, domain, _ := strings.Cut(s, "@") // this local part was not in quotes, so it has no @
		return `"` + local + `"@` + domain
	}
	return s
}

// escape escapes a value for a query in which a + is a plus.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
