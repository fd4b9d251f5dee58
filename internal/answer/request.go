package answer

import (
	"errors"
	"net/url"
	"strings"
	"unicode"

	"milepost/address"
	"milepost/settings"
)

// Request is what a person asks for.
type Request struct {
	Address  address.Address   // without Local: only a domain was typed
	Protocol settings.Protocol // that was chosen for incoming mail; empty: none
	Typed    string            // as it was typed, less the space around it
}

// ErrNoAddress is the error for a request without an address.
var ErrNoAddress = errors.New("the address is missing; add ?emailaddress=ADDRESS")

// ErrNoAt is the error for what is neither an address nor a domain that is known.
var ErrNoAt = errors.New("address has no @")

// ParseRequest reads the query of a page or of the programs' interface:
// emailaddress, and protocol if one was chosen. A domain alone is taken too. The
// request is returned even with an error, for what was typed.
func ParseRequest(rawQuery string) (Request, error) {
	var q Request
	for pair := range strings.SplitSeq(rawQuery, "&") {
		key, raw, _ := strings.Cut(pair, "=")
		switch key {
		case "emailaddress":
			q.Typed = strings.TrimFunc(unescape(raw), around)
		case "protocol":
			switch strings.ToLower(raw) {
			case "pop3", "pop":
				q.Protocol = settings.POP3
			case "imap":
				q.Protocol = settings.IMAP
			}
		}
	}
	if q.Typed == "" {
		return q, ErrNoAddress
	}
	if len(q.Typed) > maxTyped {
		q.Typed = strings.ToValidUTF8(q.Typed[:maxTyped], "")
		return q, errors.New("what was typed is too long for an address")
	}
	var err error
	s := bare(q.Typed)
	if strings.Contains(s, "@") {
		q.Address, err = address.Parse(s)
	} else {
		q.Address.Domain, err = address.ParseDomain(s)
		if err == nil && !strings.Contains(q.Address.Domain.ASCII, ".") {
			err = ErrNoAt
		}
	}
	return q, err
}

// maxTyped is more than an address with a person's name before it takes.
const maxTyped = 1000

// around tells what people paste together with an address, and do not see.
func around(r rune) bool {
	return unicode.IsSpace(r) || r == ',' || r == ';' || unicode.Is(unicode.Cf, r)
}

// unescape undoes a query's escapes. A form turns space into + and + into %2B,
// and @ into %40; in a link that a person wrote, with a bare @, a + is a +.
func unescape(raw string) string {
	undo := url.QueryUnescape
	if strings.Contains(raw, "@") {
		undo = url.PathUnescape
	}
	s, err := undo(raw)
	if err != nil {
		return raw
	}
	return s
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
	return q.Address.String()
}

func escape(s string) string { return url.QueryEscape(s) }
