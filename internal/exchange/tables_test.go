package exchange_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/exchange"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// A static tree has the domains of tables too, as their rows have the provider.
func TestStaticOfTables(t *testing.T) {
	row := func(d string, b catalogue.Belonging) catalogue.Row {
		return catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: b}
	}
	c, _, err := catalogue.New(t.Context(), catalogue.Input{
		Own: []catalogue.Source{providerfile.Directory{FS: fixture.FS("example.com.toml", fixture.Family,
			"hosted.toml", strings.NewReplacer(`domains = ["example.com"]`, `mx = ["mx.example.net"]`, `"mail.example.com"`, `"%MXHOST%"`).Replace(fixture.Family))}},
		Tables: []*catalogue.Table{catalogue.NewTable("sql", slices.Values([]catalogue.Row{
			row("a.example", catalogue.Belonging{Provider: "example.com", Name: "Renamed"}),
			row("b.example", catalogue.Belonging{Provider: "hosted", Host: settings.Hostname("b.mx.example.net")}),
			row("example.com", catalogue.Belonging{Provider: "hosted"}), // its file goes first
		}))},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tree")
	var said []string
	e := exchange.Exporter{Catalogue: c, Progress: func(int, int) {}, Say: func(s string) { said = append(said, s) }}
	if err := e.Static(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a.example": "<displayName>Renamed<", "b.example": "<hostname>b.mx.example.net<", "example.com": "<displayName>Example family<",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, "autoconfig", name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if len(said) != 2 { // of the file alone: it has no name for all, and serves an MX domain
		t.Errorf("said %q", said)
	}
}
