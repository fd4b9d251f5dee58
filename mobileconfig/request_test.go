package mobileconfig_test

import (
	"strings"
	"testing"

	"milepost/mobileconfig"
)

func TestParseRequestAddresses(t *testing.T) {
	// Too long for one address.
	long := strings.Repeat("u", 100) + "@example.com"
	for _, tc := range []struct{ name, query, want string }{
		{"one", "emailaddress=fred@example.com", "fred@example.com"},
		{"two", "emailaddress=u0@example.com,u1@hoster.test", "u0@example.com u1@hoster.test"},
		{"as another server links", "addresses=a@example.com,b@example.com", "a@example.com b@example.com"},
		{"escaped", "email=a%40example.com%2Cb%40example.com", "a@example.com b@example.com"},
		{"with spaces", "email=a@example.com,%20b@example.com", "a@example.com b@example.com"},
		{"long", "email=a" + long + ",b" + long + ",c" + long, "a" + long + " b" + long + " c" + long},
		{"a comma in quotes", `email="a,b"@example.com`, `"a,b"@example.com`},
		{"quotes in a list", `email="a,b"@example.com,c@example.com,"d\",e"@example.com`, `"a,b"@example.com c@example.com "d\",e"@example.com`},
		{"twice the same", "email=a@example.com,b@example.com,a@EXAMPLE.com&emailaddress=b@example.com", "a@example.com b@example.com"},
		{"repeated", "emailaddress=a@example.com&EmailAddress=b@example.com", "a@example.com b@example.com"},
		{"a plus", "EMAIL=a+x@example.com", "a+x@example.com"},
		{"a stray %", "email=100%@example.com", "100%@example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := mobileconfig.ParseRequest(tc.query, "")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range r.Addresses {
				got = append(got, a.String())
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("%s, want %s", s, tc.want)
			}
		})
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, tc := range []struct{ name, query, want string }{
		{"no address", "name=Fred", "the address is missing; add ?emailaddress=ADDRESS"},
		{"an empty address", "emailaddress=", "the address has no @"},
		{"a comma outside of quotes", "email=a,b@example.com", "the address has no @"},
		{"an open quote", `email="a@example.com,b@example.com`, "the address has an opening quote and no closing one before the @"},
		{"17 addresses", "email=" + strings.TrimPrefix(strings.Repeat(",a@example.com", 17), ","), "a profile holds at most 16 addresses"},
		{"17 addresses in two parameters", "email=" + strings.Repeat("a@example.com,", 15) + "a@example.com&email=b@example.com", "a profile holds at most 16 addresses"},
		{"a space", `email="call 555"@example.com`, "the address has a space; no profile is made for those"},
		{"a protocol", "email=a@example.com&PROTOCOL=jmap", "the protocol is unknown; imap and pop3 are allowed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if r, err := mobileconfig.ParseRequest(tc.query, ""); err == nil || err.Error() != tc.want {
				t.Errorf("%v, error: %v\nwant: %s", r.Addresses, err, tc.want)
			}
		})
	}
}

// A list is not read to its end before it is found too long.
func TestLongListsCostLittle(t *testing.T) {
	for name, item := range map[string]string{"the same": "a@x,", "commas": ",", "quotes": `"",`} {
		query := "email=" + strings.Repeat(item, 14_000/len(item))
		if n := testing.AllocsPerRun(10, func() {
			if _, err := mobileconfig.ParseRequest(query, ""); err == nil {
				t.Error("accepted")
			}
		}); n > 100 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Of many languages one alone is looked for, the last.
func TestManyLanguagesCostLittle(t *testing.T) {
	query := "email=fred@example.com" + strings.Repeat("&lang="+strings.Repeat("pt-BR,", 30), 75) + "&lang=fr&lang="
	if n := testing.AllocsPerRun(10, func() {
		if r, err := mobileconfig.ParseRequest(query, "de"); err != nil || r.Options.Lang != "fr" {
			t.Errorf("%+v, %v", r.Options, err)
		}
	}); n > 100 {
		t.Errorf("%v allocations", n)
	}
}
