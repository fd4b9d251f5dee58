package zones

import (
	"cmp"
	"slices"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/config"
	"milepost/pacc"
	"milepost/settings"
	"milepost/zone"
)

// former is how a provider was before its PACC document changed. A client takes a
// document only if DNS has its digest, and both are in caches. So DNS announces the new
// document beside the former one; HTTP serves the former one until no resolver can hold an
// answer without the new digest; and the former digest stays until no HTTP cache can hold
// the former document.
type former struct {
	provider *settings.Provider // without its domains, of which there may be a million
	served   time.Time          // until when its document is served
	kept     time.Time          // until when its digest stays
}

// formers are in the order in which they were served. Only the last one can still be.
type formers []former

// maxFormers is how many there are of one provider. Each changes once in a TTL at most, so
// a very short TTL and many changes are needed for more.
const maxFormers = 4

// at leaves out those whose time has passed.
func (f formers) at(now time.Time) formers {
	for len(f) > 0 && !now.Before(f[0].kept) {
		f = f[1:]
	}
	return f
}

// with adds a provider whose document has been replaced. If a former one is still served,
// that document has never been, and the former one's time begins anew.
func (f formers) with(p *settings.Provider, now time.Time, ttl time.Duration) formers {
	f = slices.Clone(f)
	if _, ok := f.servedAt(now); !ok {
		bare := *p
		bare.Domains, bare.MX = nil, nil
		f = append(f, former{provider: &bare})
		f = f[max(0, len(f)-maxFormers):]
	}
	last := &f[len(f)-1]
	last.served = now.Add(ttl)
	last.kept = last.served.Add(pacc.MaxAge * time.Second)
	return f
}

// servedAt returns the one whose document is to be served.
func (f formers) servedAt(now time.Time) (*settings.Provider, bool) {
	if len(f) == 0 || !now.Before(f[len(f)-1].served) {
		return nil, false
	}
	return f[len(f)-1].provider, true
}

func (f formers) providers() []*settings.Provider {
	var out []*settings.Provider
	for _, x := range f {
		out = append(out, x.provider)
	}
	return out
}

// changes are the former providers of a set, but for those that its parts know.
type changes struct {
	now     time.Time          // when the set was made
	lapses  time.Time          // when the first of them does
	domains map[string]formers // by domain, if it came to its provider in that time
}

// formers are those of a domain.
func (s *Set) formers(d address.Domain, p *settings.Provider) formers {
	if f, ok := s.changes.domains[d.ASCII]; ok {
		return f
	}
	if part, ok := s.parts.Get(p); ok {
		return part.formers
	}
	return nil
}

// comparison compares the documents of the providers of two sets.
type comparison struct {
	previous *Set
	now      time.Time
	ttl      time.Duration
	replaced map[pair]bool    // whether the document was: a million domains have few providers
	moved    map[pair]formers // so that a million domains share one
}

type pair struct{ present, was *settings.Provider }

func compare(previous *Set, now time.Time) *comparison {
	ttl := time.Duration(cmp.Or(previous.options.TTL, zone.DefaultTTL)) * time.Second
	return &comparison{previous: previous, now: now, ttl: ttl, replaced: make(map[pair]bool), moved: make(map[pair]formers)}
}

// after returns the formers of a provider p that has come after q, which had some.
func (c *comparison) after(f formers, p, q *settings.Provider) formers {
	changed, ok := c.replaced[pair{p, q}]
	if !ok {
		changed = replaced(p, q)
		c.replaced[pair{p, q}] = changed
	}
	if f = f.at(c.now); changed {
		f = f.with(q, c.now, c.ttl)
	}
	return f
}

// ofDomain returns the formers that a domain has alone, for it came to p from another
// provider.
func (c *comparison) ofDomain(s *Set, d address.Domain, p *settings.Provider) formers {
	q, ok := c.previous.catalogue.Named(d)
	if !ok {
		return nil
	}
	if f, alone := c.previous.changes.domains[d.ASCII]; alone {
		return c.after(f, p, q)
	}
	if c.previous.partName(q) == s.partName(p) {
		return nil
	}
	f, ok := c.moved[pair{p, q}]
	if !ok {
		f = c.after(c.previous.formers(address.Domain{}, q), p, q)
		c.moved[pair{p, q}] = f
	}
	return f
}

// newChanges compares the documents of a set with those of the one before it.
func newChanges(s, previous *Set, at Time) changes {
	out := changes{now: at.Now, domains: make(map[string]formers)}
	if previous == nil || !s.announces() && len(s.configured) == 0 {
		return out
	}
	c, before := compare(previous, at.Now), previous.partsByName()
	for p, part := range s.parts.All() {
		if q, ok := before[part.name]; ok {
			part.formers = c.after(q.formers, p, q.Provider)
			out.note(part.formers)
		}
	}
	if at.Agree != nil { // that such a time is over would be told in no part of a serial
		return out
	}
	for d, claim := range s.catalogue.Claims() {
		if f := c.ofDomain(s, d, claim.Provider); len(f) > 0 {
			out.domains[d.ASCII] = f
			out.note(f)
		}
	}
	return out
}

// announces tells whether a domain's zones hold its digest.
func (s *Set) announces() bool {
	zones := s.conf.DNS.DomainZones
	return slices.Contains(zones, config.Apex) || slices.Contains(zones, pacc.RecordLabel)
}

// replaced tells whether one provider's document has taken the place of another's. The
// sample stands for every domain.
func replaced(p, q *settings.Provider) bool {
	if p == q {
		return false
	}
	a := address.Address{Domain: sample}
	present, err := pacc.Render(p.For(a))
	was, none := pacc.Render(q.For(a))
	return err == nil && none == nil && string(present) != string(was)
}

// records makes the records of a domain.
func (s *Set) records(p *settings.Provider, d address.Domain) []dns.RR {
	return zone.Records(p, d, s.options, s.formers(d, p).providers()...)
}

// Announced returns the provider whose PACC document is to be served for a domain of the
// provider p: p, or as long as resolvers may not know that document, the former one.
func (s *Set) Announced(p *settings.Provider, d address.Domain) *settings.Provider {
	if s == nil {
		return p
	}
	if _, _, ours := s.origin(pacc.RecordLabel + "." + dns.Fqdn(d.ASCII)); !ours {
		return p // what DNS says of it is somebody else's matter
	}
	if q, ok := s.formers(d, p).servedAt(s.changes.now); ok {
		return q
	}
	return p
}

// Lapses returns when another set has to be made, because the time of something in this
// one has passed; zero: it stays true.
func (s *Set) Lapses() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.changes.lapses
}

// note takes the times of formers into the first at which something lapses.
func (c *changes) note(f formers) {
	for _, x := range f {
		for _, until := range []time.Time{x.served, x.kept} {
			if until.After(c.now) && (c.lapses.IsZero() || until.Before(c.lapses)) {
				c.lapses = until
			}
		}
	}
}
