package exchange

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/mtasts"
	"milepost/pacc"
	"milepost/settings"
)

// The files of a bucket's export beside its objects.
const (
	ManifestFile = "manifest.jsonl"
	DeletedFile  = "deleted.txt"
)

// Object is what a bucket holds under one key: a line of the manifest.
type Object struct {
	Key          string `json:"key"`
	ContentType  string `json:"content_type"`
	CacheControl string `json:"cache_control"`
	Size         int64  `json:"size"`   // octets
	SHA256       string `json:"sha256"` // in hexadecimal digits
}

// folder is one of the folders of a bucket, in which each object is called as its
// domain. All of it has the same headers, for upload tools set them a folder.
type folder struct {
	name, contentType, cacheControl string
	render                          func(settings.Account) ([]byte, error)
	own                             bool // of the admin's own domains alone
}

// folders are in the order in which a manifest has the keys of a domain. The first is
// called as an ISP database has it, so it needs no rewriting there. Headers are those
// that the server sends: a policy is cached by nobody (RFC 8461 §3.3).
var folders = []folder{
	{"v1.1", autoconfig.ContentType, "public, max-age=3600", documentOf, false},
	{"ua-auto-config", pacc.ContentType, "public, max-age=3600", pacc.Render, true},
	{"mta-sts", mtasts.ContentType, "no-store", func(a settings.Account) ([]byte, error) { return mtasts.Render(a.Provider.MTASTS) }, true},
}

func documentOf(a settings.Account) ([]byte, error) {
	if reason := noServers(a.Provider); reason != "" {
		return nil, errors.New(reason)
	}
	return autoconfig.Render(a)
}

// member is a domain with the provider that serves it.
type member struct {
	domain   address.Domain
	provider *settings.Provider
}

// members are all domains that are served by name, in the order of their names.
func (e *Exporter) members() []member {
	for _, p := range e.Catalogue.Providers() {
		if reason := noServers(p); reason != "" {
			e.Say(p.ID + ": has no document: " + reason)
		}
		wildcards := 0
		for _, d := range p.Domains {
			if d.Wildcard {
				wildcards++
			}
		}
		if wildcards > 0 || len(p.MX) > 0 {
			e.Say(fmt.Sprintf("%s: what it serves by wildcards (%d) or MX domains (%d) has no object", p.ID, wildcards, len(p.MX)))
		}
		e.providers++
	}
	all := make([]member, 0, e.Catalogue.Domains())
	for d, p := range e.Catalogue.NamedDomains() {
		all = append(all, member{d, p})
	}
	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.domain.ASCII, b.domain.ASCII) })
	return all
}

// Bucket writes the documents that a CDN can send as they are, an object a domain and
// format: the same octets that the server sends about a domain. since is the manifest
// of what the bucket holds already (nil: nothing); then only what differs is written,
// and DeletedFile has the keys that are gone. name is that of since, for mistakes.
func (e *Exporter) Bucket(dir string, since io.Reader, name string) error {
	return e.into(dir, func(t *tree) error {
		for _, f := range folders {
			if err := t.mkdir(f.name); err != nil {
				return err
			}
		}
		return t.create(ManifestFile, func(manifest io.Writer) error {
			return t.create(DeletedFile, func(deleted io.Writer) error {
				b := newBucket(t, manifest, deleted, newHeld(since, name))
				for _, m := range e.members() {
					_, own := e.Catalogue.Claim(m.domain)
					if err := b.add(m, own); err != nil {
						return err
					}
					e.done(1)
				}
				if err := b.end(e.TakeLoss); err != nil {
					return err
				}
				e.Say(fmt.Sprintf("objects: %d; %d to upload, %d to delete", b.objects, b.written, b.deletions))
				return nil
			})
		})
	})
}

// add enters the objects of a domain.
func (b *bucket) add(m member, own bool) error {
	account := m.provider.For(address.Address{Domain: m.domain})
	for i, f := range folders {
		if f.own && !own {
			continue
		}
		body, err := f.render(account)
		if err != nil {
			continue // the format cannot say what the provider has
		}
		if err := b.put(m.provider, place{m.domain.ASCII, i}, body); err != nil {
			return err
		}
	}
	return nil
}

// put enters an object, and writes it if the bucket does not hold it already.
func (b *bucket) put(p *settings.Provider, at place, body []byte) error {
	f := folders[at.folder]
	sum := sha256.Sum256(body)
	o := Object{Key: at.key(), ContentType: f.contentType, CacheControl: f.cacheControl, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	b.objects++
	if err := b.manifest.Encode(o); err != nil {
		return err
	}
	before, err := b.passTo(at)
	if err != nil || before == o {
		return err
	}
	b.written++
	// Domains of a provider often have the same: its policy, say.
	last := last{p, at.folder}
	s := b.last[last]
	if s == nil || !bytes.Equal(s.content, body) {
		if len(b.last) >= maxLast {
			clear(b.last) // every row of a table may have a provider of its own
		}
		s = &shared{tree: b.tree, content: body}
		b.last[last] = s
	}
	return s.add(o.Key)
}

// passTo goes on to a place in what the bucket holds, and lists for deletion what
// lies before it. It returns what is held there.
func (b *bucket) passTo(at place) (Object, error) {
	for {
		held, heldAt, err := b.held.peek()
		if err != nil || held.Key == "" {
			return Object{}, err
		}
		switch c := heldAt.compare(at); {
		case c > 0:
			return Object{}, nil
		case c == 0:
			b.held.next()
			return held, nil
		}
		if err := b.remove(held); err != nil {
			return Object{}, err
		}
	}
}

func (b *bucket) remove(o Object) error {
	b.held.next()
	b.deletions++
	_, err := fmt.Fprintln(b.deleted, o.Key)
	return err
}

// end lists for deletion what lies behind the last object. If all objects would go, or
// more than half of ten or more, a source was rather not there: that is refused, unless
// it is meant.
func (b *bucket) end(takeLoss bool) error {
	for {
		held, _, err := b.held.peek()
		if err != nil {
			return err
		}
		if held.Key == "" {
			break
		}
		if err := b.remove(held); err != nil {
			return err
		}
	}
	n := b.held.read
	if lost := b.deletions == n || n >= 10 && b.deletions > n/2; n > 0 && lost && !takeLoss {
		return fmt.Errorf("%d of the %d objects that %s has would be deleted; is a list or a source of domains empty? -take-loss says that it is meant", b.deletions, n, b.held.name)
	}
	return b.flush()
}
