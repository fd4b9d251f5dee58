package exchange_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/autoconfig"
	"milepost/internal/exchange"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/settings"
)

const ispdb = "../../../shared/ispdb/*.xml"

// roundTrip holds import → export → import to the identity: file and provider are the
// same, and the second time nothing is lost.
func roundTrip(t *testing.T, first *exchange.Document) {
	t.Helper()
	var document bytes.Buffer
	if err := autoconfig.WriteAll(&document, settings.Account{Provider: first.Provider}); err != nil {
		t.Fatal(err)
	}
	second, err := exchange.ReadDocument("again.xml", document.Bytes())
	if err != nil || len(second.Lost) > 0 {
		t.Fatalf("%v %v\n%s", err, second.Lost, document.Bytes())
	}
	if diff := cmp.Diff(first.Provider, second.Provider); diff != "" {
		t.Errorf("provider (-first +second)\n%s\n%s", diff, document.Bytes())
	}
	if diff := cmp.Diff(string(providerfile.Write(first.Provider)), string(providerfile.Write(second.Provider))); diff != "" {
		t.Errorf("file (-first +second)\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	files, _ := filepath.Glob(ispdb)
	if len(files) == 0 {
		t.Skip("the ISP database's files are not here: " + ispdb)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			d, err := exchange.ReadDocument(name, []byte(fixture.ReadFile(t, name)))
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, d)
		})
	}
}

// A checkout of the ISP database goes through files: imported, exported, and imported
// again it is the same.
func TestRoundTripFiles(t *testing.T) {
	checkout, err := filepath.Abs(filepath.Dir(ispdb))
	if _, missing := os.Stat(checkout); err != nil || missing != nil {
		t.Skip("the ISP database's files are not here: " + ispdb)
	}
	dir := t.TempDir()
	if err := os.Symlink(checkout, filepath.Join(dir, "ispdb")); err != nil {
		t.Fatal(err)
	}
	first := importAll(t, dir, filepath.Join(dir, "first"))
	c, _, err := providerfile.Load(providerfile.Directory{FS: os.DirFS(filepath.Join(dir, "first"))})
	if err != nil {
		t.Fatal(err)
	}
	e := exchange.Exporter{Catalogue: c, Progress: func(int, int) {}, Say: func(line string) { t.Error(line) }}
	if err := e.ISPDB(filepath.Join(dir, "exported")); err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(dir, "exported", "*.xml"))
	if err != nil || len(documents) < 98 {
		t.Fatal(len(documents), err)
	}
	fixture.Validate(t, "../../../shared/schemas/autoconfig.rng", documents)
	second := importAll(t, filepath.Join(dir, "exported"), filepath.Join(dir, "second"))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("(-first +second)\n%s", diff)
	}
}

// importAll imports what a path names, and returns the files but for their first lines,
// in which the documents are named.
func importAll(t *testing.T, from, into string) map[string]string {
	t.Helper()
	i := exchange.Importer{Say: func(string) {}}
	if err := i.Open(into); err != nil {
		t.Fatal(err)
	}
	documents, err := exchange.Documents(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range documents {
		d, err := i.Read(name, []byte(fixture.ReadFile(t, name)))
		if err == nil {
			err = i.Take(d)
		}
		if err != nil {
			t.Error(err)
		}
	}
	files := make(map[string]string)
	written, _ := filepath.Glob(filepath.Join(into, "*.toml"))
	for _, name := range written {
		_, files[filepath.Base(name)], _ = strings.Cut(fixture.ReadFile(t, name), "\n")
	}
	if i.New != len(documents) || len(files) != len(documents) {
		t.Errorf("%d documents are %d files, %d of them new", len(documents), len(files), i.New)
	}
	return files
}

// TestImport plays pages: documents, and a directory dir/ with the files that are there
// already. What was said comes out, and each file that is new or has changed.
func TestImport(t *testing.T) {
	fixture.Pages(t, "testdata/import/*.txtar", func(t *testing.T, p *fixture.Page) {
		t.Chdir(t.TempDir())
		before := make(map[string]string)
		var documents []string
		for files := p.List(); len(files) > 0; files = files[2:] {
			switch name, text := files[0], files[1]; {
			case strings.HasPrefix(name, "dir/"):
				fixture.Write(t, name, text)
				before[name] = text
			case strings.HasSuffix(name, ".xml"):
				documents = append(documents, fixture.Write(t, name, text))
			}
		}
		var said strings.Builder
		_, overwrite := p.Text("overwrite")
		i := exchange.Importer{Overwrite: overwrite, Source: "https://example.com/ispdb/", Checked: "2026-03-05", Say: func(line string) { said.WriteString(line + "\n") }}
		if err := i.Open("dir"); err != nil {
			said.WriteString(err.Error() + "\n")
			documents = nil
		}
		for _, name := range documents {
			d, err := i.Read(name, []byte(fixture.ReadFile(t, name)))
			if err == nil {
				err = i.Take(d)
			}
			if err != nil {
				said.WriteString("refused: " + err.Error() + "\n")
			}
		}
		p.Expect(t, "messages", said.String())
		after, _ := filepath.Glob("dir/*")
		for _, name := range after {
			if text := fixture.ReadFile(t, name); text != before[name] {
				p.Expect(t, "after/"+filepath.Base(name), text)
			}
		}
		if i.Open("dir") != nil && documents != nil {
			t.Error("the directory has mistakes now")
		}
	})
}

// Whatever a document holds, it is refused, or becomes a file that the reader takes, and
// comes back as it was.
func FuzzRoundTrip(f *testing.F) {
	files, _ := filepath.Glob(ispdb)
	for _, name := range files {
		f.Add([]byte(fixture.ReadFile(f, name)))
	}
	pages, err := filepath.Glob("testdata/import/*.txtar")
	if err != nil || len(pages) == 0 {
		f.Fatal(pages, err)
	}
	for _, name := range pages {
		for list := fixture.ReadPage(f, name).List(); len(list) > 0; list = list[2:] {
			if strings.HasSuffix(list[0], ".xml") {
				f.Add([]byte(list[1]))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := exchange.ReadDocument("a.xml", data)
		for _, lost := range d.Lost {
			if line := lost.Error(); !strings.HasPrefix(line, "a.xml:") || strings.Contains(line, "\n") {
				t.Fatalf("no place in the message %q", line)
			}
		}
		if err == nil {
			roundTrip(t, d)
		}
	})
}
