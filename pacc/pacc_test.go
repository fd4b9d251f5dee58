package pacc_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/pacc"
	"milepost/settings"
)

func TestParseRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		host   string
		https  bool
		domain string
		err    error
	}{
		"domain":         {"ua-auto-config.example.com", true, "example.com", nil},
		"upper case":     {"UA-Auto-Config.Example.COM.:443", true, "example.com", nil},
		"IDN":            {"ua-auto-config.xn--bcher-kva.de", true, "xn--bcher-kva.de", nil},
		"plain HTTP":     {"ua-auto-config.example.com", false, "", pacc.ErrPlain},
		"no domain":      {"ua-auto-config.a/b", true, "", nil},
		"another label":  {"autoconfig.example.com", true, "", pacc.ErrHost},
		"record's label": {"_ua-auto-config.example.com", true, "", pacc.ErrHost},
		"label alone":    {"ua-auto-config", true, "", pacc.ErrHost},
		"longer label":   {"ua-auto-configx.example.com", true, "", pacc.ErrHost},
		"inner label":    {"a.ua-auto-config.example.com", true, "", pacc.ErrHost},
		"no host":        {"", true, "", pacc.ErrHost},
	} {
		t.Run(name, func(t *testing.T) {
			host, err := pacc.ParseRequest(tc.host, tc.https)
			if got := host.Domain().ASCII; err != tc.err || got != tc.domain {
				t.Errorf("%q %v", got, err)
			}
		})
	}
}

// Each page of testdata has providers' files, and what comes of them: a document for the
// first domain of each, or why there is none.
func TestRender(t *testing.T) {
	schema := schema(t)
	fixture.Pages(t, "testdata/*.txtar", func(t *testing.T, p *fixture.Page) {
		c := fixture.Catalogue(t, p.List()...)
		var b strings.Builder
		for _, p := range c.Providers() {
			doc, err := pacc.Render(p.For(address.Address{Domain: p.Domains[0].Domain}))
			if err != nil {
				fmt.Fprintf(&b, "%s: %s\n", p.ID, err)
				continue
			}
			checkDocument(t, schema, doc)
			fmt.Fprintf(&b, "%s: %s", p.ID, doc)
		}
		p.Expect(t, "documents", b.String())
	})
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile("testdata/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkDocument holds that a document is valid, has what the readers of others demand, and
// is the same after it was read.
func checkDocument(t *testing.T, schema *jsonschema.Schema, doc []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(doc)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%v in\n%s", err, doc)
	}
	// Himalaya reads no document without these, and knows submission as smtp.
	var himalaya struct {
		Protocols      map[string]map[string]string
		Authentication *struct{ Password *bool }
		Info           *struct{ Provider *struct{ Name *string } }
	}
	if err := json.Unmarshal(doc, &himalaya); err != nil || himalaya.Authentication == nil || himalaya.Info.Provider.Name == nil {
		t.Errorf("%v in\n%s", err, doc)
	}
	if has := himalaya.Protocols; has["smtp"]["host"] != has["submit"]["host"] || has["imap"] != nil && has["smtp"] == nil {
		t.Errorf("submission differs: %s", doc)
	}
	again(t, doc)
}

// again holds that a document of ours is the same after it was read.
func again(t *testing.T, doc []byte) {
	t.Helper()
	p, err := pacc.Parse(doc)
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	got, err := pacc.Render(p.For(address.Address{Domain: address.Domain{ASCII: "example.com"}}))
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	if diff := cmp.Diff(string(doc), string(got)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

// Every document of the shipped catalogue is valid, and why a provider has none names what
// it is about.
func TestShipped(t *testing.T) {
	schema := schema(t)
	made, without := 0, make(map[string]bool)
	for _, p := range fixture.Shipped(t).Providers() {
		d := address.Domain{ASCII: "example.com", Unicode: "example.com"}
		if len(p.Domains) > 0 && !p.Domains[0].Wildcard {
			d = p.Domains[0].Domain
		}
		doc, err := pacc.Render(p.For(address.Address{Domain: d}))
		if err != nil {
			why, ok := strings.CutPrefix(err.Error(), "no PACC document can be made for "+p.DisplayName+": ")
			if !ok || strings.Contains(why, "\n") {
				t.Error(err)
			}
			without[p.ID] = true
			continue
		}
		made++
		checkDocument(t, schema, doc)
	}
	t.Logf("%d providers have a document, %d have none", made, len(without))
	if made < 60 || !without["icloud.com"] || !without["outlook.com"] { // whose submission has STARTTLS
		t.Errorf("%d documents; none for %v", made, slices.Sorted(maps.Keys(without)))
	}
}

// The digest is that of the bytes (computed by openssl dgst -sha256 -binary | base64).
func TestRecord(t *testing.T) {
	const want = "v=UAAC1; a=sha256; d=yj0WO6sFU4GCciYUBWjzvvfqrBh869doeOC2Pp5EI1Y="
	if got := pacc.Record([]byte("{}\n")); got != want {
		t.Error(got)
	}
}

func TestNothingPersonal(t *testing.T) {
	a := fixture.Account(t, fixture.Catalogue(t, "example.com.toml", fixture.Family), "fred@example.com")
	if doc, err := pacc.Render(a); err == nil {
		t.Errorf("%s", doc)
	}
	a.Address.Local, a.Login = "", "fred"
	if doc, err := pacc.Render(a); err == nil {
		t.Errorf("%s", doc)
	}
}

// testdata/parse has documents, each with what is wrong with it, or what of it a document
// of ours says again.
func TestParse(t *testing.T) {
	fixture.Pages(t, "testdata/parse/*.txtar", func(t *testing.T, p *fixture.Page) {
		for _, f := range slices.Clone(p.Files) {
			name, ok := strings.CutSuffix(f.Name, ".json")
			if !ok {
				continue
			}
			read, err := pacc.Parse(f.Data)
			got := fmt.Sprintln(err)
			if err == nil {
				doc, err := pacc.Render(read.For(address.Address{Domain: fixture.Domain(t, "example.com")}))
				if got = string(doc); err != nil {
					got = "read, but " + err.Error() + "\n"
				}
			}
			p.Expect(t, name+".says", got)
		}
	})
	for name, tc := range map[string]struct{ doc, want string }{
		"too long": {strings.Repeat(" ", 64<<10) + "{}", "document has 65538 octets; at most 65536 are read"},
		"Latin-1":  {"{\"info\": \"\xe9\"}", "document is not UTF-8 (RFC 8259 §8.1)"},
	} {
		if _, err := pacc.Parse([]byte(tc.doc)); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, page := range []string{"testdata/parse/documents.txtar", "testdata/parse/bad.txtar"} {
		for _, file := range fixture.ReadPage(f, page).Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := pacc.Parse(data)
		if err != nil {
			if p.DisplayName != "" || !utf8.ValidString(err.Error()) {
				t.Errorf("%+v %v", p, err)
			}
			return
		}
		doc, err := pacc.Render(p.For(address.Address{Domain: address.Domain{ASCII: "example.com"}}))
		if err != nil {
			return // it cannot set up mail
		}
		again(t, doc)
	})
}

func FuzzRender(f *testing.F) {
	f.Add("Example family", "Example", "imap.example.com", "smtp.example.com", "https://example.com/dav/%EMAILDOMAIN%", "https://id.example.com/t/", uint16(993), uint8(0))
	f.Add("a\u2028<&>\"", "\\", "127.0.0.1", "x.%EMAILDOMAIN%", "https://example.com:8443/", "https://id.example.com/%61", uint16(143), uint8(7))
	f.Fuzz(func(t *testing.T, name, short, in, out, url, issuer string, port uint16, bits uint8) {
		host, err := settings.ParseHostname(in)
		if err != nil {
			return
		}
		sends, err := settings.ParseHostname(out)
		if err != nil {
			return
		}
		dav, err := settings.ParseURL(url, "https")
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(name); n == 0 || n > 60 || utf8.RuneCountInString(short) > 20 || !utf8.ValidString(name) || !utf8.ValidString(short) || strings.ContainsFunc(name+short, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
			return // no file has such names
		}
		auth := [][]settings.Authentication{{settings.PasswordCleartext}, {settings.OAuth2}, {settings.OAuth2, settings.PasswordCleartext}, {settings.None}}
		services := [][]settings.Authentication{{settings.Basic}, {settings.OAuth2}, {settings.OAuth2, settings.Basic}, {settings.Digest}}
		p := settings.Provider{
			DisplayName: name, ShortName: short, OAuth2: &settings.OAuth2Settings{Issuer: issuer},
			Incoming: []settings.Server{
				{Protocol: settings.IMAP, Hostname: host, Port: port, SocketType: settings.SSL, Authentication: auth[bits&3], Username: settings.EmailAddress},
				{Protocol: settings.POP3, Hostname: host, Port: 995, SocketType: settings.SSL, Authentication: auth[bits>>2&3], Username: settings.EmailAddress},
			},
			Outgoing:      []settings.Server{{Protocol: settings.SMTP, Hostname: sends, Port: 465, SocketType: settings.SSL, Authentication: auth[bits>>4&3], Username: settings.EmailAddress}},
			Services:      []settings.Service{{Protocol: settings.CalDAV, URL: dav, Authentication: services[bits>>6&3], Username: settings.EmailAddress}, {Protocol: settings.JMAP, URL: dav, Authentication: services[bits>>6&3], Username: settings.EmailAddress}},
			Documentation: []settings.Documentation{{URL: dav}},
		}
		doc, err := pacc.Render(p.For(address.Address{Domain: address.Domain{ASCII: "example.com"}}))
		if err == nil {
			again(t, doc)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	p, _ := fixture.Shipped(b).Lookup(fixture.Domain(b, "gmx.com"))
	a := p.For(address.Address{Domain: fixture.Domain(b, "gmx.com")})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pacc.Render(a); err != nil {
			b.Fatal(err)
		}
	}
}
