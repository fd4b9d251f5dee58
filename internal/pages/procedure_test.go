package pages

import (
	"fmt"
	"html/template"
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
