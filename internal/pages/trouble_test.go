package pages

import (
	"regexp"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// What helps is what the catalogue knows about the provider.
func TestTrouble(t *testing.T) {
	c, s := fixture.Shipped(t), site(t)
	for _, tc := range []struct {
		name, query string
		want, not   []string
	}{
		{"the account's password", "emailaddress=fred@gmx.com",
			[]string{"The username is <b><bdi>fred@gmx.com</bdi></b>", "The password is the one of your mailbox", `data-copy="imap.gmx.com"`, "/setup?emailaddress=fred%40gmx.com"}, []string{"password-make", "No password works"}},
		{"an app password", "emailaddress=fred@gmail.com", []string{"<bdi>Gmail</bdi> wants an <a", "https://myaccount.google.com/apppasswords", "Or choose <a", "If both are right"}, []string{"one of your mailbox", "has made this certificate"}},
		{"OAuth2 alone", "emailaddress=fred@outlook.com", []string{"No password works here"}, []string{"one of your mailbox", "reset it"}},
		{"a bridge", "emailaddress=fred@proton.me", []string{"on your computer shows", "These servers are a program on your own computer.", "has made this certificate itself", "installed on this computer and running"},
			[]string{"one of your mailbox", "somebody in between", "in hotels", "is switched off", "names of the servers must"}},
		{"another username to send", "emailaddress=fred@icloud.com", []string{"The username is <b><bdi>fred</bdi></b>", `data-copy="fred@icloud.com"`}, []string{"Or choose"}},
		{"no sign-in to send", "emailaddress=fred@alice.fr", []string{"asks for no username"}, []string{"needs your username"}},
		{"POP", "emailaddress=fred@gmx.com&protocol=pop3", []string{"POP is switched off", `data-copy="pop.gmx.com"`}, []string{`data-copy="imap.gmx.com"`}},
		{"closed", "emailaddress=fred@myopera.com", []string{"is closed"}, []string{"<details"}},
		{"no mail programs", "emailaddress=fred@tuta.com", []string{"Other mail programs do not work"}, []string{`class="trouble"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page, err := s.Trouble(Reader{Lang: "en"}, fixture.Answer(t, c, tc.query))
			if err != nil {
				t.Fatal(err)
			}
			_, text, _ := strings.Cut(string(page), "<main")
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %s:\n%s", want, text)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(text, not) {
					t.Errorf("has %s:\n%s", not, text)
				}
			}
		})
	}
}

// A page is passed on without the address, and only where its own address is known.
func TestShare(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@gmx.com&protocol=pop3")
	page, err := site(t).Setup(Reader{Lang: "fr"}, a)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`href="(mailto:[^"]+)"`).FindSubmatch(page)
	if found == nil || string(found[1]) != "mailto:?subject=Param%C3%A8tres%20de%20messagerie%C2%A0%3A%20GMX%20%28Caramail%29&amp;body=https%3A%2F%2Fmail.example.com%2Fsetup%3Femailaddress%3Dgmx.com" {
		t.Errorf("%s", found)
	}
	local, err := New(Branding{SupportURL: "mailto:help@example.net"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if page, err = local.Setup(Reader{Lang: "en"}, a); err != nil {
		t.Fatal(err)
	}
	if text := string(page); strings.Contains(text, "mailto:?") || !strings.Contains(text, `<a href="mailto:help@example.net">Report a mistake`) {
		t.Errorf("%s", text)
	}
}
