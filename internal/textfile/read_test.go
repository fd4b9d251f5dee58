package textfile_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"milepost/internal/fixture"
	"milepost/internal/textfile"
)

// growing is a file that is longer than the system says.
type growing struct{ fs.FS }

func (g growing) Open(name string) (fs.File, error) {
	f, err := g.FS.Open(name)
	return short{f}, err
}

type short struct{ fs.File }

func (s short) Stat() (fs.FileInfo, error) {
	info, err := s.File.Stat()
	return sizeOf{info}, err
}

type sizeOf struct{ fs.FileInfo }

func (sizeOf) Size() int64 { return 3 }

// failing opens, and cannot be read to its end.
type failing struct{ fs.FS }

func (f failing) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	return broken{file}, err
}

type broken struct{ fs.File }

func (broken) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: "x", Err: errors.New("input/output error")}
}

func TestRead(t *testing.T) {
	const limit = 2 << 20
	long := strings.Repeat("a", limit)
	for _, tc := range []struct {
		name, file string
		fsys       fs.FS
		want       int // octets
		err        string
	}{
		{"some", "f", fixture.FS("f", "text"), 4, ""},
		{"empty", "f", fixture.FS("f", ""), 0, ""},
		{"as long as may be", "f", fixture.FS("f", long), limit, ""},
		{"too long", "f", fixture.FS("f", long+"a"), 0, "has 3 MiB; at most 2 MiB are allowed"},
		{"growing", "f", growing{fixture.FS("f", long)}, limit, ""},
		{"growing without end", "f", growing{fixture.FS("f", long+"a")}, 0, "is longer than 2 MiB; that is not allowed"},
		{"broken", "f", failing{fixture.FS("f", "text")}, 0, "input/output error"},
		{"absent", "g", fixture.FS("f", "text"), 0, "file does not exist"},
		{"a directory", "d", fixture.FS("d/f", "text"), 0, "is a directory; must be a file"},
		{"a pipe", "f", fstest.MapFS{"f": {Mode: fs.ModeNamedPipe}}, 0, "is no regular file; must be one"},
		{"a device", "f", fstest.MapFS{"f": {Mode: fs.ModeDevice}}, 0, "is no regular file; must be one"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, err := textfile.Read(tc.fsys, tc.file, limit)
			if len(data) != tc.want || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
				t.Errorf("%d octets, %v", len(data), err)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	t.Chdir(fixture.Directory(t, "d/f", "text"))
	if err := os.Symlink("d/f", "link"); err != nil {
		t.Skip(err)
	}
	for _, tc := range []struct{ name, file, err string }{
		{"in a directory", "d/f", ""},
		{"by the directory above", "d/../d/f", ""},
		{"by a link", "link", ""},
		{"a directory", "d", "is a directory; must be a file"},
		{"here", ".", "is a directory; must be a file"},
		{"the root", "/", "is no file name"},
		{"absent", "d/g", "no such file or directory"},
		{"in no directory", "e/f", "no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			data, err := textfile.ReadFile(tc.file, 100)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("%q, %v", data, err)
				}
			} else if err != nil || string(data) != "text" {
				t.Errorf("%q, %v", data, err)
			}
		})
	}
}
