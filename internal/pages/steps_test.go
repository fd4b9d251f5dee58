package pages

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"milepost/internal/answer"
	"milepost/internal/fixture"
)

// part is the text of the element with an id, or of the whole page, one blank
// between words.
func part(t testing.TB, page []byte, id string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "id" && a.Val == id {
				return textOf(n)
			}
		}
	}
	t.Fatal("no element has the id", id)
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// What the steps say follows from what the provider allows. Each row looks at
// one part of the page: "has" in this order, "lacks" nowhere.
func TestSteps(t *testing.T) {
	const (
		imap, smtp  = `hostname = "imap.example.com"`, `hostname = "smtp.example.com"`
		onlyOAuth2  = "\nauthentication = [\"OAuth2\"]"
		both        = "\nauthentication = [\"OAuth2\", \"password-cleartext\"]"
		fromNetwork = "\nauthentication = [\"client-IP-address\"]"
		nobodyAsked = "\nauthentication = [\"none\"]"
		notice      = "[notice]\nen = \"Make an app password.\""
		bridge      = "hostname = \"127.0.0.1\"\nport = 1143\nsocket_type = \"STARTTLS\""
		needsToo    = "needs your username and password too"
		noted       = "the password, or the app password if the note above asks for one"
		noSignIn    = "The outgoing server asks for no username and no password, and it works only from your provider's network"
	)
	for _, tc := range []struct {
		name, incoming, outgoing, more, part string
		has, lacks                           []string
	}{
		{"own computer: Apple", bridge, strings.Replace(bridge, "1143", "1025", 1), "", "apple",
			[]string{"cannot be reached from a phone", "On a Mac", "Mail › Add Account › Other Mail Account", "copy the values"}, []string{"Settings › Apps", "profile"}},
		{"own computer: Android", bridge, strings.Replace(bridge, "1143", "1025", 1), "", "android", []string{"cannot be reached from a phone"}, []string{"Gmail app", "copy"}},
		{"own computer, sending without sign-in", bridge, strings.Replace(bridge, "1143", "1025", 1) + nobodyAsked, "", "answer", nil, []string{"provider's network", needsToo}},

		{"OAuth2 alone: Outlook", imap + onlyOAuth2, smtp + onlyOAuth2, "", "outlook",
			[]string{"New Outlook", "Sign in on the page of Example that opens", "Classic Outlook", "press Connect. Sign in on the page of Example"}, []string{"manually", "Show more"}},
		{"OAuth2 alone: Apple", imap + onlyOAuth2, smtp + onlyOAuth2, "", "apple", []string{"If your provider is in the list, choose it and sign in."}, []string{"Other", "copy the values", "No profile"}},
		{"OAuth2 alone: Android", imap + onlyOAuth2, smtp + onlyOAuth2, "", "android",
			[]string{"Scan QR code", "Sign in on the page of Example", "If your provider is in the list, choose it"}, []string{"Manual setup", "Next"}},
		{"both: Thunderbird", imap + both, smtp + both, "", "thunderbird", []string{"If a sign-in page of Example opens, sign in there. If none does, type the password of your mailbox."}, nil},
		{"both: Outlook tries the page first", imap + both, smtp + both, "", "outlook",
			[]string{"Classic Outlook", "If a sign-in page of Example opens", "If no page opens, go back.", "manually", "Type the password of your mailbox. Then press Connect."}, nil},
		{"both: the list before the profile", imap + both, smtp + both, "", "apple", []string{"If your provider is in the list", "If not, choose Other", "With a profile", "Download the profile"}, []string{"Without the profile"}},
		{"iCloud: the list before the profile", `hostname = "imap.mail.me.com"`, smtp, "", "apple", []string{"If your provider is in the list", "With a profile", "Download the profile"}, nil},
		{"password: the profile first", imap, smtp, "", "apple", []string{"Download the profile", "Without the profile", "If your provider is in the list"}, []string{"With a profile"}},
		{"both: the code of a provider that Thunderbird does not know", imap + both, smtp + both, "", "android", []string{"point the camera at this code. Then type the password of your mailbox."}, nil},

		{"no notice", imap, smtp, "", "answer", []string{"Then type the password of your mailbox."}, []string{"note above"}},
		{"notice: Thunderbird", imap, smtp, notice, "thunderbird", []string{"Then type " + noted}, []string{"your mailbox"}},
		{"notice: Outlook", imap, smtp, notice, "outlook", []string{"Then type " + noted, "Type " + noted + ". Then press Connect"}, []string{"your mailbox"}},
		{"notice: Apple", imap, smtp, notice, "apple", []string{"When you are asked for it, type " + noted, "Then type " + noted}, []string{"your mailbox"}},
		{"notice: Android", imap, smtp, notice, "android", []string{"camera at this code. Then type " + noted, "above and " + noted}, []string{"your mailbox"}},
		{"notice and both", imap + both, smtp + both, notice, "other", []string{"If none does, type " + noted}, []string{"your mailbox"}},

		{"sending with a password", imap, smtp, "", "answer", []string{needsToo}, []string{"provider's network"}},
		{"sending by the network", imap, smtp + fromNetwork, "", "answer", []string{noSignIn}, []string{needsToo}},
		{"sending without sign-in", imap, smtp + nobodyAsked, "", "answer", []string{noSignIn}, []string{needsToo}},
		{"sending by either", imap, smtp + both, "", "other", []string{"Sign in to the outgoing server in the same way"}, []string{needsToo}},
		{"receiving without sign-in", imap + nobodyAsked, smtp, "", "other", []string{needsToo}, []string{"Then type"}},
		{"neither password nor OAuth2", imap + "\nauthentication = [\"GSSAPI\"]", smtp + "\nauthentication = [\"GSSAPI\"]", "", "answer", []string{"Thunderbird"}, []string{"Then type", "Gmail app"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := fixture.AnswerFrom(t, tc.incoming, tc.outgoing, tc.more)
			if how := a.SignIn(); (how == answer.ByPassword || how == answer.ByEither) && !a.OnThisComputer() {
				a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
			}
			page, err := site(t).Setup(Reader{Lang: "en"}, a)
			if err != nil {
				t.Fatal(err)
			}
			text := part(t, page, tc.part)
			rest := text
			for _, want := range tc.has {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("%q is missing, or stands too early:\n%s", want, text)
				}
				rest = after
			}
			for _, unwanted := range tc.lacks {
				if strings.Contains(text, unwanted) {
					t.Errorf("%q stands there:\n%s", unwanted, text)
				}
			}
		})
	}
}

// Where no password works, no step speaks of one, in any language.
func TestStepsWithoutPassword(t *testing.T) {
	words := map[string]string{"en": "password", "fr": "mot de passe", "de": "passwort", "es": "contraseña", "it": "password", "nl": "wachtwoord", "pt": "palavra-passe"}
	outlook, gmx := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@outlook.com"), fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@gmx.com")
	for _, l := range languages {
		for _, tc := range []struct {
			answer answer.Answer
			speaks bool
		}{{outlook, false}, {gmx, true}} {
			page, err := site(t).Setup(Reader{Lang: l.code}, tc.answer)
			if err != nil {
				t.Fatal(err)
			}
			root, err := html.Parse(strings.NewReader(string(page)))
			if err != nil {
				t.Fatal(err)
			}
			for n := range root.Descendants() {
				if n.Data == "section" && n.Attr[0].Val == "programs" {
					if text := textOf(n); strings.Contains(strings.ToLower(text), words[l.code]) != tc.speaks {
						t.Errorf("%s: %s", l.code, text)
					}
				}
			}
		}
	}
}

// Every value has its copy button, but for a username that the server does not want.
func TestCopyButtons(t *testing.T) {
	for _, tc := range []struct {
		name, outgoing string
		want           []string
	}{
		{"password", "", []string{"imap.example.com", "993", "SSL/TLS", "fred@example.com", "smtp.example.com", "465", "SSL/TLS", "fred@example.com"}},
		{"sending by the network", "\nauthentication = [\"client-IP-address\"]", []string{"imap.example.com", "993", "SSL/TLS", "fred@example.com", "smtp.example.com", "465", "SSL/TLS"}},
		{"sending without sign-in", "\nauthentication = [\"none\"]", []string{"imap.example.com", "993", "SSL/TLS", "fred@example.com", "smtp.example.com", "465", "SSL/TLS"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page, err := site(t).Setup(Reader{Lang: "en"}, fixture.AnswerFrom(t, `hostname = "imap.example.com"`, `hostname = "smtp.example.com"`+tc.outgoing, ""))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, after := range strings.Split(string(page), `data-copy="`)[1:] {
				value, _, _ := strings.Cut(after, `"`)
				got = append(got, value)
			}
			if strings.Join(got, " ") != strings.Join(tc.want, " ") {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// A closed service has its notice, its links and its old servers, and nothing
// that one could set up.
func TestClosed(t *testing.T) {
	c, s := fixture.Shipped(t), site(t)
	said := map[string]string{"en": "The service Opera Mail is closed.", "fr": "Le service Opera Mail est fermé.", "de": "Der Dienst Opera Mail wurde eingestellt.",
		"es": "El servicio Opera Mail ha cerrado.", "it": "Il servizio Opera Mail ha chiuso.", "nl": "De dienst Opera Mail is gestopt.", "pt": "O serviço Opera Mail foi encerrado."}
	a := fixture.Answer(t, c, "emailaddress=fred@myopera.com")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
	for _, l := range languages {
		page, err := s.Setup(Reader{Lang: l.code}, a)
		if err != nil {
			t.Fatal(err)
		}
		text := part(t, page, "answer")
		for _, want := range []string{said[l.code], "2014", "imap.myopera.com", "smtp.myopera.com"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s:\n%s", l.code, want, text)
			}
		}
		for _, unwanted := range []string{"data-copy", "data-tabs", "data:image/png", "mobileconfig", "<ol>"} {
			if strings.Contains(string(page), unwanted) {
				t.Errorf("%s has %s", l.code, unwanted)
			}
		}
	}
	list := NewList(c.Providers(), c.Own())
	opera, _ := list.Provider("myopera.com")
	for name, render := range map[string]func() ([]byte, error){
		"provider": func() ([]byte, error) { return s.Provider(Reader{Lang: "en"}, opera) },
		"list":     func() ([]byte, error) { return s.Providers(Reader{Lang: "en"}, list, Filter{Search: "opera mail"}) },
	} {
		page, err := render()
		if err != nil {
			t.Fatal(err)
		}
		if text := part(t, page, "main"); !strings.Contains(text, "closed") {
			t.Errorf("%s does not say that the service is closed:\n%s", name, text)
		}
	}
}

// A telephone does not look at its own screen.
func TestCodesAreForAnotherScreen(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@gmx.com")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
	page, err := site(t).Setup(Reader{Lang: "en"}, a)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	codes := 0
	for n := range root.Descendants() {
		if n.Data != "figure" {
			continue
		}
		codes++
		hidden := false
		for up := n; up != nil && !hidden; up = up.Parent {
			for _, attr := range up.Attr {
				hidden = hidden || attr.Key == "class" && strings.Contains(attr.Val, "other-screen")
			}
		}
		if !hidden || !strings.Contains(textOf(n), "not this device?") {
			t.Errorf("hidden: %t, %s", hidden, textOf(n))
		}
	}
	if codes != 2 {
		t.Errorf("%d codes", codes)
	}
}
