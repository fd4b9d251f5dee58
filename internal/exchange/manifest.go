package exchange

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"milepost/internal/textfile"
	"milepost/settings"
)

// place is where an object stands in a manifest: by domain, then by folder. So a
// manifest and a catalogue are compared line by line, however many there are.
type place struct {
	domain string
	folder int // its index
}

func (p place) key() string { return folders[p.folder].name + "/" + p.domain }

func (p place) compare(q place) int {
	if c := strings.Compare(p.domain, q.domain); c != 0 {
		return c
	}
	return p.folder - q.folder
}

// placeOf is false for a key that no export has made.
func placeOf(key string) (place, bool) {
	name, domain, _ := strings.Cut(key, "/")
	for i, f := range folders {
		if f.name == name && domain != "" && !strings.ContainsFunc(domain, neverInDomain) {
			return place{domain, i}, true
		}
	}
	return place{}, false
}

func neverInDomain(r rune) bool {
	return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// bucket is an export that is being written.
type bucket struct {
	tree                        *tree
	manifest                    *json.Encoder
	deleted                     io.Writer
	flush                       func() error
	held                        *held
	last                        map[last]*shared
	objects, written, deletions int
}

// last names the content that was written last for a provider into a folder.
type last struct {
	provider *settings.Provider
	folder   int
}

// maxLast is how many contents are kept, of some kilobytes at most.
const maxLast = 4096

func newBucket(t *tree, manifest, deleted io.Writer, h *held) *bucket {
	m, d := bufio.NewWriter(manifest), bufio.NewWriter(deleted)
	return &bucket{
		tree: t, manifest: json.NewEncoder(m), deleted: d, held: h, last: make(map[last]*shared),
		flush: func() error { return errors.Join(m.Flush(), d.Flush()) },
	}
}

// held reads the manifest of what a bucket holds.
type held struct {
	lines *bufio.Scanner // nil: it holds nothing
	name  string
	read  int // lines

	object Object // the next one; without Key: not read yet
	at     place
}

func newHeld(r io.Reader, name string) *held {
	h := &held{name: name}
	if r != nil {
		h.lines = bufio.NewScanner(r)
	}
	return h
}

// peek returns the next object, and one without Key at the end.
func (h *held) peek() (Object, place, error) {
	if h.object.Key != "" || h.lines == nil {
		return h.object, h.at, nil
	}
	if !h.lines.Scan() {
		if err := h.lines.Err(); err != nil {
			return Object{}, place{}, textfile.Error{File: h.name, Line: h.read + 1, Err: err}
		}
		return Object{}, place{}, nil
	}
	h.read++
	var o Object
	decoder := json.NewDecoder(strings.NewReader(h.lines.Text()))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil || decoder.More() {
		return Object{}, place{}, h.mistake(errors.New("is no line of a manifest that an export has made"))
	}
	at, ok := placeOf(o.Key)
	switch {
	case !ok:
		return Object{}, place{}, h.mistake(fmt.Errorf("%.300q is no key that an export has made", o.Key))
	case h.read > 1 && h.at.compare(at) >= 0:
		return Object{}, place{}, h.mistake(fmt.Errorf("%s is not in its place; a manifest stays in the order in which it was written", o.Key))
	}
	h.object, h.at = o, at
	return o, at, nil
}

// next passes over what peek has returned.
func (h *held) next() { h.object = Object{} }

func (h *held) mistake(err error) error {
	return textfile.Error{File: h.name, Line: h.read, Err: err}
}
