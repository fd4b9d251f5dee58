package exchange

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"milepost/internal/textfile"
)

// Replace writes a file under another name and renames it, so that nobody reads half of
// it. A symbolic link stays one, and a file keeps its mode. Without overwrite a file that
// is there is an error.
func Replace(path string, overwrite bool, write func(io.Writer) error) error {
	mode := fs.FileMode(0o644)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if !overwrite {
			return textfile.Error{File: path, Err: errors.New("is there already; -overwrite replaces it")}
		}
		path = real
		if info, err := os.Stat(path); err == nil {
			mode = info.Mode().Perm()
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".milepost-*")
	if err != nil {
		return err
	}
	b := bufio.NewWriter(f)
	err = cmp.Or(write(b), b.Flush(), f.Chmod(mode), f.Sync()) // one reason is enough
	err = cmp.Or(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
