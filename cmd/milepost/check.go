package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"milepost/catalogue"
	"milepost/data"
)

func check(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	c, err := catalogue.Load(sourcesOf(flags.Args())...)
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	fmt.Fprintf(stdout, "milepost: %s, no mistakes\n", size(c))
	return exitOK
}

// sourcesOf makes a source of each directory, and one of all files that stand
// in the same directory, so that they are compared with each other.
func sourcesOf(paths []string) []catalogue.Source {
	if len(paths) == 0 {
		return []catalogue.Source{{Name: builtinName, FS: data.Providers()}}
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
