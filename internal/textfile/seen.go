package textfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Seen remembers the content of files and directories that were read, so as to tell
// later whether anything has changed: neither a file's time nor its number decides, so
// symbolic links may be swapped and files be put in another's place. A nil one
// remembers nothing.
type Seen struct {
	mu   sync.Mutex
	sums map[string][sha256.Size]byte // by path; of a directory, those of its names
}

// ReadFile is the function [ReadFile], remembered.
func (s *Seen) ReadFile(name string, limit int64) ([]byte, error) {
	return readFile(name, limit, s.FS)
}

// FS is the files below a directory. What is read through it is remembered.
func (s *Seen) FS(dir string) fs.FS {
	if s == nil {
		return os.DirFS(dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return os.DirFS(dir)
	}
	return seenFS{os.DirFS(dir), abs, s}
}

// Changed tells whether a file or a directory has another content than when it was
// read.
func (s *Seen) Changed() bool {
	s.mu.Lock()
	sums := maps.Clone(s.sums)
	s.mu.Unlock()
	for path, before := range sums {
		if current(path) != before {
			return true
		}
	}
	return false
}

// current is the sum of what is there now.
func current(path string) [sha256.Size]byte {
	info, err := os.Stat(path) // first: to open a pipe would wait for ever
	switch {
	case err != nil:
		return sum(nil, err)
	case info.IsDir():
		entries, err := os.ReadDir(path)
		return sumNames(entries, err)
	case !info.Mode().IsRegular():
		return sum(nil, errors.New("is no regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return sum(nil, err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum(nil, err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (s *Seen) note(path string, sum [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sums == nil {
		s.sums = make(map[string][sha256.Size]byte)
	}
	s.sums[path] = sum
}

// sum is that of a content. All files that cannot be read have the same.
func sum(data []byte, err error) [sha256.Size]byte {
	if err != nil {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256(data)
}

func sumNames(entries []fs.DirEntry, err error) [sha256.Size]byte {
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	var text bytes.Buffer
	for _, n := range names {
		text.WriteString(n + "\x00")
	}
	return sum(text.Bytes(), err)
}

type seenFS struct {
	fs.FS
	dir  string // absolute
	seen *Seen
}

func (f seenFS) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f seenFS) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

func (f seenFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	f.seen.note(f.path(name), sumNames(entries, err))
	return entries, err
}

// read notes what [Read] made of a file. One that was refused is looked at again: its
// content may change, too.
func (f seenFS) read(name string, data []byte, err error) {
	path := f.path(name)
	if err != nil {
		f.seen.note(path, current(path))
		return
	}
	f.seen.note(path, sum(data, nil))
}
