package pages

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/mobileconfig"
	"milepost/settings"
)

// answerFor is the answer to a query with the profile that the server would offer.
func answerFor(t testing.TB, page *fixture.Page) answer.Answer {
	t.Helper()
	query, _ := page.Text("ask")
	c := fixture.Shipped(t)
	for _, f := range page.Files {
		if strings.HasSuffix(f.Name, ".toml") {
			c = fixture.Catalogue(t, f.Name, string(f.Data))
		}
	}
	return withProfile(fixture.Answer(t, c, strings.TrimSpace(query)))
}

func withProfile(a answer.Answer) answer.Answer {
	if mobileconfig.Check(a.Account, mobileconfig.Options{POP3: a.Incoming.Protocol == settings.POP3}) == nil {
		a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
	}
	return a
}

// plainText is HTML without its markup.
func plainText(t testing.TB, s template.HTML) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(s)))
	if err != nil {
		t.Fatal(err)
	}
	return textOf(root)
}

// write lists procedures as text, for people to review.
func write(t testing.TB, all []procedure) string {
	var b strings.Builder
	for i, p := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s: %s", p.ID, p.Name)
		if p.Values {
			b.WriteString(" (with the values)")
		}
		b.WriteString("\n")
		if p.Refused != "" {
			fmt.Fprintf(&b, "  no: %s\n", plainText(t, p.Refused))
		}
		for i, s := range slices.Concat(p.First, p.Steps) {
			fmt.Fprintf(&b, "  %d. %s\n", i+1, plainText(t, s.Text))
			if s.Button != nil {
				fmt.Fprintf(&b, "     [%s] %s\n", s.Button.Label, s.Button.URL)
			}
			if s.Code != nil {
				fmt.Fprintf(&b, "     (%s)\n", s.Code.Alt)
			}
			if s.More != "" {
				fmt.Fprintf(&b, "     %s\n", plainText(t, s.More))
			}
		}
	}
	return b.String()
}

// A page of testdata/procedures is a provider with the procedures of all clients, read
// on a computer.
func TestProcedures(t *testing.T) {
	fixture.Pages(t, "testdata/procedures/*.txtar", func(t *testing.T, page *fixture.Page) {
		v := site(t).view(Reader{Lang: "en"}, "/setup", "")
		page.Expect(t, "procedures", write(t, v.procedures(answerFor(t, page))))
	})
}

// conditions are how a language has the reader find out what holds.
var conditions = map[string]*regexp.Regexp{
	"en": regexp.MustCompile(`(?i)\b(if|whether|unless|in case|otherwise)\b`),
	"de": regexp.MustCompile(`(?i)\b(wenn|falls|sofern|andernfalls|sonst)\b`),
	"fr": regexp.MustCompile(`(?i)\b(si|s['’]ils?|sinon|au cas)\b`),
	"es": regexp.MustCompile(`(?i)\b(si|en caso|de lo contrario)\b`),
	"it": regexp.MustCompile(`(?i)\b(se|altrimenti|qualora|in caso)\b`),
	"nl": regexp.MustCompile(`(?i)\b(als|indien|mits|zo niet|anders)\b`),
	"pt": regexp.MustCompile(`(?i)\b(caso|se (for|não|o|a|os|as|tiver)|senão)\b`), // "se" alone is also "itself"
}

// No step of any client at any shipped provider, in any language, asks the reader to find
// out what the catalogue knows, and none has a placeholder left.
func TestStepsHaveNoConditions(t *testing.T) {
	for name, sentence := range map[string]string{"en": "If your provider is in the list", "de": "Wenn er in der Liste steht", "fr": "S’il ne trouve rien", "es": "Si no", "it": "Se non trova", "nl": "Zo niet", "pt": "Se não encontrar"} {
		if !conditions[name].MatchString(sentence) {
			t.Errorf("%s: %q is not found", name, sentence)
		}
	}
	s, steps := site(t), 0
	for _, p := range fixture.Shipped(t).Providers() {
		if p.NoMailPrograms || p.Closed {
			continue
		}
		for _, protocol := range settings.IncomingProtocols {
			a, err := answer.New(p.ForMX(fixture.Address(t, "fred@example.com"), fixture.MXHost(t, p)), answer.Request{Protocol: protocol})
			if err != nil {
				t.Fatal(p.ID, err)
			}
			a = withProfile(a)
			for _, l := range languages {
				v := s.view(Reader{Lang: l.code, Device: Android}, "/setup", "") // without codes, which take time
				for _, c := range v.procedures(a) {
					if c.Refused == "" && len(c.Steps) == 0 {
						t.Errorf("%s, %s, %s: no steps", p.ID, l.code, c.ID)
					}
					for _, step := range slices.Concat(c.First, c.Steps) {
						steps++
						if found := conditions[l.code].FindString(string(step.Text)); found != "" || strings.ContainsAny(string(step.Text), "{}") {
							t.Errorf("%s, %s, %s: %q in %q", p.ID, l.code, c.ID, found, step.Text)
						}
						if step.Button != nil && step.Button.Outside && !strings.HasPrefix(step.Button.URL, "https://") {
							t.Errorf("%s, %s: %s", p.ID, c.ID, step.Button.URL)
						}
					}
				}
			}
		}
	}
	if steps < 50_000 {
		t.Errorf("only %d steps", steps)
	}
}

// What takes no password is not said to take one.
func TestStepsWithoutPassword(t *testing.T) {
	words := map[string]string{"en": "password", "fr": "mot de passe", "de": "passwort", "es": "contraseña", "it": "password", "nl": "wachtwoord", "pt": "palavra-passe"}
	c := fixture.Shipped(t)
	for address, speaks := range map[string]bool{"fred@outlook.com": false, "fred@gmx.com": true} {
		a := withProfile(fixture.Answer(t, c, "emailaddress="+address))
		for _, l := range languages {
			spoken := false
			for _, p := range site(t).view(Reader{Lang: l.code}, "/setup", "").procedures(a) {
				for _, step := range slices.Concat(p.First, p.Steps) {
					spoken = spoken || strings.Contains(strings.ToLower(string(step.Text)), words[l.code])
				}
			}
			if spoken != speaks {
				t.Errorf("%s in %s speaks of a password: %t", address, l.code, spoken)
			}
		}
	}
}

// The page that answers has no words of its own: each is a message's or the catalogue's.
func TestAnswerHasNoWords(t *testing.T) {
	text, err := templateFiles.ReadFile("templates/answer.html")
	if err != nil {
		t.Fatal(err)
	}
	rest := regexp.MustCompile(`(?s)\{\{.*?\}\}`).ReplaceAllString(string(text), "")
	rest = regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(rest, "")
	if words := regexp.MustCompile(`\pL+`).FindAllString(rest, -1); len(words) > 0 {
		t.Errorf("%q", words)
	}
}

func TestReaderOn(t *testing.T) {
	c := fixture.Shipped(t)
	const iPhone, windows = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X)", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
	for _, tc := range []struct {
		name, address, query, agent string
		client                      string
		listed                      Device
	}{
		{"iPhone", "fred@gmx.com", "", iPhone, "apple-mobile", IPhone},
		{"iPad of old", "fred@gmx.com", "", "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X)", "apple-mobile", IPhone},
		{"Mac", "fred@gmx.com", "", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "apple-mac", Mac},
		{"Android, which says Linux too", "fred@gmx.com", "", "Mozilla/5.0 (Linux; Android 10; K)", "gmail-app", Android},
		{"Windows", "fred@gmx.com", "", windows, "outlook-new", Windows},
		{"Linux", "fred@gmx.com", "", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0)", "thunderbird", Linux},
		{"no header", "fred@gmx.com", "", "", "thunderbird", Linux},
		{"a name far behind", "fred@gmx.com", "", strings.Repeat(" ", 300) + "iPhone", "thunderbird", Linux},
		{"chosen by the link", "fred@gmx.com", "client=kmail", iPhone, "kmail", Linux},
		{"chosen among one's own", "fred@gmx.com", "client=outlook-mobile", iPhone, "outlook-mobile", IPhone},
		{"chosen, of no device", "fred@gmx.com", "client=other", windows, "other", Windows},
		{"nonsense in the link", "fred@gmx.com", "client=%22%3E", windows, "outlook-new", Windows},
		{"new Outlook cannot", "fred@proton.me", "", windows, "outlook-classic", Windows},
		{"nothing on the device can", "fred@proton.me", "", iPhone, "apple-mobile", IPhone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client, d := Reader{Lang: "en"}.On(tc.query, tc.agent).choose(fixture.Answer(t, c, "emailaddress="+tc.address))
			if client != tc.client || d.Device != tc.listed || !slices.Contains(d.clients, client) {
				t.Errorf("%s on %v", client, d)
			}
		})
	}
	for _, d := range devices {
		if slices.Contains(d.clients, "other") {
			t.Errorf("a choice of another program has changed the list of %s", d.Device)
		}
	}
}
