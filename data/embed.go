// Package data holds the shipped catalogue.
package data

import (
	"embed"
	"io/fs"
)

//go:embed providers/*.toml
var files embed.FS

// Providers returns the directory of the shipped provider files.
func Providers() fs.FS {
	sub, err := fs.Sub(files, "providers")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return sub
}
