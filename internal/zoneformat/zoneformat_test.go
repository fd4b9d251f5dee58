package zoneformat_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"milepost/internal/providerfile"
	"milepost/internal/zoneformat"
	"milepost/zone"
)

var update = flag.Bool("update", false, "rewrite what is expected under testdata")

// page is a provider file with what is asked of it.
type page struct {
	Options   zone.Options
	Authority zone.Authority
	domains   []zoneformat.Domain
}

func readPage(t *testing.T, archive *txtar.Archive) page {
	t.Helper()
	var p page
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		switch {
		case f.Name == "options.json":
			if err := json.Unmarshal(f.Data, &p); err != nil {
				t.Fatal(err)
			}
		case filepath.Ext(f.Name) == ".toml":
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	p.Authority.Serial = 1
	c, _, err := providerfile.Load(providerfile.Directory{FS: files})
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range c.Providers() {
		for _, d := range provider.Domains {
			p.domains = append(p.domains, zoneformat.Domain{Domain: d.Domain, Records: zone.Records(provider, d.Domain, p.Options)})
		}
	}
	return p
}

func pages(t *testing.T) map[string]*txtar.Archive {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no pages", err)
	}
	all := make(map[string]*txtar.Archive)
	for _, name := range names {
		if all[name], err = txtar.ParseFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestPages renders the provider file of each page in every format.
func TestPages(t *testing.T) {
	for name, archive := range pages(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			p := readPage(t, archive)
			want := make(map[string]string)
			rewritten := &txtar.Archive{Comment: archive.Comment}
			for _, f := range archive.Files {
				if ext := filepath.Ext(f.Name); ext == ".toml" || ext == ".json" {
					rewritten.Files = append(rewritten.Files, f)
				} else {
					want[f.Name] = string(f.Data)
				}
			}
			for _, f := range zoneformat.Formats {
				got, err := zoneformat.Render(f, p.domains, p.Authority)
				if err != nil {
					t.Fatal(err)
				}
				rewritten.Files = append(rewritten.Files, txtar.File{Name: string(f), Data: got})
				if diff := cmp.Diff(want[string(f)], string(got)); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", f, diff)
				}
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(rewritten), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestParseFormat(t *testing.T) {
	for _, f := range zoneformat.Formats {
		if got, err := zoneformat.ParseFormat(string(f)); got != f || err != nil {
			t.Errorf("%s: %q, %v", f, got, err)
		}
	}
	_, err := zoneformat.ParseFormat("xml")
	if want := "is unknown; zone, json, nsupdate, terraform, octodns are allowed"; err == nil || err.Error() != want {
		t.Errorf("%v, not %s", err, want)
	}
}
