package pages

import (
	"slices"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

func clientPageOf(t testing.TB, s *Site, r Reader, e *Entry, id string) ([]byte, error) {
	t.Helper()
	page, ok, err := s.Client(r, e, id)
	if !ok {
		t.Fatal("no page of", e.ID, id)
	}
	return page, err
}

// Every client has a page at every provider that lets mail programs in, with the steps
// that the answer has; those that cannot be used are kept from search engines.
func TestClientPages(t *testing.T) {
	s, list := site(t), NewList(fixture.Shipped(t).Providers(), nil)
	pages := 0
	for _, id := range []string{"gmail.com", "outlook.com", "icloud.com", "proton.me", "orange.fr"} {
		e, ok := list.Provider(id)
		if !ok {
			t.Fatal(id)
		}
		usable := e.Clients()
		whole, err := s.Provider(Reader{Lang: "en"}, e)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			page, err := clientPageOf(t, s, Reader{Lang: "en"}, e, c.id)
			if err != nil {
				t.Fatal(err)
			}
			use := slices.Contains(usable, c.id)
			if strings.Contains(string(page), `content="noindex"`) == use || strings.Contains(string(page), `class="refused"`) == use && !strings.Contains(string(page), "no POP") {
				t.Errorf("%s, %s: usable %t", id, c.id, use)
			}
			if strings.Contains(string(page), "further down on this page") && !strings.Contains(string(page), `id="services"`) {
				t.Errorf("%s, %s: a step speaks of addresses that are not there", id, c.id)
			}
			if strings.Contains(string(page), `id="incoming"`) != use {
				t.Errorf("%s, %s: usable %t, and the values are there: %t", id, c.id, use, !use)
			}
			if strings.Contains(string(whole), `href="/providers/`+id+"/"+c.id+`"`) != use {
				t.Errorf("%s leads to %s: %t", id, c.id, !use)
			}
			if !strings.Contains(string(page), `href="`+e.Source+`"`) || strings.Contains(string(page), "checked on") == (e.Checked == "") {
				t.Errorf("%s, %s does not say where the settings are from, or when that was read", id, c.id)
			}
			if strings.Contains(string(page), "further down on this page") && !strings.Contains(string(page), `id="services"`) {
				t.Errorf("%s, %s speaks of calendars that are not there", id, c.id)
			}
			pages++
		}
	}
	if pages != 5*len(clients) {
		t.Error(pages)
	}
	gmail, _ := list.Provider("gmail.com")
	if page, err := clientPageOf(t, s, Reader{Lang: "en"}, gmail, "thunderbird"); err != nil || strings.Contains(string(page), "app password") {
		t.Errorf("a sign-in page wants an app password: %v", err)
	}
	for id, client := range map[string]string{"myopera.com": "thunderbird", "tuta.com": "thunderbird", "gmail.com": "nothing"} {
		e, _ := list.Provider(id)
		if _, ok, err := s.Client(Reader{Lang: "en"}, e, client); ok || err != nil {
			t.Errorf("%s has a page of %s, %v", id, client, err)
		}
	}
}
