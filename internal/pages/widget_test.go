package pages

import (
	"strings"
	"testing"

	"milepost/internal/answer"
	"milepost/internal/fixture"
)

// What stands in another site's page has no script, keeps its links in the frame, and
// opens the whole answer outside.
func TestWidget(t *testing.T) {
	c, s := fixture.Shipped(t), site(t)
	list := NewList(c.Providers(), nil)
	meant, err := answer.ParseRequest("emailaddress=fred@gmail.con")
	if err != nil {
		t.Fatal(err)
	}
	r := Reader{Lang: "de", Chosen: true}
	for _, tc := range []struct {
		name   string
		render func() ([]byte, error)
		want   []string
	}{
		{"nothing asked", func() ([]byte, error) { return s.Widget(r) }, []string{`<form action="/widget"`, `name="lang" value="de"`}},
		{"answer", func() ([]byte, error) { return s.WidgetAnswer(r, fixture.Answer(t, c, "emailaddress=fred@gmx.com")) },
			[]string{"imap.gmx.com", "<code>993</code>", "<code>fred@gmx.com</code>", `href="/setup?emailaddress=fred%40gmx.com&amp;lang=de" target="_blank"`}},
		{"no sign-in", func() ([]byte, error) { return s.WidgetAnswer(r, fixture.Answer(t, c, "emailaddress=fred@alice.fr")) }, []string{"Postausgangsserver"}},
		{"unknown", func() ([]byte, error) { return s.WidgetUnknown(r, meant, list) }, []string{`href="/widget?emailaddress=fred%40gmail.com&amp;lang=de"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			page, err := tc.render()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(page), "<script") || strings.Contains(string(page), "<img") {
				t.Error("more than words")
			}
			for _, want := range tc.want {
				if !strings.Contains(string(page), want) {
					t.Errorf("lacks %s:\n%s", want, page)
				}
			}
		})
	}
}
