package httpd

import (
	"testing"

	"milepost/catalogue"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// Documents are kept on when rows change, also after another one was made, and forgotten
// with another snapshot.
func TestKeptDocuments(t *testing.T) {
	made := func() *snapshot.Snapshot {
		c, _, err := catalogue.New(t.Context(), catalogue.Input{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.New(c, pages.Branding{}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var d documents
	get := func(s *snapshot.Snapshot, domain string) (fresh bool) {
		_, err := d.get(s, documentKey{domain: domain}, func() (document, error) { fresh = true; return newDocument(plainText, []byte(domain)), nil })
		if err != nil {
			t.Error(err)
		}
		return fresh
	}
	first := made()
	refreshed := first.Refresh(snapshot.Options{}, nil, nil)
	for _, step := range []struct {
		name   string
		of     *snapshot.Snapshot
		domain string
		fresh  bool
	}{
		{"at first", first, "a.example", true},
		{"again", first, "a.example", false},
		{"after a refresh", refreshed, "a.example", false},
		{"another one after it", refreshed, "b.example", true},
		{"the first one still", refreshed, "a.example", false},
		{"in a request that began before", first, "c.example", true},
		{"in one that begins now", refreshed, "b.example", false},
		{"after a reload", made(), "a.example", true},
	} {
		if got := get(step.of, step.domain); got != step.fresh {
			t.Errorf("%s: made anew %t, want %t", step.name, got, step.fresh)
		}
	}
}
