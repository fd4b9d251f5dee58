// Package providerfile reads providers from TOML files, one a provider.
// docs/catalogue.md describes the files.
package providerfile

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"milepost/catalogue"
	"milepost/internal/textfile"
)

const (
	maxFile = 4 << 20   // octets of a provider's file
	maxList = 256 << 20 // octets of a list of domains
)

// Directory is a directory of provider files. It is a [catalogue.Source].
type Directory struct {
	Name  string // goes before the file names in messages; may be empty
	FS    fs.FS
	Files []string // the names of those to read; nil: every *.toml in it
}

// ErrNoFile warns of a directory without provider files, as a new installation has one.
var ErrNoFile = errors.New("has no .toml file; each provider is a file of its own")

func (d Directory) path(file string) string { return path.Join(d.Name, file) }

// Load makes a catalogue of directories; a later one wins.
func Load(dirs ...Directory) (*catalogue.Catalogue, textfile.Errors, error) {
	sources := make([]catalogue.Source, len(dirs))
	for i, d := range dirs {
		sources[i] = d
	}
	return catalogue.New(context.Background(), catalogue.Input{Own: sources})
}

// Load reads the files, on all processors; the entries are in their order.
func (d Directory) Load(ctx context.Context) (entries []catalogue.Entry, warnings, mistakes textfile.Errors) {
	files, err := d.list()
	if err != nil {
		return nil, nil, textfile.Errors{{File: d.path("."), Err: err}}
	}
	if len(files) == 0 {
		return nil, textfile.Errors{{File: d.path("."), Err: ErrNoFile}}, nil
	}
	type result struct {
		entry              catalogue.Entry
		warnings, mistakes textfile.Errors
	}
	results := make([]result, len(files))
	var readers errgroup.Group
	readers.SetLimit(runtime.GOMAXPROCS(0))
	for i, file := range files {
		readers.Go(func() error {
			if r := &results[i]; ctx.Err() == nil {
				r.entry, r.warnings, r.mistakes = d.read(file)
			}
			return ctx.Err()
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, nil, textfile.Errors{{File: d.path("."), Err: err}}
	}
	for _, r := range results {
		entries = append(entries, r.entry)
		warnings, mistakes = append(warnings, r.warnings...), append(mistakes, r.mistakes...)
	}
	return entries, warnings, mistakes
}

func (d Directory) list() ([]string, error) {
	if d.Files != nil {
		return d.Files, nil
	}
	entries, err := fs.ReadDir(d.FS, ".")
	if err != nil {
		return nil, textfile.Reason(err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, e.Name())
		}
	}
	return files, nil
}
