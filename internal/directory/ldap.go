package directory

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"milepost/address"
	"milepost/internal/config"
)

const (
	ldapPage        = 500             // entries; Active Directory gives 1000 at most
	ldapPageTimeout = 1 * time.Minute // until a page is there
	// ldapListings is how much of its time the reader may spend on finding out what
	// has been deleted, of which LDAP keeps no record that everybody may read: one
	// part in so many.
	ldapListings = 10
)

// ldapReader reads domains from LDAP (RFC 4511), a page at a time (RFC 2696). Each value
// of the attributes is a domain, or the address of somebody in it.
type ldapReader struct {
	server   *ldapServer
	base     string // empty: the server's naming context
	preset   ldapPreset
	searches []ldapSearch
	// The attributes of an entry that say what the domain belongs to; empty: none does.
	provider, host, name string

	conn *ldapConn
	root ldapRoot

	seed  maphash.Seed
	known map[string]uint64 // the entry of each domain; nil: not known
	empty map[uint64]bool   // entries that have none
	// shared: a domain is in several entries, so it need not be gone when it is gone
	// from one.
	shared  bool
	listed  time.Time     // when it was last known which entries there are
	listing time.Duration // how long that took
	owing   bool          // that was too long ago
}

// openLDAP makes the reader of a source. It connects to nothing yet.
func openLDAP(s config.Source) (reader, error) {
	server, err := parseLDAP(s.DSN)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	r := &ldapReader{server: server, base: s.Base, seed: maphash.MakeSeed()}
	var ok bool
	if r.preset, ok = ldapPresets[s.Preset]; !ok && s.Preset != "" {
		return nil, errLDAPPreset(s.Preset)
	}
	var key string
	if r.searches, key, err = r.preset.searches(s); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	for _, search := range r.searches {
		if search.filter == "" || len(search.attributes) == 0 {
			return nil, errors.New("needs filter and domain_attribute, or a preset")
		}
	}
	if len(r.searches) == 0 {
		return nil, errors.New("needs filter and domain_attribute, or a preset")
	}
	if base, err := parseBase(s.Base); err != nil {
		return nil, fmt.Errorf("base: %w", err)
	} else if base.placeholders() > 0 {
		return nil, fmt.Errorf("base: %q has a placeholder; it is asked for all domains", s.Base)
	}
	for _, a := range []struct {
		key, name string
		to        *string
	}{
		{"provider_attribute", s.ProviderAttribute, &r.provider},
		{"host_attribute", s.HostAttribute, &r.host},
		{"name_attribute", s.NameAttribute, &r.name},
	} {
		if a.name == "" {
			continue
		}
		if *a.to, err = parseAttribute(a.name); err != nil {
			return nil, fmt.Errorf("%s: %w", a.key, err)
		}
	}
	return r, nil
}

func errLDAPPreset(name string) error {
	var names []string
	for known := range ldapPresets {
		names = append(names, known)
	}
	slices.Sort(names)
	return fmt.Errorf("preset: %q is no preset for LDAP; %s are allowed", name, strings.Join(names, ", "))
}

func (r *ldapReader) close() {
	if r.conn != nil {
		r.conn.hangUp()
		r.conn = nil
	}
}

// version is OpenLDAP's contextCSN of the naming context, which the overlay syncprov
// keeps, or Active Directory's highestCommittedUSN. Every write to the server changes it,
// also one that has nothing to do with domains.
func (r *ldapReader) version(ctx context.Context) (version string, err error) {
	err = r.connected(ctx, func() error {
		if r.root.activeDirectory {
			version = r.root.usn
			return nil
		}
		entry, err := r.conn.read(r.root.suffix, "contextCSN")
		if err != nil {
			return r.said(err)
		}
		if entry == nil {
			return nil
		}
		values := slices.Sorted(slices.Values(entry.GetEqualFoldAttributeValues("contextCSN")))
		version = strings.Join(values, " ") // one of each server that takes writes
		return nil
	})
	if r.owing {
		version = ""
	}
	return version, err
}

func (r *ldapReader) all(ctx context.Context, yield func(record) error) (total int, err error) {
	return -1, r.connected(ctx, func() error {
		started := time.Now()
		r.known = nil
		known, empty, shared := make(map[string]uint64), make(map[uint64]bool), false
		for i, search := range r.searches {
			err := r.pages(search.filter, r.wanted(search), func(e *ldap.Entry) error {
				entry, records := r.entry(i, e), r.records(search, e)
				if len(records) == 0 {
					empty[entry] = true
				}
				for _, record := range records {
					d := domainKey(record.domain)
					if _, twice := known[d]; twice {
						shared = true
						continue
					}
					known[d] = entry
					if err := yield(record); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		r.known, r.empty, r.shared = known, empty, shared
		r.listed, r.listing, r.owing = started, time.Since(started), false
		return nil
	})
}

// since finds what was changed by the time in the entries, and what was deleted by a list
// of all their names. The list is made only if the last one was long enough ago; until
// it is, the version is not known, so that since is called again.
func (r *ldapReader) since(ctx context.Context, at uint32, yield func(record) error) (total int, ok bool, err error) {
	if r.known == nil || r.shared {
		return -1, false, nil
	}
	err = r.connected(ctx, func() error {
		known := r.known
		r.known = nil // until it is known to be right again
		changed, regular, err := r.changes(ctx, at, known, yield)
		if err != nil || !regular {
			return err
		}
		var there map[uint64]bool
		if r.owing = time.Since(r.listed) < ldapListings*r.listing; !r.owing {
			if there, err = r.list(); err != nil {
				return err
			}
		}
		left, err := r.gone(known, changed, there, yield)
		if err != nil || left {
			return err
		}
		r.known, ok = known, true
		return nil
	})
	return -1, ok, err
}

// changes yields the domains of the entries that were changed, notes them, and returns
// them by entry. It is not regular if one of them was another entry's.
func (r *ldapReader) changes(ctx context.Context, at uint32, known map[string]uint64, yield func(record) error) (changed map[uint64][]string, regular bool, err error) {
	changed, regular = make(map[uint64][]string), true
	when := time.Unix(int64(at), 0).UTC().Format("20060102150405.0Z") // RFC 4517 §3.3.13
	for i, search := range r.searches {
		filter := "(&" + search.filter + "(" + r.root.changed() + ">=" + when + "))"
		err := r.pages(filter, r.wanted(search), func(e *ldap.Entry) error {
			entry := r.entry(i, e)
			delete(r.empty, entry)
			changed[entry] = nil
			for _, record := range r.records(search, e) {
				d := domainKey(record.domain)
				if owner, is := known[d]; is && owner != entry {
					regular = false
				}
				known[d] = entry
				changed[entry] = append(changed[entry], d)
				if err := yield(record); err != nil {
					return err
				}
			}
			if changed[entry] == nil {
				r.empty[entry] = true
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
	}
	return changed, regular, nil
}

// list returns the entries that there are.
func (r *ldapReader) list() (map[uint64]bool, error) {
	started := time.Now()
	there := make(map[uint64]bool)
	for i, search := range r.searches {
		err := r.pages(search.filter, []string{"1.1"}, func(e *ldap.Entry) error { // RFC 4511 §4.5.1.8: no attributes
			there[r.entry(i, e)] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	r.listed, r.listing = started, time.Since(started)
	return there, nil
}

// gone yields the domains that are gone from their entries, or with them, and forgets
// them. It tells whether there are entries of which it did not know: they changed
// without a time that says so, as through replication or another access list.
func (r *ldapReader) gone(known map[string]uint64, changed map[uint64][]string, there map[uint64]bool, yield func(record) error) (left bool, err error) {
	if len(changed) == 0 && there == nil {
		return false, nil
	}
	met := make(map[uint64]bool, len(there))
	for d, entry := range known {
		now, isChanged := changed[entry]
		if there[entry] {
			met[entry] = true
		}
		if isChanged && !slices.Contains(now, d) || there != nil && !there[entry] {
			delete(known, d)
			if err := yield(record{domain: d, gone: true}); err != nil {
				return false, err
			}
		}
	}
	for entry := range there {
		if !met[entry] && !r.empty[entry] {
			return true, nil
		}
	}
	return false, nil
}

// entry identifies an entry that a search found.
func (r *ldapReader) entry(search int, e *ldap.Entry) uint64 {
	return maphash.String(r.seed, strconv.Itoa(search)+e.DN)
}

// domainKey is equal for the spellings of a domain.
func domainKey(s string) string {
	if d, err := address.ParseDomain(s); err == nil {
		return d.ASCII
	}
	return s
}

// wanted are the attributes that a search asks for.
func (r *ldapReader) wanted(s ldapSearch) []string {
	attributes := append([]string{r.root.changed()}, s.attributes...)
	for _, a := range []string{r.provider, r.host, r.name} {
		if a != "" {
			attributes = append(attributes, a)
		}
	}
	return attributes
}

// records are the domains of an entry.
func (r *ldapReader) records(s ldapSearch, e *ldap.Entry) []record {
	first := func(attribute string) string {
		if attribute == "" {
			return ""
		}
		return e.GetEqualFoldAttributeValue(attribute)
	}
	var changed int64
	if at, err := time.Parse("20060102150405Z0700", first(r.root.changed())); err == nil {
		changed = at.Unix()
	}
	var out []record
	for _, attribute := range s.attributes {
		for _, value := range e.GetEqualFoldAttributeValues(attribute) {
			d := value[strings.LastIndexByte(value, '@')+1:]
			if slices.ContainsFunc(out, func(o record) bool { return strings.EqualFold(o.domain, d) }) {
				continue
			}
			out = append(out, record{domain: d, provider: first(r.provider), host: first(r.host), name: first(r.name), changed: changed})
		}
	}
	return out
}
