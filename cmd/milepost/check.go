package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"milepost/catalogue"
	"milepost/internal/providerfile"
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
	own := sourcesOf(flags.Args())
	var builtin catalogue.Source
	if own == nil {
		builtin = shipped()
	}
	c, warnings, err := catalogue.New(context.Background(), builtin, own...)
	warn(stderr, warnings)
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	if *configFile != "" {
		warnings, err := checkConfig(*configFile, publicHost(public), own)
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
func checkConfig(file string, public settings.Hostname, own []catalogue.Source) (textfile.Errors, error) {
	l := &loaded{publicHost: public}
	var err error
	if l.config, l.branding, err = loadConfig(file); err != nil {
		return nil, err
	}
	if l.catalogue, _, err = catalogue.New(context.Background(), shipped(), own...); err != nil {
		return nil, err
	}
	l.given = l.catalogue.Own()
	// Not this machine's address: another one may serve.
	_, warnings, err := l.zones([]netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil)
	return warnings, err
}

// sourcesOf makes a source of each directory, and one of all files that stand
// in the same directory, so that they are compared with each other.
func sourcesOf(paths []string) []catalogue.Source {
	var sources []catalogue.Source
	files := make(map[string]*providerfile.Directory) // by their directory
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			sources = append(sources, providerfile.Directory{Name: filepath.Clean(path), FS: os.DirFS(filepath.Clean(path))})
			continue
		}
		dir, file := filepath.Dir(path), filepath.Base(path)
		if files[dir] == nil {
			files[dir] = &providerfile.Directory{Name: dir, FS: os.DirFS(dir)}
			sources = append(sources, files[dir])
		}
		files[dir].Files = append(files[dir].Files, file)
	}
	return sources
}
