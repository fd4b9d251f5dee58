package pages

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// A page that search engines may keep says where it is and which others say the same,
// by the service's own address alone.
func TestHead(t *testing.T) {
	list := NewList(fixture.Shipped(t).Providers(), nil)
	gmail, _ := list.Provider("gmail.com")
	s := site(t)
	page, err := s.Provider(Reader{Lang: "fr", Chosen: true}, gmail)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<link rel="canonical" href="https://mail.example.com/providers/gmail.com?lang=fr">`,
		`<link rel="alternate" hreflang="pt" href="https://mail.example.com/providers/gmail.com?lang=pt">`,
		`<link rel="alternate" hreflang="x-default" href="https://mail.example.com/providers/gmail.com">`,
		`<meta property="og:url" content="https://mail.example.com/providers/gmail.com?lang=fr">`,
		`<meta name="description" content="Serveurs de messagerie de Gmail`,
		"imap.gmail.com, Port 993, SSL/TLS", `data-copy="smtp.gmail.com"`,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("lacks %s:\n%s", want, page)
		}
	}
	if n := strings.Count(string(page), "hreflang="); n != 2*len(languages)+1 {
		t.Errorf("%d hreflang", n)
	}
	for name, render := range map[string]func(*Site) ([]byte, error){
		"not public": func(*Site) ([]byte, error) {
			local, _ := New(Branding{}, "")
			return local.Provider(Reader{Lang: "en"}, gmail)
		},
		"filtered": func(s *Site) ([]byte, error) { return s.Providers(Reader{Lang: "en"}, list, Filter{Search: "mail"}) },
		"about somebody": func(s *Site) ([]byte, error) {
			return s.Setup(Reader{Lang: "en"}, fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@gmx.com"))
		},
		"what is not there": func(s *Site) ([]byte, error) { return s.Problem(Reader{Lang: "en"}, 404) },
	} {
		page, err := render(s)
		if err != nil || strings.Contains(string(page), "canonical") || strings.Contains(string(page), `rel="alternate"`) || strings.Contains(string(page), "og:url") {
			t.Errorf("%s: %v %s", name, err, page)
		}
	}
}

func TestSiteMap(t *testing.T) {
	s, l := site(t), NewList(fixture.Shipped(t).Providers(), nil)
	body, ok, err := s.SiteMap(l)
	if err != nil || !ok {
		t.Fatal(err)
	}
	var m siteMap
	if err := xml.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	urls := make(map[string]bool)
	for _, u := range m.URLs {
		urls[u.Loc] = true
	}
	if len(urls) != len(m.URLs) || !urls["https://mail.example.com/providers/gmail.com"] || urls["https://mail.example.com/providers/myopera.com"] || !urls["https://mail.example.com/"] {
		t.Errorf("%s", body)
	}
	if again, _, _ := s.SiteMap(l); &again[0] != &body[0] {
		t.Error("each reader has one of their own")
	}
	if robots := string(s.Robots()); !strings.Contains(robots, "Sitemap: https://mail.example.com/sitemap.xml\n") || strings.Contains(robots, "/setup") {
		t.Error(robots)
	}
	local, err := New(Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := local.SiteMap(l); ok || strings.Contains(string(local.Robots()), "Sitemap") {
		t.Error("a site map without an address")
	}
	if body, _, err := s.SiteMap(manyProviders(maxURLs)); err != nil || bytes.Count(body, []byte("<loc>")) != maxURLs {
		t.Error("too many", err)
	}
}

// The icon file holds the PNG, at the offset that it names.
func TestIcon(t *testing.T) {
	s := site(t)
	file, ok := s.Icon("/favicon.ico")
	if !ok || fmt.Sprint(file.Body[:8]) != "[0 0 1 0 1 0 32 32]" {
		t.Fatalf("% x", file.Body[:22])
	}
	at := int(file.Body[18])
	if image, err := png.Decode(bytes.NewReader(file.Body[at:])); err != nil || image.Bounds().Dx() != 32 {
		t.Error(err)
	}
	if touch, ok := s.Icon("/apple-touch-icon.png"); !ok || touch.ContentType != "image/png" {
		t.Error(touch.ContentType)
	}
	logo, err := ParseLogo([]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
	if err != nil {
		t.Fatal(err)
	}
	branded, err := New(Branding{Name: "Example & Co", Logo: logo}, "")
	if err != nil {
		t.Fatal(err)
	}
	if own, ok := branded.Icon("/favicon.ico"); !ok || own.ContentType != "image/svg+xml" {
		t.Error(own.ContentType)
	}
	if _, ok := branded.Icon("/apple-touch-icon.png"); ok {
		t.Error("our icon for another's service")
	}
	manifest, ok := branded.Asset(branded.assets.paths["manifest.webmanifest"])
	if want := fmt.Sprintf(`{"name":"Example \u0026 Co","short_name":"Example \u0026 Co","start_url":"/","display":"browser","theme_color":"#1d5f8a","icons":[{"src":"%s","sizes":"any","type":"image/svg+xml"}]}`, branded.Logo()); !ok || string(manifest.Body) != want {
		t.Errorf("%s", manifest.Body)
	}
}
