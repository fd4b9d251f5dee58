package textfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/textfile"
)

func TestErrorIsOneLine(t *testing.T) {
	for name, tc := range map[string]struct {
		err  textfile.Error
		want string
	}{
		"all parts":            {textfile.Error{File: "f", Line: 2, Key: "k", Err: errors.New("is wrong")}, "f:2: k: is wrong"},
		"a file's odd name":    {textfile.Error{File: "a\nb\x1b[2J", Err: errors.New("is wrong")}, `a\nb\x1b[2J: is wrong`},
		"a quote at the end":   {textfile.Error{File: "f", Err: errors.New("\x00 is not \"x\"")}, `f: \x00 is not \"x\"`},
		"no text at all":       {textfile.Error{File: "f", Key: "\xff", Err: errors.New("is wrong")}, `f: \xff: is wrong`},
		"quotes that are fine": {textfile.Error{File: "f", Err: errors.New(`"x" is wrong`)}, `f: "x" is wrong`},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// grown is a file that has more octets than its size says, as those in /proc do
// and one that is being written.
type grown struct{ size int64 }

func (g grown) Open(string) (fs.File, error) {
	return &grownFile{strings.NewReader(strings.Repeat("x", 5000)), g}, nil
}
func (g grown) Name() string       { return "f" }
func (g grown) Size() int64        { return g.size }
func (g grown) Mode() fs.FileMode  { return 0o644 }
func (g grown) ModTime() time.Time { return time.Time{} }
func (g grown) IsDir() bool        { return false }
func (g grown) Sys() any           { return nil }

type grownFile struct {
	*strings.Reader
	stat grown
}

func (f *grownFile) Stat() (fs.FileInfo, error) { return f.stat, nil }
func (f *grownFile) Close() error               { return nil }

func TestReadChanging(t *testing.T) {
	for name, tc := range map[string]struct {
		size, limit int64
		want        string
	}{
		"grows":                 {10, 5000, ""},
		"grows beyond":          {10, 4999, "is longer than 0 MiB; that is not allowed"},
		"shrinks":               {1 << 20, 1 << 20, ""},
		"has no size":           {0, 5000, ""},
		"has no size, too long": {0, 4999, "is longer than 0 MiB; that is not allowed"},
	} {
		text, err := textfile.Read(grown{tc.size}, "f", tc.limit)
		switch {
		case tc.want != "" && (err == nil || err.Error() != tc.want):
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		case tc.want == "" && (err != nil || len(text) != 5000):
			t.Errorf("%s: %d octets, %v", name, len(text), err)
		}
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	loop, absent := filepath.Join(dir, "loop"), filepath.Join(dir, "absent")
	if err := os.Symlink(loop, loop); err != nil {
		t.Skip(err)
	}
	for name, want := range map[string]string{
		loop:   "too many levels of symbolic links",
		absent: "no such file or directory",
		dir:    "is a directory; must be a file",
		"/":    "is no file name",
	} {
		if _, err := textfile.ReadFile(name, 1<<20); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}
