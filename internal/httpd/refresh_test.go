package httpd_test

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/providerfile"
	"milepost/internal/snapshot"
	"milepost/settings"
)

// A kept document is that of the domain's provider as rows have it now, and the same on
// another server that has the same rows. Documents of other domains are kept on.
func TestDocumentsAfterRefresh(t *testing.T) {
	row := func(d string, b catalogue.Belonging) catalogue.Row {
		return catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: b}
	}
	hosted := strings.NewReplacer(`domains = ["example.com"]`, `mx = ["mx.example.com"]`, `"mail.example.com"`, `"%MXHOST%"`).Replace(fixture.Family)
	plain := strings.Replace(fixture.Family, `domains = ["example.com"]`, `webmail = "https://%EMAILDOMAIN%/"`, 1)
	table := catalogue.NewTable("sql", slices.Values([]catalogue.Row{
		row("a.example", catalogue.Belonging{Provider: "hosted", Host: "one.mx.example.com"}),
		row("b.example", catalogue.Belonging{Provider: "plain"}),
	}))
	made := func() *snapshot.Snapshot {
		c, _, err := catalogue.New(t.Context(), catalogue.Input{Tables: []*catalogue.Table{table}, Fed: func(string) bool { return true },
			Own: []catalogue.Source{providerfile.Directory{FS: fixture.FS("hosted.toml", hosted, "plain.toml", plain)}}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := snapshot.New(c, pages.Branding{}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	type answer struct {
		status    int
		tag, body string
	}
	asking := func(current func() *snapshot.Snapshot) func(d string) answer {
		h := httpd.Handler(httpd.Options{Current: current, Log: slog.New(slog.DiscardHandler)})
		return func(d string) answer {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "/mail/config-v1.1.xml?emailaddress=fred@"+d, nil))
			return answer{w.Code, w.Header().Get("ETag"), w.Body.String()}
		}
	}
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(made())
	ask := asking(current.Load)
	b := ask("b.example")
	for _, tc := range []struct {
		name   string
		change catalogue.Change
		status int
		want   string
	}{
		{"first", catalogue.Change{Row: row("c.example", catalogue.Belonging{Provider: "plain"})}, 200, "<hostname>one.mx.example.com<"},
		{"another host", catalogue.Change{Row: row("a.example", catalogue.Belonging{Provider: "hosted", Host: "two.mx.example.com"})}, 200, "<hostname>two.mx.example.com<"},
		{"another name", catalogue.Change{Row: row("a.example", catalogue.Belonging{Provider: "hosted", Host: "two.mx.example.com", Name: "Renamed"})}, 200, "<displayName>Renamed<"},
		{"another provider", catalogue.Change{Row: row("a.example", catalogue.Belonging{Provider: "plain"})}, 200, "<hostname>mail.example.com<"},
		{"gone", catalogue.Change{Row: row("a.example", catalogue.Belonging{}), Gone: true}, 404, ""},
		{"back", catalogue.Change{Row: row("a.example", catalogue.Belonging{Provider: "hosted", Host: settings.Hostname("one.mx.example.com")})}, 200, "<hostname>one.mx.example.com<"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table = table.With([]catalogue.Change{tc.change})
			current.Store(current.Load().Refresh(snapshot.Options{}, []*catalogue.Table{table}, []string{tc.change.Domain.ASCII}))
			replica := asking(func() *snapshot.Snapshot { return made() })
			for range 2 { // made, and kept
				if got := ask("a.example"); got.status != tc.status || !strings.Contains(got.body, tc.want) || got != replica("a.example") {
					t.Errorf("%d %s\n%s", got.status, got.tag, got.body)
				}
			}
			if ask("b.example") != b || replica("b.example") != b {
				t.Error("the document of another domain has changed")
			}
		})
	}
}
