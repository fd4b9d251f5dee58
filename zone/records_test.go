package zone_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"milepost/internal/providerfile"
	"milepost/zone"
)

var update = flag.Bool("update", false, "rewrite the records in testdata")

// Each page of testdata has providers' files, options, and last the records of every
// domain.
func TestRecords(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no pages: ", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(archive.Files) - 1
			if archive.Files[last].Name != "records" {
				t.Fatal("the page does not end with records")
			}
			got := records(t, archive.Files[:last])
			if *update {
				archive.Files[last].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(archive.Files[last].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func records(t *testing.T, files []txtar.File) string {
	t.Helper()
	var o zone.Options
	providers := fstest.MapFS{}
	for _, f := range files {
		if f.Name == "options.json" {
			if err := json.Unmarshal(f.Data, &o); err != nil {
				t.Fatal(err)
			}
			continue
		}
		providers[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	c, _, err := providerfile.Load(providerfile.Directory{FS: providers})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range c.Providers() {
		for _, d := range p.Domains {
			for _, rr := range zone.Records(p, d.Domain, o) {
				fmt.Fprintln(&b, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	return b.String()
}
