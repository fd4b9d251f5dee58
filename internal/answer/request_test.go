package answer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"milepost/internal/answer"
	"milepost/settings"
)

func TestParseRequest(t *testing.T) {
	for _, tc := range []struct {
		name, query, address string // empty: refused
		protocol             settings.Protocol
	}{
		{"form", "emailaddress=fred%40example.com", "fred@example.com", ""},
		{"link by hand", "emailaddress=fred@example.com", "fred@example.com", ""},
		{"capitals in the name", "EMAILaddress=fred@example.com&Protocol=POP3", "fred@example.com", settings.POP3},
		{"space around it", "emailaddress=++fred%40example.com+", "fred@example.com", ""},
		{"plus in a form", "emailaddress=fred%2Bnews%40example.com", "fred+news@example.com", ""},
		{"plus and an escaped @", "emailaddress=fred+news%40example.com", "fred+news@example.com", ""},
		{"spaces around a plus", "emailaddress=+fred+news%40example.com++", "fred+news@example.com", ""},
		{"a stray %", "emailaddress=100%@example.com", "100%@example.com", ""},
		{"the first of two", "emailaddress=fred@example.com&emailaddress=x@example.net", "fred@example.com", ""},
		{"space in quotes", "emailaddress=%22fred%20smith%22@example.com", `"fred smith"@example.com`, ""},
		{"plus in a link by hand", "emailaddress=fred+news@example.com", "fred+news@example.com", ""},
		{"capitals in the domain", "emailaddress=Fred%40EXAMPLE.com", "Fred@example.com", ""},
		{"umlaut", "emailaddress=fred%40b%C3%BCcher.example", "fred@xn--bcher-kva.example", ""},
		{"domain alone", "emailaddress=example.com", "example.com", ""},
		{"with a name", "emailaddress=Fred+%3Cfred%40example.com%3E", "fred@example.com", ""},
		{"pasted with a comma", "emailaddress=fred%40example.com%2C", "fred@example.com", ""},
		{"pasted with a mark that nobody sees", "emailaddress=%E2%80%8Bfred%40example.com", "fred@example.com", ""},
		{"mailto", "emailaddress=mailto%3Afred%40example.com", "fred@example.com", ""},
		{"POP", "emailaddress=fred%40example.com&protocol=pop3", "fred@example.com", settings.POP3},
		{"IMAP", "protocol=imap&emailaddress=fred%40example.com", "fred@example.com", settings.IMAP},
		{"unknown protocol", "emailaddress=fred%40example.com&protocol=x", "fred@example.com", ""},
		{"nothing", "", "", ""},
		{"empty", "emailaddress=", "", ""},
		{"spaces", "emailaddress=++", "", ""},
		{"a word", "emailaddress=fred", "", ""},
		{"no domain", "emailaddress=fred%40", "", ""},
		{"space inside", "emailaddress=fred%20smith%40example.com", "", ""},
		{"control character", "emailaddress=fr%0Aed%40example.com", "", ""},
		{"not UTF-8", "emailaddress=%ff%40example.com", "", ""},
		{"broken escape", "emailaddress=%4", "", ""},
		{"too long", "emailaddress=" + strings.Repeat("a", 2000) + "%40example.com", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q, err := answer.ParseRequest(tc.query)
			switch {
			case tc.address == "" && err == nil:
				t.Errorf("%v is taken", q.Address)
			case tc.address != "" && (err != nil || q.Address.String() != tc.address || q.Protocol != tc.protocol):
				t.Errorf("%v %q, %v", q.Address, q.Protocol, err)
			}
		})
	}
}

// What was typed stands in pages, so it is text, whatever the octets were; and
// what was not is no address.
func TestTyped(t *testing.T) {
	for _, tc := range []struct{ name, query, typed string }{
		{"UTF-8", "fred%C3%A9", "fredé"},
		{"Latin-1", "fred%E9", "fred\ufffd"},
		{"nothing but a wrong octet", "%ff", "\ufffd"},
		{"half a character", "fred%E2%82@example.com", "fred\ufffd@example.com"},
		{"a half at the limit", strings.Repeat("a", 999) + "%C3%A9", strings.Repeat("a", 999) + "\ufffd"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q, err := answer.ParseRequest("emailaddress=" + tc.query)
			if err == nil || q.Typed != tc.typed || !utf8.ValidString(q.Query()) {
				t.Errorf("%q, %v", q.Typed, err)
			}
		})
	}
}

// What a request asks for, its own link asks for again.
func FuzzParseRequest(f *testing.F) {
	f.Add("emailaddress=fred%40example.com&protocol=pop3")
	f.Add("emailaddress=%22fred+%26%20co%22%40b%C3%BCcher.example")
	f.Add("emailaddress=example.com")
	f.Add("emailaddress=%3C+fred@example.com%3E")
	f.Add("emailaddress=fred+news@example.com;x")
	f.Add("emailaddress=%22%2Bfred%22@example.com")
	f.Add("emailaddress=%22%E2%80%8Bfred%22@example.com")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := answer.ParseRequest(query)
		if err != nil {
			return
		}
		again, err := answer.ParseRequest(q.Query())
		if err != nil || again.Address != q.Address || again.Protocol != q.Protocol {
			t.Errorf("%q: %v, again %v, %v", query, q, again, err)
		}
	})
}
