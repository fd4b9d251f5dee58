package httpd

import (
	"sync"

	"milepost/internal/snapshot"
	"milepost/settings"
)

const (
	maxDocuments = 16 << 20 // octets of all that is kept
	maxDocument  = 64 << 10 // octets of a document worth keeping
)

// documents keeps rendered documents that are the same for everybody in a
// domain. Nothing of a local part is in a key or a document. It belongs to one
// snapshot and those that follow from it by changes of rows, and forgets everything with
// another one.
type documents struct {
	mu   sync.RWMutex
	of   *snapshot.Snapshot
	kept map[documentKey]document
	size int // octets of all bodies
}

// documentKey names a document by the first path of its format. A provider is the same as
// long as a document of it is: a domain that has come to another one has another key.
type documentKey struct {
	path     string
	provider *settings.Provider // the catalogue's
	domain   string
}

// get returns a document, made anew if it is not there. Errors are not kept.
func (d *documents) get(of *snapshot.Snapshot, key documentKey, fresh func() (document, error)) (document, error) {
	d.mu.RLock()
	doc, ok := d.kept[key]
	ok = ok && of.Follows(d.of)
	d.mu.RUnlock()
	if ok {
		return doc, nil
	}
	doc, err := fresh()
	if err == nil && len(doc.body) <= maxDocument {
		d.keep(of, key, doc)
	}
	return doc, err
}

func (d *documents) keep(of *snapshot.Snapshot, key documentKey, doc document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !of.Follows(d.of) || d.size+cap(doc.body) > maxDocuments {
		d.kept, d.size = make(map[documentKey]document), 0
	}
	d.of = of
	if _, ok := d.kept[key]; !ok {
		d.kept[key] = doc
		d.size += cap(doc.body)
	}
}
