package directory

import (
	"bytes"
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
)

// aState is one with everything in it.
func aState() kept {
	rows := []catalogue.Row{
		{Domain: address.Domain{ASCII: "a.example"}, Belonging: catalogue.Belonging{Provider: "example.net"}},
		{Domain: address.Domain{ASCII: "xn--bcher-kva.example"}, Belonging: catalogue.Belonging{Provider: "example.net", Host: "mx.example", Name: "Bücher & Söhne"}, Changed: 1700000000},
	}
	return kept{
		fetched: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC),
		texts:   map[string]string{"example.net": "display_name = \"A\"\n"},
		table: catalogue.NewTable("customers", func(yield func(catalogue.Row) bool) {
			for _, r := range rows {
				yield(r)
			}
		}),
	}
}

func TestState(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sources")
	source, want := customers(config.Postgres, "host=db"), aState()
	if k, err := recall(dir, source); k.table != nil || err != nil {
		t.Error(k, err)
	}
	for range 2 { // the second replaces the first
		if err := keep(dir, source, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := recall(dir, source)
	if err != nil || !got.fetched.Equal(want.fetched) || !maps.Equal(got.texts, want.texts) || len(differences(got.table, want.table)) > 0 || got.table.Len() != 2 {
		t.Errorf("%+v %v", got, err)
	}
	info, err := os.Stat(statePath(dir, "customers"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
	if err := keep(filepath.Join(statePath(dir, "customers"), "below"), source, want); err == nil {
		t.Error("a file is no directory")
	}
}

// What a killed process has left is removed, and what another is writing is not.
func TestStateUnfinished(t *testing.T) {
	dir, source := t.TempDir(), customers(config.Postgres, "host=db")
	for name, written := range map[string]time.Time{".customers.1": time.Now().Add(-2 * time.Hour), ".customers.2": time.Now(), ".others.3": time.Now().Add(-2 * time.Hour)} {
		path := filepath.Join(dir, name)
		if err := cmp.Or(os.WriteFile(path, []byte("milepost source"), 0o600), os.Chtimes(path, written, written)); err != nil {
			t.Fatal(err)
		}
	}
	if err := keep(dir, source, aState()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{".customers.2", ".others.3", "customers.domains"}; err != nil || !slices.Equal(left, want) {
		t.Error(left, err)
	}
}

// What is damaged, or another's, is not taken for what the source said.
func TestStateDamaged(t *testing.T) {
	dir, source := t.TempDir(), customers(config.Postgres, "host=db")
	if err := keep(dir, source, aState()); err != nil {
		t.Fatal(err)
	}
	path := statePath(dir, source.Name)
	whole := fixture.ReadFile(t, path)
	const damaged, other = "is damaged", "is no state of a source that this version reads"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":              {"", damaged},
		"another file":       {"# my notes\n", other},
		"a later form":       {strings.Replace(whole, "form 1", "form 2", 1), other},
		"cut short":          {whole[:len(whole)-90], damaged},
		"without its sum":    {whole[:len(whole)-65], damaged},
		"a character":        {strings.Replace(whole, "a.example", "b.example", 1), damaged},
		"another source's":   {strings.Replace(whole, "customers", "Customers", 1), damaged},
		"too many domains":   {strings.Replace(whole, "\n2\n", "\n20000001\n", 1), damaged},
		"fewer than no file": {strings.Replace(whole, "\n1\n2\n", "\n-1\n2\n", 1), damaged},
		"a long line":        {whole[:len(whole)-65] + strings.Repeat("x", maxStateLine+2), damaged},
	} {
		t.Run(name, func(t *testing.T) {
			fixture.Write(t, path, tc.text)
			if k, err := recall(dir, source); err == nil || err.Error() != tc.want || k.table != nil {
				t.Errorf("%+v %v", k, err)
			}
		})
	}
	fixture.Write(t, path, whole)
	source.Domains = "SELECT something else"
	if _, err := recall(dir, source); err == nil || err.Error() != "is what the source said when it was asked something else, as its table in milepost.toml shows" {
		t.Error(err)
	}
	// And a server starts without it.
	source = customers(config.SQLite, filepath.Join(t.TempDir(), "absent"))
	fixture.Write(t, path, "\x00")
	_, _, warnings := sources(t, dir, false, source)
	if want := path + ": is damaged\nsource customers: cannot be read: "; !strings.HasPrefix(warnings, want) {
		t.Error(warnings)
	}
}

func FuzzRecall(f *testing.F) {
	dir, source := f.TempDir(), customers(config.Postgres, "host=db")
	if err := keep(dir, source, aState()); err != nil {
		f.Fatal(err)
	}
	path := statePath(dir, source.Name)
	f.Add([]byte(fixture.ReadFile(f, path)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := recall(dir, source)
		if err == nil && (k.table == nil || !bytes.Contains(text, []byte(stateHead))) {
			t.Errorf("%+v", k)
		}
	})
}
