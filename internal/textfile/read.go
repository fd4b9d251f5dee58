package textfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Read reads a file up to a size, so that a wrong path cannot eat the
// memory.
func Read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name) // first: to open a pipe would wait for ever
	switch {
	case err != nil:
		return nil, Reason(err)
	case info.IsDir():
		return nil, errors.New("is a directory; must be a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("is no regular file; must be one")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, Reason(err)
	}
	defer f.Close()
	if info.Size() > limit {
		return nil, fmt.Errorf("has %d MiB; at most %d MiB are allowed", (info.Size()+1<<20-1)>>20, limit>>20)
	}
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, Reason(err)
		case int64(len(data)) > limit:
			return nil, fmt.Errorf("is longer than %d MiB; that is not allowed", limit>>20)
		case len(data) == cap(data):
			data = slices.Grow(data, 512)
		}
	}
}

// ReadFile is [Read] for a path of the operating system.
func ReadFile(name string, limit int64) ([]byte, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	dir, file := filepath.Split(abs)
	if !fs.ValidPath(file) {
		return nil, errors.New("is no file name")
	}
	return Read(os.DirFS(dir), file, limit)
}

// Reason drops the path that the message names already.
func Reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
