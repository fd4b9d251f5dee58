package address_test

import (
	"strings"
	"testing"

	"milepost/address"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, in       string
		local, domain  string // of the result
		text, readable string // String and Unicode; empty: the same as in
	}{
		{"plain", "fred@example.com", "fred", "example.com", "", ""},
		{"upper case keeps the local part", "Fred.B@EXAMPLE.Com", "Fred.B", "example.com", "Fred.B@example.com", "Fred.B@example.com"},
		{"trailing dot", "fred@example.com.", "fred", "example.com", "fred@example.com", "fred@example.com"},
		{"tag", "fred+lists@example.com", "fred+lists", "example.com", "", ""},
		{"quoted", `"fred b"@example.com`, "fred b", "example.com", "", ""},
		{"needlessly quoted", `"fred"@example.com`, "fred", "example.com", "fred@example.com", "fred@example.com"},
		{"quoted quote", `"a\"b\\c"@example.com`, `a"b\c`, "example.com", "", ""},
		{"quoted @", `"fred@home"@example.com`, "fred@home", "example.com", "", ""},
		{"two @ split at the last", "fred@home@example.com", "fred@home", "example.com", `"fred@home"@example.com`, `"fred@home"@example.com`},
		{"UTF-8 local part", "frédéric@example.com", "frédéric", "example.com", "", ""},
		{"U-label", "fred@Bücher.example", "fred", "xn--bcher-kva.example", "fred@xn--bcher-kva.example", "fred@bücher.example"},
		{"A-label", "fred@XN--BCHER-KVA.example", "fred", "xn--bcher-kva.example", "fred@xn--bcher-kva.example", "fred@bücher.example"},
		{"ideographic dots", "fred@例え。テスト。", "fred", "xn--r8jz45g.xn--zckzah", "fred@xn--r8jz45g.xn--zckzah", "fred@例え.テスト"},
		{"dots as a phone company lets them be", ".fred..b.@example.com", ".fred..b.", "example.com", "", ""},
		{"one label", "fred@localhost", "fred", "localhost", "", ""},
		{"markup is a name like any other", "<script>@example.com", "<script>", "example.com", `"<script>"@example.com`, `"<script>"@example.com`},
		{"254 octets", strings.Repeat("a", 242) + "@example.com", strings.Repeat("a", 242), "example.com", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := address.Parse(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			text, readable := tc.text, tc.readable
			if text == "" {
				text, readable = tc.in, tc.in
			}
			if a.Local != tc.local || a.Domain.ASCII != tc.domain || a.String() != text || a.Unicode() != readable {
				t.Errorf("Parse(%q) = %+v, String %q, Unicode %q", tc.in, a, a.String(), a.Unicode())
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"nothing", "", "address has no @"},
		{"no @", "example.com", "address has no @"},
		{"empty local part", "@example.com", "address has nothing before the @"},
		{"empty quoted local part", `""@example.com`, "address has nothing before the @"},
		{"empty domain", "fred@", "domain is empty"},
		{"empty label", "fred@example..com", "domain has an empty label"},
		{"leading dot", "fred@.example.com", "domain has an empty label"},
		{"label of 64", "fred@" + strings.Repeat("a", 64) + ".com", `domain label "aaaaaaaa…" is 64 octets long; at most 63 are allowed`},
		{"U-label too long in ASCII", "fred@" + strings.Repeat("ü", 60) + ".com", `domain label "xn--tdaa…" is 66 octets long; at most 63 are allowed`},
		{"long address", strings.Repeat("a", 243) + "@example.com", "address is 255 octets long; at most 254 are allowed"},
		{"long once quoted", strings.Repeat("<", 241) + "@example.com", "address is 255 octets long; at most 254 are allowed"},
		{"10 kB", strings.Repeat("a", 10_000) + "@example.com", "address is 10012 octets long; at most 254 are allowed"},
		{"CR LF", "fred\r\n@example.com", "address has a control character (U+000D)"},
		{"NUL", "fred\x00@example.com", "address has a control character (U+0000)"},
		{"C1 control", "fred\u0085@example.com", "address has a control character (U+0085)"},
		{"control character in the domain", "fred@exam\nple.com", `domain label "exam\nple" has the character '\n'; letters, digits and hyphens are allowed`},
		{"space", "fred b@example.com", "address has a space before the @"},
		{"display name", "Fred <fred@example.com>", "address has a space before the @"},
		{"stray quote", `fr"ed@example.com`, `address has a '"' outside of a quoted local part`},
		{"open quote", `"fred@example.com`, "address has an opening quote and no closing one before the @"},
		{"escaped closing quote", `"fred\"@example.com`, "address has an opening quote and no closing one before the @"},
		{"quote in the middle", `"fr"ed"@example.com`, "address has a quote in the middle of its quoted local part"},
		{"not UTF-8", "fr\xe9d@example.com", "address is not valid UTF-8"},
		{"angle bracket behind", "fred@example.com>", `domain label "com>" has the character '>'; letters, digits and hyphens are allowed`},
		{"underscore", "fred@my_host.com", `domain label "my_host" has the character '_'; letters, digits and hyphens are allowed`},
		{"hyphen first", "fred@-example.com", `domain label "-example" starts or ends with a hyphen`},
		{"address literal", "fred@[192.0.2.1]", "domain is an address literal; a name is needed"},
		{"IP address", "fred@192.0.2.1", `domain "192.0.2.1" ends in a number; an IP address is not a domain`},
		{"broken A-label", "fred@xn--a.com", `domain "xn--a.com" is not an internationalised name: invalid label "\u0080"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := address.Parse(tc.in)
			if err == nil {
				t.Fatalf("accepted as %+v", a)
			}
			if err.Error() != tc.want {
				t.Errorf("error: %s\nwant:  %s", err, tc.want)
			}
			if a != (address.Address{}) {
				t.Errorf("an address beside the error: %+v", a)
			}
		})
	}
}

func TestParseDomainSizes(t *testing.T) {
	long := strings.Repeat("a23456789.", 25) + "abc" // 253
	if _, err := address.ParseDomain(long); err != nil {
		t.Errorf("253 octets: %v", err)
	}
	for name, s := range map[string]string{"254": long + "d", "100,000": strings.Repeat("ü.", 50_000)} {
		if _, err := address.ParseDomain(s); err == nil || !strings.Contains(err.Error(), "at most 253 are allowed") {
			t.Errorf("%s octets: %v", name, err)
		}
	}
}

// The local part is not repeated: errors may end in a log.
func TestParseDomainOfAddress(t *testing.T) {
	for in, want := range map[string]string{
		"fred@example.com":        `"…@example.com" is an address; a domain is the part behind the @`,
		"fréd+x@home@example.com": `"…@example.com" is an address; a domain is the part behind the @`,
		"fred@\xff\n":             `"…@\xff\n" is an address; a domain is the part behind the @`,
		"@example.com.":           `"…@example.com." is an address; a domain is the part behind the @`,
	} {
		if d, err := address.ParseDomain(in); err == nil || err.Error() != want || !d.IsZero() {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestParent(t *testing.T) {
	d, err := address.ParseDomain("mail.bücher.example")
	if err != nil {
		t.Fatal(err)
	}
	if p := d.Parent(); p != (address.Domain{ASCII: "xn--bcher-kva.example", Unicode: "bücher.example"}) {
		t.Errorf("parent: %+v", p)
	}
	if p := d.Parent().Parent().Parent(); !p.IsZero() {
		t.Errorf("parent of a single label: %+v", p)
	}
}

// What is accepted has one written form, and that form means the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"fred@example.com", "Fred+tag@EXAMPLE.com.", `"a b\"c"@bücher.example`, "frédéric@例え。テスト",
		"a@b@c.example", "fred@xn--bcher-kva.example", "<script>@x.org", "fred@192.0.2.1", "EVOLUTIONUSER@example.com",
		"fred@ß.example", "fred@xn--zca.example", "fred@r3---sn.example", "fred@İ.example", "100%@example.com",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := address.Parse(s)
		if err != nil {
			return
		}
		for _, form := range []string{a.String(), a.Unicode()} {
			b, err := address.Parse(form)
			if form != a.String() && len(form) > 254 {
				continue // U-labels may be longer than A-labels
			}
			if err != nil || a != b {
				t.Errorf("%q gives %+v, whose form %q gives %+v, %v", s, a, form, b, err)
			}
		}
		if len(a.String()) > 254 || strings.ContainsAny(a.Domain.ASCII, "/:@%<>&\"' \r\n\x00") {
			t.Errorf("%q gives %+v", s, a)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := address.Parse("fred@example.com"); err != nil {
			b.Fatal(err)
		}
	}
}
