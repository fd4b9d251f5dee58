package autodiscover_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"milepost/address"
	"milepost/autodiscover"
	"milepost/internal/fixture"
	"milepost/settings"
)

const schema = "../../shared/schemas/pox-outlook.rng"

func exampleDomain(t testing.TB, p *settings.Provider) address.Domain {
	t.Helper()
	for _, d := range p.Domains {
		if !d.Wildcard {
			return d.Domain
		}
	}
	if mx := fixture.MXHost(t, p); !mx.IsZero() {
		return mx
	}
	return fixture.Domain(t, "fred."+p.Domains[0].Domain.ASCII)
}

// davProtocols are what eM Client reads and the grammar does not know.
var davProtocols = regexp.MustCompile(`(?s) *<Protocol>\s*<Type>(CalDAV|CardDAV)</Type>.*?</Protocol>\n`)

// documented are the shipped providers but those that have servers which Thunderbird
// misreads, or none, and no others.
func documented(t *testing.T) []*settings.Provider {
	t.Helper()
	return slices.DeleteFunc(fixture.ShippedServers(t), func(p *settings.Provider) bool {
		return slices.Contains([]string{"brighthouse.com", "charter.net", "proton.me"}, p.ID)
	})
}

// Every document is valid under the grammar of what Outlook and Thunderbird
// both read rightly.
func TestDocumentsAreValid(t *testing.T) {
	dir := t.TempDir()
	var files []string
	add := func(name string, doc []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%d-%s.xml", len(files), name))
		files = append(files, fixture.Write(t, file, davProtocols.ReplaceAllString(string(doc), "")))
	}
	for _, p := range documented(t) {
		for _, local := range []string{"", "fred", "0123", `<Server>&"]]>`, "\ufffe\u202e"} {
			doc, err := autodiscover.Render(p.For(address.Address{Local: local, Domain: exampleDomain(t, p)}))
			add(p.ID, doc, err)
		}
	}
	fred := fixture.Address(t, "fred@example.com")
	server := settings.Server{Protocol: settings.IMAP, Hostname: "mail.example.com", Port: 143, SocketType: settings.Plain,
		Authentication: []settings.Authentication{settings.NTLM}, Username: settings.EmailAddress}
	p := settings.Provider{Incoming: []settings.Server{server}, AutodiscoverRedirectURL: "https://exchange.example.net/autodiscover/autodiscover.xml"}
	doc, err := autodiscover.Render(p.For(fred))
	add("redirectUrl", doc, err)
	p = settings.Provider{Incoming: []settings.Server{server}, AutodiscoverRedirectAddress: "%EMAILLOCALPART%@example.net"}
	doc, err = autodiscover.Render(p.For(fred))
	add("redirectAddr", doc, err)
	outgoing := server
	outgoing.Protocol, outgoing.Port = settings.SMTP, 25
	p = settings.Provider{Incoming: []settings.Server{server}, Outgoing: []settings.Server{outgoing}}
	doc, err = autodiscover.Render(p.For(fred))
	add("clear-text", doc, err)
	if !strings.Contains(string(doc), "<SPA>on</SPA>") || !strings.Contains(string(doc), "<SSL>off</SSL>") || !strings.Contains(string(doc), "<Encryption>None</Encryption>") {
		t.Errorf("clear text with NTLM:\n%s", doc)
	}
	add("error", autodiscover.RenderError(&autodiscover.Error{Code: autodiscover.InvalidRequest, Message: "<&>"}, "13:05:09.1234567", 1), nil)

	fixture.Validate(t, schema, files)
}

// One Account holds every Protocol, and no clear text stands beside TLS.
func TestShippedProviders(t *testing.T) {
	for _, p := range documented(t) {
		doc, err := autodiscover.Render(p.For(address.Address{Local: "fred", Domain: exampleDomain(t, p)}))
		if err != nil {
			t.Fatal(err)
		}
		text := string(doc)
		types := regexp.MustCompile(`<Type>(\w+)</Type>`).FindAllStringSubmatch(text, -1)
		seen := make(map[string]bool)
		for _, m := range types {
			if seen[m[1]] {
				t.Errorf("%s: %s twice", p.ID, m[1])
			}
			seen[m[1]] = true
		}
		if strings.Count(text, "<Account>") != 1 || !seen["SMTP"] || !seen["IMAP"] && !seen["POP3"] {
			t.Errorf("%s: %v", p.ID, seen)
		}
		if n := strings.Count(text, "<LoginName>"); n != len(types) {
			t.Errorf("%s: %d LoginName for %d Protocol", p.ID, n, len(types))
		}
		if strings.Contains(text, "<SPA>on") || strings.Contains(text, "%EMAIL") {
			t.Errorf("%s:\n%s", p.ID, text)
		}
	}
}

const open = `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>`

// hostile are bodies made to cost time or memory.
var hostile = map[string]string{
	"65 KiB":                 strings.Repeat(" ", 65<<10),
	"10,000 nested elements": open + strings.Repeat("<a>", 10_000),
	"4,000 nested roots":     strings.Repeat("<Autodiscover>", 4_000),
	"60,000 ampersands":      open + strings.Repeat("&", 60_000),
	"10,000 attributes":      open + "<a" + strings.Repeat(" b=''", 10_000) + ">",
	"an entity bomb":         `<!DOCTYPE a [<!ENTITY a "` + strings.Repeat("a", 1000) + `"><!ENTITY b "` + strings.Repeat("&a;", 1000) + `">]>` + open + "<EMailAddress>&b;</EMailAddress>",
	"UTF-16":                 "\xff\xfe<\x00A\x00/\x00>\x00",
	"NUL":                    open + "\x00",
}

// What is expensive to read is refused, and takes no more memory than some
// multiple of its own size.
func TestHostileRequests(t *testing.T) {
	for name, body := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := autodiscover.ParseRequest([]byte(body))
			runtime.ReadMemStats(&after)
			e, ok := errors.AsType[*autodiscover.Error](err)
			if !ok || e.Code != autodiscover.InvalidRequest {
				t.Errorf("error: %v", err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
				t.Errorf("%d octets allocated", n)
			}
		})
	}
}

func BenchmarkHostileRequests(b *testing.B) {
	for name, body := range hostile {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := autodiscover.ParseRequest([]byte(body)); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func TestParseJSONRequestKeepsPlus(t *testing.T) {
	r, err := autodiscover.ParseJSONRequest(autodiscover.JSONPath, "Email=fred+x@example.com&Protocol=ActiveSync")
	if err != nil || r.Address.Local != "fred+x" {
		t.Errorf("%+v, %v", r, err)
	}
}

// answer is what a client reads in a document.
type answer struct {
	XMLName xml.Name `xml:"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006 Autodiscover"`
	User    struct {
		DisplayName             string
		AutoDiscoverSMTPAddress string
	} `xml:"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a Response>User"`
}

// What is accepted renders to a document that says the same address, and no
// address adds an element.
func FuzzParseRequest(f *testing.F) {
	const request = `<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>{}</EMailAddress></Request></Autodiscover>`
	for _, a := range []string{"fred@example.com", "o&m@example.com", "o&amp;m@example.com", "&lt;/User&gt;@example.com", "&quot;a b&quot;@bücher.example", "<![CDATA[a&b]]>@x.org", "a&#x202e;@x.org"} {
		f.Add([]byte(strings.Replace(request, "{}", a, 1)))
	}
	pages, _ := filepath.Glob("../testdata/cases/autodiscover*.txtar")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\n\n<")[1:] {
			body, _, _ := strings.Cut(part, "\n-- ")
			f.Add([]byte("<" + body))
		}
	}
	p := &settings.Provider{
		Incoming: []settings.Server{{Protocol: settings.IMAP, Hostname: "mail.example.com", Port: 993, SocketType: settings.SSL,
			Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.EmailLocalPart}},
		Outgoing: []settings.Server{{Protocol: settings.SMTP, Hostname: "mail.example.com", Port: 465, SocketType: settings.SSL,
			Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.EmailLocalPart}},
	}
	const elements = "Autodiscover Response User DisplayName AutoDiscoverSMTPAddress Account AccountType Action Protocol Type TTL Server Port LoginName DomainRequired SPA SSL Encryption AuthRequired Protocol Type TTL Server Port LoginName DomainRequired SPA SSL Encryption AuthRequired UsePOPAuth SMTPLast"
	f.Fuzz(func(t *testing.T, body []byte) {
		request, err := autodiscover.ParseRequest(body)
		if err != nil {
			if _, ok := errors.AsType[*autodiscover.Error](err); !ok {
				t.Fatalf("%v is no error of ours", err)
			}
			return
		}
		doc, err := autodiscover.Render(p.For(request.Address))
		if err != nil {
			t.Fatal(err)
		}
		var a answer
		if err := xml.Unmarshal(doc, &a); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		// What XML cannot hold is replaced; all else comes back as it was.
		want := strings.NewReplacer("\ufffe", "\ufffd", "\uffff", "\ufffd").Replace(request.Address.String())
		if a.User.AutoDiscoverSMTPAddress != want || a.User.DisplayName != want || !utf8.ValidString(want) {
			t.Fatalf("%q comes back as %q", want, a.User.AutoDiscoverSMTPAddress)
		}
		var names []string
		for d := xml.NewDecoder(strings.NewReader(string(doc))); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if start, ok := token.(xml.StartElement); ok {
				names = append(names, start.Name.Local)
			}
		}
		if got := strings.Join(names, " "); got != elements {
			t.Fatalf("%q gives the elements %s", request.Address, got)
		}
	})
}

func BenchmarkRender(b *testing.B) {
	a := fixture.Account(b, fixture.Shipped(b), "fred@orange.fr")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := autodiscover.Render(a); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRequest(b *testing.B) {
	const body = `<?xml version="1.0" encoding="utf-8"?>` + open + `<EMailAddress>fred@orange.fr</EMailAddress>` +
		`<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := autodiscover.ParseRequest([]byte(body)); err != nil {
			b.Fatal(err)
		}
	}
}
