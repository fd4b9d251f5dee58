package pages

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

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
		for _, unwanted := range []string{"data-copy", "data-action", "data:image/png", "mobileconfig", "<ol>"} {
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
