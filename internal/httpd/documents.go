package httpd

import (
	"sync"

	"milepost/catalogue"
	"milepost/settings"
)

// maxDocuments bounds the memory of a documents to some 10 MB.
const maxDocuments = 4096

// documents keeps rendered documents that are the same for everybody in a
// domain. Nothing of a local part is in a key or a document. It belongs to one
// snapshot of the catalogue and forgets everything with the next.
type documents struct {
	mu      sync.RWMutex
	of      *catalogue.Catalogue
	entries map[documentKey]rendered
}

type documentKey struct {
	provider *settings.Provider
	domain   string
}

// rendered is a document with its entity tag.
type rendered struct {
	body []byte
	etag string
}

// get returns a document, from render if it is not there. Errors are not kept.
func (d *documents) get(of *catalogue.Catalogue, key documentKey, render func() ([]byte, error)) (rendered, error) {
	d.mu.RLock()
	doc, ok := d.entries[key]
	ok = ok && d.of == of
	d.mu.RUnlock()
	if ok {
		return doc, nil
	}
	body, err := render()
	if err != nil {
		return rendered{}, err
	}
	doc = rendered{body, entityTag(body)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of != of || len(d.entries) >= maxDocuments {
		d.of, d.entries = of, make(map[documentKey]rendered)
	}
	d.entries[key] = doc
	return doc, nil
}
