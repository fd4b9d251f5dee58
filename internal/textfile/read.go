package textfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Read reads a file up to a size, so that a wrong path cannot eat the memory.
func Read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	data, err := read(fsys, name, limit)
	if f, ok := fsys.(seenFS); ok {
		f.read(name, data, err)
	}
	return data, err
}

func read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	info, err := fs.Stat(fsys, name) // first: to open a pipe would wait for ever
	switch {
	case err != nil:
		return nil, Reason(err)
	case info.IsDir():
		return nil, errors.New("is a directory; must be a file")
	case !info.Mode().IsRegular():
		return nil, errors.New("is no regular file; must be one")
	case info.Size() > limit:
		return nil, fmt.Errorf("has %d MiB; at most %d MiB are allowed", (info.Size()+1<<20-1)>>20, limit>>20)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, Reason(err)
	}
	defer f.Close()
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, Reason(err)
	}
	if int64(text.Len()) > limit { // it grew, or has no size, as in /proc
		return nil, fmt.Errorf("is longer than %d MiB; that is not allowed", limit>>20)
	}
	return text.Bytes(), nil
}

// ReadFile is [Read] for a path of the operating system.
func ReadFile(name string, limit int64) ([]byte, error) {
	return readFile(name, limit, os.DirFS)
}

func readFile(name string, limit int64, below func(dir string) fs.FS) ([]byte, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	dir, file := filepath.Split(abs)
	if !fs.ValidPath(file) {
		return nil, errors.New("is no file name")
	}
	return Read(below(dir), file, limit)
}

// Reason drops the path that the message names already.
func Reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
