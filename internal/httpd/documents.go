package httpd

import (
	"sync"

	"milepost/catalogue"
	"milepost/settings"
)

const (
	maxDocuments = 16 << 20 // octets that a documents keeps
	maxDocument  = 64 << 10 // octets of a document worth keeping
)

// documents keeps rendered documents that are the same for everybody in a
// domain. Nothing of a local part is in a key or a document. It belongs to one
// snapshot of the catalogue and forgets everything with the next.
type documents struct {
	mu      sync.RWMutex
	of      *catalogue.Catalogue
	entries map[documentKey]rendered
	size    int // octets of all bodies
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
	if len(body) > maxDocument {
		return doc, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of != of || d.size+len(body) > maxDocuments {
		d.of, d.entries, d.size = of, make(map[documentKey]rendered), 0
	}
	if _, ok := d.entries[key]; !ok {
		d.entries[key] = doc
		d.size += cap(body)
	}
	return doc, nil
}
