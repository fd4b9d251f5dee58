// Command deploy holds the compose files and the Kubernetes manifests that are shipped to
// their schemas, and the pods to the restricted Pod Security Standard. It asks nobody but
// the Go module proxy, which has the schemas.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	var o options
	flag.StringVar(&o.kubernetes, "kubernetes", "", "the directory of manifests; all *.yaml below it")
	flag.StringVar(&o.compose, "compose", "", "the directory of compose files; all compose.yaml below it")
	flag.StringVar(&o.extract, "extract", "", "a directory for the files that ConfigMaps hold")
	flag.Parse()
	schemas, err := os.MkdirTemp("", "schemas-")
	if err == nil {
		err = errors.Join(writeSchemas(schemas), run(context.Background(), schemas, o, os.Stdout), os.RemoveAll(schemas))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "deploy:", err)
		os.Exit(1)
	}
}

type options struct{ kubernetes, compose, extract string }

// run checks every file, and returns all mistakes.
func run(ctx context.Context, schemas string, o options, out io.Writer) error {
	manifests, err := below(o.kubernetes, "*.yaml")
	if err != nil {
		return err
	}
	composeFiles, err := below(o.compose, "compose.yaml")
	if err != nil {
		return err
	}
	objects, errs := checkManifests(schemas, manifests)
	for _, file := range composeFiles {
		errs = append(errs, checkCompose(ctx, file)...)
	}
	if o.extract != "" {
		errs = append(errs, extract(objects, o.extract)...)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(out, "   %d Kubernetes objects in %d files, %d compose files\n", len(objects), len(manifests), len(composeFiles))
	return nil
}

// below finds files by a pattern of their name. A directory without one is a mistake.
func below(dir, pattern string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); err == nil && ok && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && files == nil {
		err = fmt.Errorf("%s: has no %s", dir, pattern)
	}
	return files, err
}
