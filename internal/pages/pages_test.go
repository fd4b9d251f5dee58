package pages

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"milepost/address"
	"milepost/internal/answer"
	"milepost/internal/doctor"
	"milepost/internal/fixture"
	"milepost/settings"
)

func site(t testing.TB) *Site {
	t.Helper()
	s, err := New(Branding{}, "https://mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// examination is a report of each verdict and severity.
var examination = &doctor.Report{
	Domain: "example.com", Grade: "D", Because: "many people use a program that does not set the account up by itself: Outlook (classic)",
	Clients: []doctor.ClientReport{
		{Name: "Thunderbird", Verdict: doctor.Works, Found: []doctor.Server{
			{Protocol: settings.IMAP, Hostname: "imap.example.com", Port: 993, SocketType: settings.SSL},
			{Protocol: settings.SMTP, Hostname: "a-long-name-of-a-server.mail.example.com", Port: 587, SocketType: settings.STARTTLS}}},
		{Name: "Apple Mail", Verdict: doctor.Partly, Because: []doctor.ID{"no-profile"}},
		{Name: "Outlook (classic)", Verdict: doctor.Fails, Because: []doctor.ID{"web-certificate-wrong-name", "clients-differ"}},
	},
	Findings: []doctor.Finding{
		{ID: "web-certificate-wrong-name", Severity: doctor.Error, Seen: "autodiscover.example.com: www.hoster.example\nhttps://example.com/autodiscover/autodiscover.xml", Why: "Most say nothing.", Fix: "get a certificate for autodiscover.example.com"},
		{ID: "no-profile", Severity: doctor.Warning, Seen: "nothing", Why: "It spares people the typing.", Fix: "autoconfig.example.com. 3600 IN CNAME SERVICE-HOST.\nua-auto-config.example.com. 3600 IN CNAME SERVICE-HOST."},
		{ID: "clients-differ", Severity: doctor.Note, Seen: "two servers", Why: "People compare.", Fix: "give the same in all places"},
	},
}

// everyPage renders one page of each kind.
func everyPage(t testing.TB) map[string]func(Reader) ([]byte, error) {
	c, s := fixture.Shipped(t), site(t)
	s.Examines = true
	list := NewList(c.Providers(), c.Own())
	gmx, outlook := fixture.Answer(t, c, "emailaddress=fred@gmx.com"), fixture.Answer(t, c, "emailaddress=fred@outlook.com")
	gmx.Profile = "/mobileconfig?" + gmx.ProfileQuery("en")
	gmail, _ := list.Provider("gmail.com")
	proton, _ := list.Provider("proton.me")
	unknown, err := answer.ParseRequest("emailaddress=fred@gmail.con")
	if err != nil {
		t.Fatal(err)
	}
	examined := fixture.Domain(t, "example.com")
	domain := fixture.Answer(t, c, "emailaddress=gmx.com")
	programs := fixture.Answer(t, c, "emailaddress=fred@tuta.com") // which takes none
	tuta, _ := list.Provider("tuta.com")
	closed := fixture.Answer(t, c, "emailaddress=fred@myopera.com")
	return map[string]func(Reader) ([]byte, error){
		"home":             func(r Reader) ([]byte, error) { return s.Home(r, list.Len()) },
		"answer":           func(r Reader) ([]byte, error) { return s.Setup(r, gmx) },
		"OAuth2":           func(r Reader) ([]byte, error) { return s.Setup(r, outlook) },
		"domain":           func(r Reader) ([]byte, error) { return s.Setup(r, domain) },
		"closed":           func(r Reader) ([]byte, error) { return s.Setup(r, closed) },
		"programs":         func(r Reader) ([]byte, error) { return s.Setup(r, programs) },
		"own apps":         func(r Reader) ([]byte, error) { return s.provider(r, tuta) },
		"mistyped":         func(r Reader) ([]byte, error) { return s.Mistyped(r, answer.Request{Typed: "fred"}) },
		"unknown":          func(r Reader) ([]byte, error) { return s.Unknown(r, unknown, list) },
		"providers":        func(r Reader) ([]byte, error) { return s.Providers(r, list, Filter{}) },
		"filtered":         func(r Reader) ([]byte, error) { return s.Providers(r, list, Filter{Search: "mail", ByCountry: true}) },
		"provider":         func(r Reader) ([]byte, error) { return s.provider(r, gmail) },
		"help":             s.Help,
		"trouble":          func(r Reader) ([]byte, error) { return s.Trouble(r, gmx) },
		"in trouble":       func(r Reader) ([]byte, error) { return s.Trouble(r, domain) },
		"widget":           s.Widget,
		"widget, answer":   func(r Reader) ([]byte, error) { return s.WidgetAnswer(r, gmx) },
		"widget, closed":   func(r Reader) ([]byte, error) { return s.WidgetAnswer(r, closed) },
		"widget, unknown":  func(r Reader) ([]byte, error) { return s.WidgetUnknown(r, unknown, list) },
		"widget, mistyped": func(r Reader) ([]byte, error) { return s.WidgetMistyped(r, answer.Request{Typed: "fred"}) },
		"client":           func(r Reader) ([]byte, error) { return clientPageOf(t, s, r, gmail, "thunderbird") },
		"refusing client":  func(r Reader) ([]byte, error) { return clientPageOf(t, s, r, proton, "apple-mobile") },
		"ask":              s.AskTrouble,
		"doctor":           func(r Reader) ([]byte, error) { return s.AskDoctor(r, examined, DoctorAsks) },
		"doctor, invalid":  func(r Reader) ([]byte, error) { return s.AskDoctor(r, address.Domain{}, DoctorInvalid) },
		"doctor, none":     func(r Reader) ([]byte, error) { return s.AskDoctor(r, examined, DoctorNone) },
		"doctor, busy":     func(r Reader) ([]byte, error) { return s.AskDoctor(r, examined, DoctorBusy) },
		"doctor, limited":  func(r Reader) ([]byte, error) { return s.AskDoctor(r, examined, DoctorLimited) },
		"doctor, running":  func(r Reader) ([]byte, error) { return s.DoctorRuns(r, examined, 3, 40) },
		"doctor, report":   func(r Reader) ([]byte, error) { return s.Doctor(r, examined, examination, "2026-11-25 12:00 UTC") },
		"error":            func(r Reader) ([]byte, error) { return s.Problem(r, 404) },
		"profile":          func(r Reader) ([]byte, error) { r.Client = "apple-mobile"; return s.Setup(r, gmx) },
		"code":             func(r Reader) ([]byte, error) { r.Client = "thunderbird-android"; return s.Setup(r, gmx) },
		"refused":          func(r Reader) ([]byte, error) { r.Client = "kmail"; return s.Setup(r, outlook) },
	}
}

// Every page in every language is well formed: no id twice, every reference to
// an id met, a language, a title and one heading of the first rank; nothing from
// another host, no inline script or style, no placeholder left.
func TestEveryPage(t *testing.T) {
	for name, render := range everyPage(t) {
		for _, l := range languages {
			for _, chosen := range []bool{false, true} {
				page, err := render(Reader{Lang: l.code, Chosen: chosen})
				if err != nil {
					t.Fatal(name, err)
				}
				checkPage(t, name+" in "+l.code, page, Reader{Lang: l.code, Chosen: chosen})
			}
		}
	}
}

// A service that no mail program gets into is said to be one, and shows no servers.
func TestNoMailPrograms(t *testing.T) {
	render := everyPage(t)
	for _, name := range []string{"programs", "own apps"} {
		page, err := render[name](Reader{Lang: "en"})
		if err != nil {
			t.Fatal(err)
		}
		if text := string(page); !strings.Contains(text, "Other mail programs do not work with it") || strings.Contains(text, `id="incoming"`) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

func checkPage(t *testing.T, name string, page []byte, r Reader) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(name, err)
	}
	ids, refs := make(map[string]bool), make(map[string]bool)
	count := make(map[string]int)
	for n := range root.Descendants() {
		if n.Type == html.TextNode && strings.ContainsAny(n.Data, "{}") {
			t.Errorf("%s: a placeholder is left in %q", name, n.Data)
		}
		if n.Type != html.ElementNode {
			continue
		}
		count[n.Data]++
		if n.Data == "style" || n.Data == "script" && n.FirstChild != nil || n.Data == "base" {
			t.Errorf("%s: an inline %s", name, n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("%s: id %s twice", name, a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "style" || strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s: attribute %s", name, a.Key)
			case a.Key == "for" || a.Key == "aria-labelledby" || a.Key == "aria-describedby":
				for _, id := range strings.Fields(a.Val) {
					refs[id] = true
				}
			case n.Data == "link" && strings.HasPrefix(a.Val, "https://mail.example.com/"): // the site's own public URLs
			case a.Key == "src" || n.Data == "link" || n.Data == "form" && a.Key == "action":
				if strings.Contains(a.Val, "//") && !strings.HasPrefix(a.Val, "data:image/png;base64,") {
					t.Errorf("%s: %s of another host: %s", name, n.Data, a.Val)
				}
			case n.Data == "a" && a.Key == "href":
				checkLink(t, name, n, a.Val, r)
			case n.Data == "html" && a.Key == "lang" && a.Val != r.Lang:
				t.Errorf("%s: lang is %s", name, a.Val)
			}
		}
	}
	for id := range refs {
		if !ids[id] {
			t.Errorf("%s: no element has the id %s", name, id)
		}
	}
	if count["h1"] != 1 || count["title"] != 1 || count["main"] != 1 {
		t.Errorf("%s: %d h1, %d title, %d main", name, count["h1"], count["title"], count["main"])
	}
}

// checkLink holds a link of ours to the chosen language, and one to the outside
// to telling nobody where the reader comes from.
func checkLink(t *testing.T, name string, n *html.Node, href string, r Reader) {
	t.Helper()
	attr := func(key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	switch {
	case strings.HasPrefix(href, "#"):
	case strings.HasPrefix(href, "/"):
		if attr("hreflang") == "" && !strings.HasPrefix(href, "/mobileconfig") && strings.Contains(href, "lang=") != r.Chosen {
			t.Errorf("%s: the language in %s", name, href)
		}
	case strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "http://"):
		if !strings.Contains(attr("rel"), "noreferrer") {
			t.Errorf("%s: %s is told of the reader", name, href)
		}
		if strings.Contains(href, "fred") && !strings.Contains(href, "mailto") {
			t.Errorf("%s: %s is told the address", name, href)
		}
	case strings.HasPrefix(href, "mailto:?subject="):
		if strings.Contains(href, "fred") {
			t.Errorf("%s: the address is passed on: %s", name, href)
		}
	default:
		t.Errorf("%s: a link to %q", name, href)
	}
}

// No address becomes markup, in any place where it stands.
func TestEscaping(t *testing.T) {
	c, s := fixture.Shipped(t), site(t)
	for _, local := range []string{`<script>alert(1)</script>`, `"onclick="x`, `'></code>`, `{{.}}`, "javascript:alert(1)", "&lt;b&gt;", "`${1}`"} {
		for _, domain := range []string{"gmx.com", "unknown.example"} {
			q := answer.Request{Typed: local + "@" + domain}
			q.Address.Local = local
			q.Address.Domain.ASCII, q.Address.Domain.Unicode = domain, domain
			var page []byte
			var err error
			if p, ok := c.Lookup(q.Address.Domain); ok {
				a, failed := answer.New(p.For(q.Address), q)
				if failed != nil {
					t.Fatal(failed)
				}
				a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
				page, err = s.Setup(Reader{Lang: "en"}, a)
			} else {
				page, err = s.Unknown(Reader{Lang: "en"}, q, NewList(c.Providers(), c.Own()))
			}
			if err != nil {
				t.Fatal(err)
			}
			root, err := html.Parse(strings.NewReader(string(page)))
			if err != nil {
				t.Fatal(err)
			}
			values := 0
			for n := range root.Descendants() {
				if n.Data == "script" && n.FirstChild != nil {
					t.Errorf("%s: a script", local)
				}
				for _, a := range n.Attr {
					if strings.HasPrefix(a.Key, "on") || a.Key == "href" && strings.HasPrefix(a.Val, "javascript:") {
						t.Errorf("%s: %s=%s", local, a.Key, a.Val)
					}
					if (a.Key == "value" || a.Key == "data-copy") && strings.Contains(a.Val, local) {
						values++
					}
				}
			}
			if values == 0 {
				t.Errorf("%s: the address stands nowhere as it is", local)
			}
		}
	}
}

// Without an address, people read words and not placeholders, and copy no word.
func TestPlaceholders(t *testing.T) {
	s := site(t)
	p := settings.Provider{
		ID: "example.com", DisplayName: "Example", ShortName: "Example",
		Incoming: []settings.Server{{Protocol: settings.IMAP, Hostname: "imap.%EMAILDOMAIN%", Port: 993, SocketType: settings.SSL,
			Authentication: []settings.Authentication{settings.GSSAPI}, Username: "%EMAILLOCALPART%/box"}},
		Outgoing: []settings.Server{{Protocol: settings.SMTP, Hostname: "smtp.%EMAILDOMAIN%", Port: 465, SocketType: settings.SSL,
			Authentication: []settings.Authentication{settings.ClientIPAddress}, Username: "shared"}},
		Setup: []settings.Server{{Protocol: settings.ManageSieve, Hostname: "sieve.example.com", Port: 4190, SocketType: settings.STARTTLS,
			Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: "box-%EMAILDOMAIN%"}},
		Services: []settings.Service{{Protocol: settings.CalDAV, URL: "https://dav.example.com/%EMAILADDRESS%/",
			Authentication: []settings.Authentication{settings.Basic}, Username: settings.EmailLocalPart}},
	}
	q, err := answer.ParseRequest("emailaddress=example.com")
	if err != nil {
		t.Fatal(err)
	}
	a, err := answer.New(p.For(q.Address), q)
	if err != nil {
		t.Fatal(err)
	}
	list := NewList([]*settings.Provider{&p}, nil)
	for name, render := range map[string]func() ([]byte, error){
		"provider": func() ([]byte, error) { return s.Provider(Reader{Lang: "fr"}, list.entries[0]) },
		"list":     func() ([]byte, error) { return s.Providers(Reader{Lang: "fr"}, list, Filter{}) },
		"domain":   func() ([]byte, error) { return s.Setup(Reader{Lang: "fr"}, a) },
	} {
		page, err := render()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(page), "%EMAIL") || strings.Contains(string(page), `data-copy="votre`) {
			t.Errorf("%s: %s", name, page)
		}
		for _, want := range map[string][]string{
			"provider": {"imap.votre-domaine", "votre-nom/box", "shared", "box-votre-domaine", "https://dav.example.com/votre-adresse/", "la partie de votre adresse avant le @"},
			"list":     {"imap.votre-domaine"},
			"domain":   {"imap.example.com", "votre-nom/box", `data-copy="box-example.com"`, "Kerberos (GSSAPI)", "Sans identification, depuis le réseau de votre fournisseur seulement"},
		}[name] {
			if !strings.Contains(string(page), want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	}
}

// A first visit fetches little, even where nothing compresses it.
func TestFirstPage(t *testing.T) {
	s := site(t)
	assets := 0
	for name, path := range s.assets.paths {
		if strings.HasPrefix(name, "icon-") || name == "touch-icon" || name == "manifest.webmanifest" {
			continue // for who puts the page on a home screen
		}
		file, ok := s.Asset(path)
		if !ok {
			t.Fatal(name)
		}
		assets += len(file.Body)
	}
	for name, render := range everyPage(t) {
		if name == "providers" || name == "filtered" { // a list of hundreds
			continue
		}
		page, err := render(Reader{Lang: "de"})
		if err != nil {
			t.Fatal(name, err)
		}
		if size := assets + len(page); size > 40_000 {
			t.Errorf("%s and all that belongs to it have %d octets", name, size)
		}
	}
}

// The style sheet has no left and no right, so that it serves languages that are
// written from right to left.
func TestStyleHasNoSides(t *testing.T) {
	style, err := assetFiles.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	sides := regexp.MustCompile(`(?m)-(left|right)\b|\b(left|right)\s*:|:\s*(left|right)\b|\bfloat\b`)
	for _, found := range sides.FindAllString(string(style), -1) {
		t.Errorf("style.css has %s", found)
	}
	if !sides.MatchString("text-align: left") || !sides.MatchString("margin-right: 0") {
		t.Error("the test finds nothing")
	}
}

// BenchmarkPages renders each page from its model.
func BenchmarkPages(b *testing.B) {
	for name, render := range everyPage(b) {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				page, err := render(Reader{Lang: "de"})
				if err != nil {
					b.Fatal(err)
				}
				size = len(page)
			}
			b.ReportMetric(float64(size), "octets")
		})
	}
}

// The help pages that a reader understands come first.
func TestHelpPages(t *testing.T) {
	page := func(lang string) settings.Documentation {
		return settings.Documentation{URL: settings.URL("https://example.com/" + lang), Descriptions: []settings.Text{{Lang: lang, Value: lang}}}
	}
	all := []settings.Documentation{page("fr"), page("en"), page("de"), page("pt-BR")}
	for lang, want := range map[string]string{"de": "de en fr pt-BR", "en": "en fr de pt-BR", "pt": "pt-BR en fr de", "nl": "en fr de pt-BR"} {
		v := &view{Reader: Reader{Lang: lang}}
		var got []string
		for _, d := range v.HelpPages(all) {
			got = append(got, d.Descriptions[0].Lang)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", lang, got, want)
		}
	}
}
