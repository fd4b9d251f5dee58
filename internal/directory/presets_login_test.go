package directory_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/fixture"
	"milepost/internal/metrics"
)

// Each page of testdata/logins is a system's schema: its tables with few columns, what is
// in them, and what comes of addresses: a login name with a full name, or that the address
// is not known, or ambiguous.
func TestLoginPresets(t *testing.T) {
	tested := make(map[string]bool)
	fixture.Pages(t, "testdata/logins/*.txtar", func(t *testing.T, p *fixture.Page) {
		name := strings.TrimSuffix(filepath.Base(t.Name()), ".txtar")
		for _, e := range engines {
			schema, ok := p.Text(string(e.kind))
			if _, preset := directory.LoginPreset(name, e.kind); preset != ok {
				t.Errorf("%s: there is a page: %v, and a preset: %v", e.kind, ok, preset)
			}
			if !ok {
				continue
			}
			tested[name+" "+string(e.kind)] = true
			t.Run(string(e.kind), func(t *testing.T) {
				rows, _ := p.Text("rows")
				user := map[config.Kind]string{config.MySQL: "`user`"}[e.kind]
				if user == "" {
					user = `"user"`
				}
				rows = strings.ReplaceAll(rows, "USERTABLE", user)
				dsn := e.database(t, slices.DeleteFunc(strings.Split(schema+rows, ";\n"), func(s string) bool { return strings.TrimSpace(s) == "" })...)
				l := newLogins(t, config.Directory{Access: config.Access{Kind: e.kind, DSN: dsn, Preset: name}, DomainsOf: []string{"x"}, Budget: 5 * time.Second, Connections: 1})
				want, _ := p.Text("logins")
				var got strings.Builder
				for line := range strings.Lines(want) {
					text, _, _ := strings.Cut(line, " ")
					found, how, err := l.Ask(t.Context(), "x", fixture.Address(t, text))
					switch {
					case err != nil:
						t.Fatalf("%s: %v", text, err)
					case how == metrics.LoginFound:
						fmt.Fprintf(&got, "%s %s %q\n", text, found.Name, found.FullName)
					default:
						fmt.Fprintf(&got, "%s %s\n", text, how)
					}
				}
				p.Expect(t, "logins", got.String())
			})
		}
	})
	if want := directory.LoginPresets(); len(tested) != want {
		t.Errorf("%d presets are tested, of %d", len(tested), want)
	}
}
