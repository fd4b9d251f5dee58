package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"milepost/catalogue"
	"milepost/internal/providerfile"
	"milepost/internal/storage"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
)

// Tables reads provider files, with their lists, for the tables of a database. Unlike a
// server it takes nothing of which a part is wrong.
type Tables struct {
	storage.Catalogue
	Warnings textfile.Errors

	entries  loaded
	places   map[string]textfile.Error // by domain
	mistakes textfile.Errors
}

// loaded is entries as one source: each domain may be claimed once in it.
type loaded []catalogue.Entry

func (l loaded) Load(context.Context) (entries []catalogue.Entry, warnings, mistakes textfile.Errors) {
	return l, nil, nil
}

const (
	maxProviderFile = 4 << 20
	maxList         = 256 << 20
)

// NewTables has nothing yet.
func NewTables() *Tables {
	return &Tables{Catalogue: storage.Catalogue{Files: make(map[string]string), Domains: make(map[string]string)}, places: make(map[string]textfile.Error)}
}

// ReadFiles reads a provider file, or those of a directory.
func (t *Tables) ReadFiles(path string) {
	d := providerfile.Directory{Name: path, FS: os.DirFS(path)}
	if !isDir(path) {
		dir, file := filepath.Split(path)
		dir = filepath.Clean(dir)
		d = providerfile.Directory{Name: dir, FS: os.DirFS(dir), Files: []string{file}}
	}
	entries, warnings, mistakes := d.Load(context.Background())
	t.mistakes = append(t.mistakes, mistakes...)
	if len(entries) == 0 {
		t.mistakes = append(t.mistakes, warnings...) // there is no file
		return
	}
	lists := make(map[string]bool)
	for _, e := range entries {
		lists[e.List.File] = e.List.Dropped > 0
	}
	for _, w := range warnings {
		if lists[w.File] {
			t.mistakes = append(t.mistakes, w)
		} else {
			t.Warnings = append(t.Warnings, w)
		}
	}
	if len(mistakes) > 0 {
		return
	}
	for _, e := range entries {
		text, err := textfile.Read(d.FS, filepath.Base(e.File), maxProviderFile)
		if err == nil && e.List.File != "" {
			t.readDomains(e.Provider.ID, &e)
			text, err = withoutList(e.File, text)
		}
		if err != nil {
			t.mistakes = append(t.mistakes, textfile.Error{File: e.File, Err: err})
		}
		t.Files[e.Provider.ID] = string(text)
		e.Provider.Domains, e.List = e.Provider.Domains[:len(e.Lines)], catalogue.List{}
		t.entries = append(t.entries, e)
	}
}

// ReadList reads a list of all domains of a provider, a line each.
func (t *Tables) ReadList(id, path string) {
	text, err := textfile.ReadFile(path, maxList)
	if err != nil {
		t.mistakes = append(t.mistakes, textfile.Error{File: path, Err: err})
		return
	}
	e, warnings := providerfile.ParseList(path, string(text))
	if e.List.Dropped > 0 {
		t.mistakes = append(t.mistakes, warnings...)
	} else {
		t.Warnings = append(t.Warnings, warnings...)
	}
	t.readDomains(id, &e)
}

// readDomains takes the domains of an entry's list.
func (t *Tables) readDomains(id string, e *catalogue.Entry) {
	if slices.Contains(t.Whole, id) {
		t.mistakes = append(t.mistakes, textfile.Error{File: e.List.File, Err: fmt.Errorf("%s has another list already", id)})
	}
	t.Whole = append(t.Whole, id)
	var wrong textfile.Series
	for i, d := range e.Provider.Domains[len(e.Lines):] {
		place := textfile.Error{File: e.List.File, Line: int(e.List.Lines[i])}
		other, twice := t.places[d.Domain.ASCII]
		switch {
		case d.Wildcard:
			wrong.Add(place, func() error {
				return fmt.Errorf("%s is no single domain; it belongs into domains of the provider's file", d)
			})
		case twice:
			wrong.Add(place, func() error { return fmt.Errorf("%s stands at %s:%d already", d, other.File, other.Line) })
		default:
			t.places[d.Domain.ASCII], t.Domains[d.Domain.ASCII] = place, id
		}
	}
	t.mistakes = append(t.mistakes, wrong.Errors()...)
}

// withoutList takes domains_from out of a file: in a database the rows say it.
func withoutList(name string, text []byte) ([]byte, error) {
	const key = "domains_from"
	line := tomlfile.Parse(name, text).Line(key)
	lines := bytes.SplitAfter(text, []byte("\n"))
	text = bytes.Join(slices.Delete(lines, line-1, line), nil)
	if left := tomlfile.Parse(name, text); len(left.Errors()) > 0 || left.Has(key) {
		return nil, errors.New("domains_from must stand on a line of its own, so that it can be taken out")
	}
	return text, nil
}

// Done returns every mistake: what is wrong by itself, and what does not fit together.
func (t *Tables) Done() error {
	_, _, err := catalogue.New(context.Background(), catalogue.Input{Own: []catalogue.Source{t.entries}, Fed: always})
	mistakes, _ := errors.AsType[textfile.Errors](err)
	mistakes = append(t.mistakes, mistakes...)
	for _, e := range t.entries {
		for i, d := range e.Provider.Domains {
			if other, ok := t.places[d.Domain.ASCII]; ok && !d.Wildcard {
				mistakes = append(mistakes, textfile.Error{File: other.File, Line: other.Line,
					Err: fmt.Errorf("%s stands at %s:%d already", d, e.File, e.Lines[i])})
			}
		}
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	return nil
}

func always(string) bool { return true }

// Fits tells whether provider files that are to be in a database together fit together.
func Fits(files map[string]string) error {
	var entries loaded
	var mistakes textfile.Errors
	d := providerfile.Directory{Name: "milepost.provider"}
	for _, id := range slices.Sorted(maps.Keys(files)) {
		e, _, wrong := d.Parse(id+".toml", []byte(files[id]))
		entries, mistakes = append(entries, e), append(mistakes, wrong...)
	}
	_, _, err := catalogue.New(context.Background(), catalogue.Input{Own: []catalogue.Source{entries}, Fed: always})
	together, _ := errors.AsType[textfile.Errors](err)
	if mistakes = append(mistakes, together...); len(mistakes) > 0 {
		return mistakes
	}
	return nil
}
