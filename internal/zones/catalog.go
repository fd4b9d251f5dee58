package zones

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// CatalogZone lists all other zones (RFC 9432), for secondaries that set up by
// themselves what it has. It is made while it is read: it may have millions of members.
// It never changes.
type CatalogZone struct {
	origin  string
	serial  uint32
	set     *Set // has the members
	members int
	sum     sum
	steps   []step // from earlier serials to this one, the oldest first
	listed  int    // names in steps
}

// step is how the members of one serial became those of the next.
type step struct {
	from           uint32
	removed, added []string
}

// What is kept of the past; a secondary that has missed more gets the whole zone.
const (
	maxJournal = 1000    // steps
	maxListed  = 100_000 // names
)

// Timers of the catalog zone's SOA record, in seconds. A secondary that was not told of
// a new zone does not answer for it, so it looks more often than at other zones.
const (
	catalogRefresh = 600
	catalogRetry   = 60
	catalogExpire  = 14 * 24 * 3600
)

// newCatalogZone makes the catalog zone that a set's configuration names; nil: it names
// none. If domains is not nil, no other domain's zones differ from those of the previous
// set.
func newCatalogZone(s, previous *Set, domains []claimed, at Time) *CatalogZone {
	if s.conf.DNS.CatalogZone == "" {
		return nil
	}
	c := &CatalogZone{origin: s.conf.DNS.CatalogZone, set: s}
	old := previous.CatalogZone()
	if old == nil || old.origin != c.origin {
		c.count()
		c.serial = s.catalogSerial(previous, c.sum, at)
		return c
	}
	last := step{from: old.serial}
	if domains == nil {
		if c.count(); c.sum != old.sum {
			last.removed, last.added = gone(previous, s), gone(s, previous)
		}
	} else {
		last.removed, last.added = moved(s, previous, domains)
		c.members, c.sum = old.members+len(last.added)-len(last.removed), old.sum
		for _, name := range last.removed {
			c.sum = c.sum.without(memberHash(name))
		}
		for _, name := range last.added {
			c.sum = c.sum.with(memberHash(name))
		}
	}
	c.serial, c.steps, c.listed = old.serial, old.steps, old.listed
	n := len(last.removed) + len(last.added)
	if n > 0 || domains == nil && at.Agree != nil { // the others may have agreed on another serial
		c.serial = s.catalogSerial(previous, c.sum, at)
	}
	switch {
	case int32(c.serial-old.serial) > 0:
		c.steps, c.listed = append(slices.Clip(c.steps), last), c.listed+n
	case n > 0: // no secondary takes it, so none of what it has leads here
		c.steps, c.listed = nil, 0
	}
	for len(c.steps) > 0 && (len(c.steps) > maxJournal || c.listed > min(maxListed, c.members)) {
		c.listed -= len(c.steps[0].removed) + len(c.steps[0].added)
		c.steps = c.steps[1:]
	}
	return c
}

// catalogSerial returns a serial that the catalog zone has not had with other members.
func (s *Set) catalogSerial(previous *Set, members sum, at Time) uint32 {
	const name = "catalog"
	o := &s.serials
	if at.Agree != nil {
		serial := at.agreed(map[string][32]byte{name: members.octets()})[name]
		o.highest, o.given = max(o.highest, serial), max(o.given, serial)
		return serial
	}
	if previous != nil && o.highest == previous.serials.highest {
		return o.fresh(at)
	}
	o.highest = max(o.highest, at.Serial)
	o.given = o.highest // even if it is as high as a row's
	return o.highest
}

func (c *CatalogZone) count() {
	for name := range c.set.Names() {
		c.members++
		c.sum = c.sum.with(memberHash(name))
	}
}

// gone returns the zones of one set that another does not have. More than are kept are
// not looked for.
func gone(s, other *Set) (names []string) {
	for name := range s.Names() {
		if !other.Has(name) {
			if names = append(names, name); len(names) > maxListed {
				break
			}
		}
	}
	return names
}

// moved returns the zones of some domains that only the previous, or only this set has.
func moved(s, previous *Set, domains []claimed) (removed, added []string) {
	seen := make(map[string]bool, len(domains))
	for _, d := range domains {
		if seen[d.ASCII] {
			continue
		}
		seen[d.ASCII] = true
		for _, label := range s.conf.DNS.DomainZones {
			name := domainZone(label, d.Domain)
			switch was, is := previous.Has(name), s.Has(name); {
			case was && !is:
				removed = append(removed, name)
			case is && !was:
				added = append(added, name)
			}
		}
	}
	return removed, added
}

// Has tells whether there is a zone of that absolute name; false for no set.
func (s *Set) Has(name string) bool {
	if c := s.CatalogZone(); s == nil || c != nil && c.origin == name {
		return c != nil
	}
	origin, _, ok := s.origin(name)
	return ok && origin == name
}

// withCatalogZone yields the catalog zone, if it is another than that of the previous set,
// before other zones.
func (s *Set) withCatalogZone(previous *Set, names iter.Seq[string]) iter.Seq[string] {
	return func(yield func(string) bool) {
		c, was := s.CatalogZone(), previous.CatalogZone()
		if c != nil && (was == nil || was.origin != c.origin || was.serial != c.serial) && !yield(c.origin) {
			return
		}
		names(yield)
	}
}

// overlapsCatalog tells whether a zone of that canonical name would overlap the catalog
// zone.
func (s *Set) overlapsCatalog(name string) bool {
	below := func(name, zone string) bool { // dns.IsSubDomain is slow for a million domains
		rest, ok := strings.CutSuffix(name, zone)
		return ok && (rest == "" || strings.HasSuffix(rest, "."))
	}
	catalog := s.conf.DNS.CatalogZone
	return catalog != "" && (below(catalog, name) || below(name, catalog))
}

// CatalogZone returns the zone that lists all others; nil: there is none, or no set.
func (s *Set) CatalogZone() *CatalogZone {
	if s == nil {
		return nil
	}
	return s.catalogZone
}

// Name returns the zone's name without its final dot.
func (c *CatalogZone) Name() string { return strings.TrimSuffix(c.origin, ".") }

// Members is how many zones it lists.
func (c *CatalogZone) Members() int { return c.members }

// SOA makes the zone's SOA record.
func (c *CatalogZone) SOA() *dns.SOA { return c.soa(c.serial) }

func (c *CatalogZone) soa(serial uint32) *dns.SOA {
	return &dns.SOA{Hdr: c.header(c.origin, dns.TypeSOA), Ns: "invalid.", Mbox: "invalid.", Serial: serial,
		Refresh: catalogRefresh, Retry: catalogRetry, Expire: catalogExpire}
}

// header has the TTL that RFC 9432 §4 shows, where no TTL means anything.
func (c *CatalogZone) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET}
}

// Records yields every record, the SOA first and only once.
func (c *CatalogZone) Records() iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		if !yield(c.SOA()) ||
			!yield(&dns.NS{Hdr: c.header(c.origin, dns.TypeNS), Ns: "invalid."}) || // RFC 9432 §4.1
			!yield(&dns.TXT{Hdr: c.header("version."+c.origin, dns.TypeTXT), Txt: []string{"2"}}) { // RFC 9432 §4.3.1
			return
		}
		for name := range c.set.Names() {
			if !yield(c.member(name)) {
				return
			}
		}
	}
}

// Since yields the differences between an earlier serial's records and these as an IXFR
// response has them (RFC 1995 §4), SOA records and all. False: they are not kept.
func (c *CatalogZone) Since(serial uint32) (_ iter.Seq[dns.RR], ok bool) {
	first := len(c.steps)
	for first > 0 && c.steps[first-1].from != serial {
		first--
	}
	if first == 0 {
		return nil, false
	}
	return func(yield func(dns.RR) bool) {
		if !yield(c.SOA()) {
			return
		}
		for i := first - 1; i < len(c.steps); i++ {
			to := c.serial
			if i+1 < len(c.steps) {
				to = c.steps[i+1].from
			}
			if !c.yield(yield, c.steps[i].from, c.steps[i].removed) || !c.yield(yield, to, c.steps[i].added) {
				return
			}
		}
		yield(c.SOA())
	}, true
}

// yield yields one half of a difference.
func (c *CatalogZone) yield(yield func(dns.RR) bool, serial uint32, names []string) bool {
	if !yield(c.soa(serial)) {
		return false
	}
	for _, name := range names {
		if !yield(c.member(name)) {
			return false
		}
	}
	return true
}

// idSize is how many octets of a hash name a member: no two of millions share them.
const idSize = 20

// member makes the record of a zone (RFC 9432 §4.2). The label is made of the zone's
// name alone, so it is the same on every server and at all times: another label would
// tell secondaries to forget what they know of the zone (RFC 9432 §5.4).
func (c *CatalogZone) member(name string) dns.RR {
	hash := memberHash(name)
	id := base32.HexEncoding.EncodeToString(hash[:idSize])
	return &dns.PTR{Hdr: c.header(strings.ToLower(id)+".zones."+c.origin, dns.TypePTR), Ptr: name}
}

func memberHash(name string) [sha256.Size]byte { return sha256.Sum256([]byte(name)) }

// sum is the sum of hashes, modulo 2^256: a digest of what is summed, in any order, from
// which something can be taken away again.
type sum [4]uint64

func (s sum) with(hash [sha256.Size]byte) sum {
	var carry uint64
	for i := range s {
		s[i], carry = bits.Add64(s[i], binary.LittleEndian.Uint64(hash[8*i:]), carry)
	}
	return s
}

func (s sum) without(hash [sha256.Size]byte) sum {
	var borrow uint64
	for i := range s {
		s[i], borrow = bits.Sub64(s[i], binary.LittleEndian.Uint64(hash[8*i:]), borrow)
	}
	return s
}

func (s sum) octets() (b [sha256.Size]byte) {
	for i, word := range s {
		binary.LittleEndian.PutUint64(b[8*i:], word)
	}
	return b
}
