package catalogue

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"milepost/internal/textfile"
	"milepost/settings"
)

const (
	maxFile = 4 << 20   // octets of a provider's file
	maxList = 256 << 20 // octets of a list of domains
)

// Source is a directory of provider files.
type Source struct {
	Name  string // goes before the file names in messages; may be empty
	FS    fs.FS
	Files []string // the files to read; nil: every *.toml in the directory
}

func (s Source) path(file string) string { return path.Join(s.Name, file) }

// Load reads providers from directories. A later directory's provider replaces
// an earlier one with the same ID, and takes over the domains that both claim.
// The error is an [Errors] with every mistake in every file; then there is no
// catalogue.
func Load(sources ...Source) (*Catalogue, error) {
	var errs Errors
	layers := make([][]*loaded, len(sources))
	for i, source := range sources {
		files, err := source.list()
		if err != nil {
			errs = append(errs, Error{File: source.path("."), Err: err})
			continue
		}
		layers[i] = loadFiles(source, files)
		for _, l := range layers[i] {
			errs = append(errs, l.errs...)
		}
	}
	c, claims := build(layers)
	if errs = append(errs, claims...); len(errs) > 0 {
		slices.SortStableFunc(errs, func(a, b Error) int {
			return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
		})
		return nil, errs
	}
	return c, nil
}

func (s Source) list() ([]string, error) {
	if s.Files != nil {
		return s.Files, nil
	}
	entries, err := fs.ReadDir(s.FS, ".")
	if err != nil {
		return nil, textfile.Reason(err)
	}
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, e.Name())
		}
	}
	if files == nil {
		return nil, errors.New("has no .toml file; each provider is a file of its own")
	}
	return files, nil
}

// loadFiles reads the files on all processors, and returns them in order.
func loadFiles(source Source, files []string) []*loaded {
	all := make([]*loaded, len(files))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		wg.Go(func() {
			for i := range next {
				all[i] = loadFile(source, files[i])
			}
		})
	}
	for i := range files {
		next <- i
	}
	close(next)
	wg.Wait()
	return all
}

// build makes the index. The later layer wins; inside a layer nothing may be
// claimed twice.
func build(layers [][]*loaded) (*Catalogue, Errors) {
	n := 0
	for _, layer := range layers {
		for _, l := range layer {
			n += len(l.provider.Domains)
		}
	}
	b := builder{
		Catalogue: &Catalogue{
			domains:   make(map[string]*settings.Provider, n),
			wildcards: make(map[string]*settings.Provider),
			mx:        make(map[string]*settings.Provider),
			sources:   make(map[*settings.Provider]int),
		},
		ids: make(map[string]*loaded),
	}
	for i := len(layers) - 1; i >= 0; i-- {
		b.layer(layers[i], i)
	}
	slices.SortFunc(b.providers, func(a, b *settings.Provider) int { return strings.Compare(a.ID, b.ID) })
	return b.Catalogue, b.errs
}

type builder struct {
	*Catalogue
	ids  map[string]*loaded
	errs Errors
}

func (b *builder) layer(layer []*loaded, source int) {
	owners := make(map[*settings.Provider]*loaded, len(layer)) // of this layer
	for _, l := range layer {
		p := l.provider
		if p.ID != "" {
			if other, taken := b.ids[p.ID]; !taken {
				b.ids[p.ID] = l
			} else if owners[other.provider] == nil {
				continue // a later directory replaces it
			} else {
				b.errs = append(b.errs, Error{File: l.file, Line: l.idLine, Key: "id",
					Err: fmt.Errorf("%q is the id of %s too; each provider needs its own", p.ID, other.file)})
				continue
			}
		}
		owners[p] = l
		b.providers = append(b.providers, p)
		b.sources[p] = source
		b.claimDomains(l, owners)
		b.claimMX(l, owners)
	}
}

// claimDomains enters a provider's domains. Those that a later directory has
// taken over are dropped from the provider.
func (b *builder) claimDomains(l *loaded, owners map[*settings.Provider]*loaded) {
	p, kept, mistakes := l.provider, 0, 0
	for i, d := range p.Domains {
		var other *settings.Provider
		switch {
		case d.Wildcard && d.Domain.IsZero():
			if other = b.byDefault; other == nil {
				b.byDefault = p
			}
		case d.Wildcard:
			if other = b.wildcards[d.Domain.ASCII]; other == nil {
				b.wildcards[d.Domain.ASCII] = p
			}
		default:
			if other = b.domains[d.Domain.ASCII]; other == nil {
				b.domains[d.Domain.ASCII] = p
			}
		}
		if other == nil {
			p.Domains[kept] = d
			l.domainLines[kept] = l.domainLines[i]
			kept++
			continue
		}
		if owner := owners[other]; owner != nil {
			file, line := owner.domainAt(d)
			b.errs = append(b.errs, l.domainError(i, fmt.Errorf("%s is claimed at %s:%d already; a domain belongs to one provider", d, file, line)))
			if mistakes++; mistakes == maxListMistakes {
				b.errs = append(b.errs, l.domainError(i, fmt.Errorf("is the %dth domain claimed twice; the rest was not compared", mistakes)))
				break
			}
		}
	}
	p.Domains = p.Domains[:kept]
}

func (b *builder) claimMX(l *loaded, owners map[*settings.Provider]*loaded) {
	for i, d := range l.provider.MX {
		other := b.mx[d.ASCII]
		if other == nil {
			b.mx[d.ASCII] = l.provider
			continue
		}
		if owner := owners[other]; owner != nil {
			line := owner.mxLines[slices.Index(other.MX, d)]
			b.errs = append(b.errs, Error{File: l.file, Line: int(l.mxLines[i]), Key: "mx",
				Err: fmt.Errorf("%s is claimed at %s:%d already; an MX domain belongs to one provider", d, owner.file, line)})
		}
	}
}
