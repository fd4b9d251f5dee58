package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"milepost/address"
	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
)

// builtinName stands for the directory of the shipped files in messages.
const builtinName = "builtin"

// providers are the options that say which catalogue is meant.
type providers struct {
	dirs      []string
	noBuiltin bool
}

func (p *providers) register(flags *flag.FlagSet) {
	flags.Func("providers", "", func(dir string) error {
		if dir == "" {
			return errors.New("is empty; a directory is needed")
		}
		p.dirs = append(p.dirs, dir)
		return nil
	})
	flags.BoolVar(&p.noBuiltin, "no-builtin", false, "")
}

func (p *providers) load() (*catalogue.Catalogue, textfile.Errors, error) {
	var builtin catalogue.Source
	if !p.noBuiltin {
		builtin = shipped()
	}
	var own []catalogue.Source
	for _, dir := range p.dirs {
		own = append(own, providerfile.Directory{Name: dir, FS: os.DirFS(dir)})
	}
	if builtin == nil && own == nil {
		return nil, nil, errors.New("no providers: -no-builtin needs a -providers directory")
	}
	return catalogue.New(context.Background(), builtin, own...)
}

// shipped is the catalogue that is built in.
func shipped() catalogue.Source {
	return providerfile.Directory{Name: builtinName, FS: data.Providers()}
}

// warn prints what is no mistake and worth a look.
func warn(stderr io.Writer, warnings textfile.Errors) {
	for _, w := range warnings {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
}

// complainLoad prints why files could not be loaded: each mistake on its own
// line, as file:line: key: …
func complainLoad(stderr io.Writer, err error) {
	errs, ok := errors.AsType[textfile.Errors](err)
	if !ok {
		complain(stderr, "%s", err)
		return
	}
	for _, e := range errs {
		fmt.Fprintln(stderr, e)
	}
	what, manual := "catalogue", "docs/catalogue.md"
	if _, ok := errors.AsType[configError](err); ok {
		what, manual = "configuration", "docs/dns.md or docs/pages.md"
	}
	complain(stderr, "%s in the %s; %s says what is allowed", count(len(errs), "mistake"), what, manual)
}

// configError is mistakes in milepost.toml, or in what it names.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// complainUnknown says for which domains there is no provider, and what to do.
func complainUnknown(stderr io.Writer, domains ...address.Domain) {
	for _, d := range domains {
		complain(stderr, "no provider is known for the domain %s", d)
	}
	complain(stderr, "to add it, write a file as docs/catalogue.md shows and give its directory with -providers")
}

// size says how much a catalogue holds.
func size(c *catalogue.Catalogue) string {
	return count(len(c.Providers()), "provider") + ", " + count(c.Domains(), "domain")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
