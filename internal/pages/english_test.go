package pages

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"milepost/internal/fixture"
)

// A report is in English whoever reads it: the page says so in the reader's language, and
// marks each part of it.
func TestDoctorSaysItIsEnglish(t *testing.T) {
	s := site(t)
	report := *examination
	report.DNSSEC = "DNSSEC: the resolver has validated the zone."
	english := []string{report.Because, report.DNSSEC}
	for _, f := range report.Findings {
		english = append(english, f.Why)
	}
	for _, l := range languages {
		page, err := s.Doctor(Reader{Lang: l.code}, fixture.Domain(t, "example.com"), &report, "2026-11-25 12:00 UTC")
		if err != nil {
			t.Fatal(err)
		}
		if said := s.view(Reader{Lang: l.code}, "", "").T("doctor-english"); strings.Contains(string(page), said) == (l.code == "en") {
			t.Errorf("%s: says %q: %t", l.code, said, l.code == "en")
		}
		root, err := html.Parse(strings.NewReader(string(page)))
		if err != nil {
			t.Fatal(err)
		}
		marked := make(map[string]bool)
		for n := range root.Descendants() {
			if n.Type == html.TextNode && languageOf(n) == "en" {
				marked[n.Data] = true
			}
		}
		for _, text := range english {
			if !marked[text] {
				t.Errorf("%s: not marked as English, or not there: %s", l.code, text)
			}
		}
	}
}

// languageOf is the lang attribute that holds for a node.
func languageOf(n *html.Node) string {
	for ; n != nil; n = n.Parent {
		for _, a := range n.Attr {
			if a.Key == "lang" {
				return a.Val
			}
		}
	}
	return ""
}
