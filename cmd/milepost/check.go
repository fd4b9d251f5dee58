package main

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/textfile"
	"milepost/settings"
)

func check(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	configFile := flags.String("config", "", "")
	var public publicURL
	public.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	sources := sourcesOf(flags.Args())
	c, err := catalogue.Load(sources...)
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	if *configFile != "" {
		warnings, err := checkConfig(*configFile, publicHost(public), flags.NArg() > 0, sources)
		if err != nil {
			complainLoad(stderr, err)
			return exitNo
		}
		for _, warning := range warnings {
			complain(stderr, "%s", warning)
		}
	}
	fmt.Fprintf(stdout, "milepost: %s, no mistakes\n", size(c))
	return exitOK
}

// checkConfig makes the zones that serve would make of a configuration and, if
// they are the admin's own, of the providers.
func checkConfig(file string, public settings.Hostname, own bool, sources []catalogue.Source) (textfile.Errors, error) {
	l := &loaded{publicHost: public}
	var err error
	if l.config, err = config.Load(file); err != nil {
		return nil, configError{err}
	}
	if own {
		sources = append([]catalogue.Source{shipped()}, sources...)
	}
	if l.catalogue, err = catalogue.Load(sources...); err != nil {
		return nil, err
	}
	for i := range sources[1:] {
		l.given = append(l.given, l.catalogue.From(i+1)...)
	}
	// Not this machine's address: another one may serve.
	_, warnings, err := l.zones([]netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil)
	return warnings, err
}

// sourcesOf makes a source of each directory, and one of all files that stand
// in the same directory, so that they are compared with each other.
func sourcesOf(paths []string) []catalogue.Source {
	if len(paths) == 0 {
		return []catalogue.Source{shipped()}
	}
	var sources []catalogue.Source
	files := make(map[string]int) // by directory: the index of its source
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			sources = append(sources, catalogue.Source{Name: filepath.Clean(path), FS: os.DirFS(filepath.Clean(path))})
			continue
		}
		dir, file := filepath.Dir(path), filepath.Base(path)
		i, ok := files[dir]
		if !ok {
			i = len(sources)
			files[dir] = i
			sources = append(sources, catalogue.Source{Name: dir, FS: os.DirFS(dir)})
		}
		sources[i].Files = append(sources[i].Files, file)
	}
	return sources
}
