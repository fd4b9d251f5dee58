package httpd

import (
	"testing"

	"milepost/catalogue"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// Documents stay when rows have changed and another one is kept; a reload takes all.
func TestDocuments(t *testing.T) {
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
	first := made()
	refreshed := first.Refresh(snapshot.Options{}, nil, nil)
	var kept documents
	for _, step := range []struct {
		name   string
		of     *snapshot.Snapshot
		domain string
		fresh  bool
	}{
		{"first", first, "a.example", true},
		{"kept", first, "a.example", false},
		{"another, after a refresh", refreshed, "b.example", true},
		{"the first is still kept", refreshed, "a.example", false},
		{"a request that began before the refresh", first, "b.example", false},
		{"a reload", made(), "a.example", true},
	} {
		fresh := false
		if _, err := kept.get(step.of, documentKey{domain: step.domain}, func() (document, error) {
			fresh = true
			return document{body: []byte(step.domain)}, nil
		}); err != nil || fresh != step.fresh {
			t.Errorf("%s: made anew: %v, %v", step.name, fresh, err)
		}
	}
}
