package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/config"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
	"milepost/settings"
)

// builtin stands for the directory of the shipped files in messages.
const builtin = "builtin"

// load loads the catalogue. If the configuration has mistakes, nobody knows which sources
// it names, and these stay as they are.
func load(ctx context.Context, conf *config.Config, o Options, sound bool) (c *catalogue.Catalogue, edition int, warnings, mistakes textfile.Errors) {
	in := catalogue.Input{Own: directories(conf.Catalogue.Providers, o.Seen)}
	if conf.Catalogue.Builtin {
		in.Shipped = providerfile.Directory{Name: builtin, FS: data.Providers()}
	}
	in.Fed = func(id string) bool {
		return !sound || slices.ContainsFunc(conf.Sources, func(s config.Source) bool { return s.Provider == id })
	}
	var ofSources, unread textfile.Errors
	if o.Sources != nil && sound {
		in.Tables, ofSources, unread = o.Sources.Tables(ctx, conf.Sources)
		var files map[string]fs.FS
		files, edition = o.Sources.Files()
		for _, name := range slices.Sorted(maps.Keys(files)) {
			in.Own = append(in.Own, providerfile.Directory{Name: name, FS: files[name]})
		}
	}
	for i, s := range in.Own {
		in.Own[i] = withLogins{s, conf.Directories}
	}
	c, warnings, err := catalogue.New(ctx, in)
	if err == nil && len(c.Providers()) == 0 && len(unread) == 0 {
		return nil, 0, nil, warnings // every directory is empty
	}
	if err == nil {
		unread = append(unread, nobodys(c, conf.Sources)...)
	}
	return c, edition, append(ofSources, warnings...), append(unread, named(conf, mistakesIn(err))...)
}

// nobodys refuses sources whose provider is none of the admin's own.
func nobodys(c *catalogue.Catalogue, sources []config.Source) (mistakes textfile.Errors) {
	for _, s := range sources {
		if s.Provider == "" || slices.ContainsFunc(c.Own(), func(p *settings.Provider) bool { return p.ID == s.Provider }) {
			continue
		}
		at := s.Place
		at.Key, at.Err = "source.provider", fmt.Errorf("%q is the id of no provider file of yours; the domains of the source would belong to nobody", s.Provider)
		mistakes = append(mistakes, at)
	}
	return mistakes
}

// named adds where a path is named that leads to nothing. An option needs no such place.
func named(conf *config.Config, mistakes textfile.Errors) textfile.Errors {
	if o := conf.Origin("catalogue.providers"); o.File == "" && !strings.HasPrefix(o.Name, config.VariablePrefix) {
		return mistakes
	}
	for i, m := range mistakes {
		if errors.Is(m.Err, fs.ErrNotExist) && m.Line == 0 && slices.ContainsFunc(conf.Catalogue.Providers, func(p string) bool { return filepath.Clean(p) == m.File }) {
			mistakes[i] = conf.Mistake("catalogue.providers", m)
		}
	}
	return mistakes
}

// emptied refuses directories without provider files that had some, or were not read
// before: more likely nothing is mounted there than everybody left.
func emptied(now, before textfile.Errors) (mistakes textfile.Errors) {
	for _, w := range now {
		if w.Err != providerfile.ErrNoFile || slices.ContainsFunc(before, func(b textfile.Error) bool { return b.File == w.File && b.Err == w.Err }) {
			continue
		}
		w.Err = fmt.Errorf("%w; if that is meant, SIGUSR1 takes it over, as a restart does", w.Err)
		mistakes = append(mistakes, w)
	}
	return mistakes
}

// directories makes a source of each directory, and one of all files that stand in
// the same directory, so that they are compared with each other.
func directories(paths []string, seen *textfile.Seen) []catalogue.Source {
	var sources []catalogue.Source
	files := make(map[string]*providerfile.Directory) // by their directory
	for _, path := range paths {
		path = filepath.Clean(path)
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			sources = append(sources, providerfile.Directory{Name: path, FS: seen.FS(path)})
			continue
		}
		dir := filepath.Dir(path)
		if files[dir] == nil {
			files[dir] = &providerfile.Directory{Name: dir, FS: seen.FS(dir)}
			sources = append(sources, files[dir])
		}
		files[dir].Files = append(files[dir].Files, filepath.Base(path))
	}
	return sources
}

// fewDomains is how many a list must have had for a loss of most of them to be
// suspicious; that of all always is.
const fewDomains = 10

// shrunk refuses lists of domains that have lost most of what they had: more likely
// half a file was written than half of all customers left.
func shrunk(now, before []catalogue.ListSize) (mistakes textfile.Errors) {
	has, had := sizes(now), sizes(before)
	for _, file := range slices.Sorted(maps.Keys(has)) {
		n, was := has[file], had[file]
		if was > 0 && n == 0 || was >= fewDomains && 2*n < was {
			mistakes = append(mistakes, textfile.Error{File: file, Err: fmt.Errorf(
				"has %d domains, and had %d; if that is meant, SIGUSR1 reads everything again and takes it over, as a restart does", n, was)})
		}
	}
	return mistakes
}

// sizes sums lists by their file: several providers may name the same.
func sizes(lists []catalogue.ListSize) map[string]int {
	sums := make(map[string]int)
	for _, l := range lists {
		sums[l.File] += l.Domains
	}
	return sums
}
