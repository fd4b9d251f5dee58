package mtasts_test

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/mtasts"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// The grammar of RFC 8461 §3.2 as far as we write it, and of the TXT record (§3.1).
var (
	domain = `[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*`
	policy = regexp.MustCompile(`^version: STSv1\r\nmode: (testing|enforce|none)\r\n((?:mx: (?:\*\.)?` + domain + `\r\n)*)max_age: ([0-9]{1,10})\r\n$`)
	record = regexp.MustCompile(`^v=STSv1; id=[A-Za-z0-9]{1,32};$`)
)

// provider reads a file with a policy.
func provider(t testing.TB, mtaSTS string) *settings.Provider {
	t.Helper()
	c := fixture.Catalogue(t, "a.toml", fixture.Family+"[mta_sts]\n"+mtaSTS)
	return c.Providers()[0]
}

func TestRender(t *testing.T) {
	for name, tc := range map[string]struct{ file, want string }{
		"enforce": {"mode = \"enforce\"\nmx = [\"mail.example.com\", \"*.Example.NET\"]",
			"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"},
		"testing": {"mode = \"testing\"\nmx = [\"mx.bücher.example\"]\nmax_age = 31557600",
			"version: STSv1\r\nmode: testing\r\nmx: mx.xn--bcher-kva.example\r\nmax_age: 31557600\r\n"},
		"none": {"mode = \"none\"\nmax_age = 0", "version: STSv1\r\nmode: none\r\nmax_age: 0\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := provider(t, tc.file)
			got, err := mtasts.Render(p.MTASTS)
			if err != nil || string(got) != tc.want {
				t.Errorf("%v\n%q, want\n%q", err, got, tc.want)
			}
			check(t, p.MTASTS)
		})
	}
	if _, err := mtasts.Render(nil); !errors.Is(err, mtasts.ErrNoPolicy) {
		t.Error(err)
	}
	if _, err := mtasts.Record(nil); !errors.Is(err, mtasts.ErrNoPolicy) {
		t.Error(err)
	}
}

// check holds what is written to the grammar, and reads it back.
func check(t *testing.T, p *settings.MTASTS) {
	t.Helper()
	text, err := mtasts.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	m := policy.FindStringSubmatch(string(text))
	if m == nil {
		t.Fatalf("it breaks the grammar:\n%q", text)
	}
	if age, err := strconv.ParseUint(m[len(m)-1], 10, 32); err != nil || uint32(age) != p.MaxAge || age > settings.MaxMTASTSAge {
		t.Errorf("max_age %s, want %d", m[len(m)-1], p.MaxAge)
	}
	if m[1] != string(p.Mode) || strings.Count(m[2], "mx: ") != len(p.MX) || p.Mode != settings.NoPolicy && len(p.MX) == 0 {
		t.Errorf("%q of %+v", text, p)
	}
	txt, err := mtasts.Record(p)
	if err != nil || !record.MatchString(txt) {
		t.Errorf("%v: the record %q breaks the grammar", err, txt)
	}
}

// The id is the same at each start and on each machine, and another for each policy.
func TestRecord(t *testing.T) {
	const one = "mode = \"enforce\"\nmx = [\"mail.example.com\"]\n"
	const want = "v=STSv1; id=a5963b31a082635c6ec668171482b14f;"
	seen := make(map[string]string)
	for _, file := range []string{one, one + "max_age = 604801", strings.Replace(one, "enforce", "testing", 1), strings.Replace(one, "mail", "mx", 1)} {
		got, err := mtasts.Record(provider(t, file).MTASTS)
		if err != nil || seen[got] != "" {
			t.Errorf("%v: %s is the record of\n%s\nand\n%s", err, got, file, seen[got])
		}
		seen[got] = file
	}
	if seen[want] != one {
		t.Errorf("the records are %v, want %s", seen, want)
	}
}

func TestParseRequest(t *testing.T) {
	for host, want := range map[string]string{
		"mta-sts.example.com":      "example.com",
		"MTA-STS.Example.com.:443": "example.com",
		"mta-sts.xn--bcher-kva.de": "xn--bcher-kva.de",
		"mta-sts.com":              "com",
		"mta-sts..com":             "",
		"mta-sts.192.0.2.1":        "",
		"mta-sts.a/b":              "",
	} {
		h, err := mtasts.ParseRequest(host)
		if got := h.Domain().ASCII; err != nil || got != want {
			t.Errorf("%s: %q and %v, want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"", "mta-sts", "mta-stsx.example.com", "example.com", "_mta-sts.example.com", "a.mta-sts.example.com"} {
		if h, err := mtasts.ParseRequest(host); !errors.Is(err, mtasts.ErrHost) || h.Header != "" {
			t.Errorf("%q: %v and %v", host, h, err)
		}
	}
}

// Whatever a provider's file is allowed to say keeps the grammar.
func FuzzPolicy(f *testing.F) {
	f.Add("enforce", int64(86400), "mail.example.com", "*.example.net")
	f.Add("none", int64(0), "*", "a\r\nmx: b")
	f.Add("testing", int64(31557600), "bücher.example", "x.")
	f.Fuzz(func(t *testing.T, mode string, age int64, one, two string) {
		quote := strconv.Quote
		file := fixture.Family + "[mta_sts]\nmode = " + quote(mode) + "\nmax_age = " + strconv.FormatInt(age, 10) + "\nmx = [" + quote(one) + ", " + quote(two) + "]\n"
		c, _, err := providerfile.Load(providerfile.Directory{FS: fixture.FS("a.toml", file)})
		if err != nil {
			return
		}
		check(t, c.Providers()[0].MTASTS)
	})
}
