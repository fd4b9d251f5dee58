package exchange

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"milepost/internal/textfile"
)

// marker stands in every directory that an export has made, so that nothing else is ever
// replaced.
const marker = ".milepost-export"

// tree is a directory that is being written beside its place. It takes that place whole,
// or not at all.
type tree struct {
	dir, aside string
	replace    bool
}

func newTree(dir string, overwrite bool) (*tree, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	t := &tree{dir: dir}
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, textfile.Error{File: dir, Err: textfile.Reason(err)}
	case len(entries) == 0:
		t.replace = true
	case !overwrite:
		return nil, textfile.Error{File: dir, Err: errors.New("is not empty; -overwrite replaces what an export has left there")}
	default:
		if _, err := os.Lstat(filepath.Join(dir, marker)); err != nil {
			return nil, textfile.Error{File: dir, Err: errors.New("holds files that no export has left (" + marker + " is missing), and stays as it is")}
		}
		t.replace = true
	}
	if t.aside, err = os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".new-*"); err != nil {
		return nil, err
	}
	if err := os.Chmod(t.aside, 0o755); err != nil {
		return nil, err
	}
	return t, os.WriteFile(filepath.Join(t.aside, marker), []byte("milepost export\n"), 0o644)
}

// path is where a file is written. Names come from domains and ids, which hold neither
// slash nor dots at their ends; this is the second lock.
func (t *tree) path(name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%q is no name of a file in %s", name, t.dir)
	}
	return filepath.Join(t.aside, name), nil
}

func (t *tree) mkdir(name string) error { return os.Mkdir(filepath.Join(t.aside, name), 0o755) }

// create writes a file.
func (t *tree) create(name string, write func(io.Writer) error) error {
	path, err := t.path(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	err = write(f)
	return errors.Join(err, f.Close())
}

// commit puts the directory in its place.
func (t *tree) commit() error {
	if !t.replace {
		return os.Rename(t.aside, t.dir)
	}
	old := t.aside + ".old"
	if err := os.Rename(t.dir, old); err != nil {
		return err
	}
	if err := os.Rename(t.aside, t.dir); err != nil {
		return errors.Join(err, os.Rename(old, t.dir))
	}
	return os.RemoveAll(old)
}

// discard takes away what has not been put in its place.
func (t *tree) discard() { os.RemoveAll(t.aside) }

// shared is one content under many names. Its files are links to the first one, as far as
// the file system has them: a file of a few lines takes four times as long to make, and a
// block.
type shared struct {
	tree    *tree
	content []byte
	first   string
}

func (s *shared) add(name string) error {
	path, err := s.tree.path(name)
	if err != nil {
		return err
	}
	if s.first != "" && os.Link(s.first, path) == nil {
		return nil
	}
	// The first, or one too many (ext4 has 65,000 links), or no links here.
	s.first = path
	return s.tree.create(name, func(w io.Writer) error {
		_, err := w.Write(s.content)
		return err
	})
}
