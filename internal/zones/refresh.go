package zones

import (
	"iter"
	"maps"
	"slices"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/layered"
	"milepost/internal/textfile"
	"milepost/settings"
)

// Refresh makes the set that follows from this one when rows of tables have changed:
// those of the domains that are named, in A-labels. The catalogue is this set's with other
// tables. It costs what the changes cost, and shares all else. A warning is of a
// configured zone that cannot be made with them; it stays as it was.
func (s *Set) Refresh(c *catalogue.Catalogue, changed []string, at Time) (*Set, textfile.Errors) {
	next := *s
	next.catalogue = c
	next.refreshParts(s, at)
	o := &next.serials
	o.limit = max(o.limit, uint32(at.Now.Unix())+ahead) // what counted once goes on, if the clock is put back
	domains := next.changedDomains(s, changed)
	if at.Agree == nil && s.announces() {
		next.refreshFormers(s, domains, at)
	}
	if at.Agree == nil {
		next.refreshMoved(s, domains, at)
	}
	o.highest = max(o.highest, min(c.Latest(), o.limit))
	names := make([]string, len(domains))
	for i, d := range domains {
		names[i] = d.ASCII
	}
	next.history = s.history.with(names)
	warnings := next.refreshConfigured(s, domains, at)
	next.catalogZone = newCatalogZone(&next, s, domains, at)
	return &next, warnings
}

// changedDomains returns those domains that are another provider's now, or whose row has
// changed. A domain that nobody has any longer has no provider. It is never nil.
func (s *Set) changedDomains(previous *Set, changed []string) []claimed {
	domains := make([]claimed, 0, len(changed))
	for _, ascii := range changed {
		d := address.Domain{ASCII: ascii, Unicode: ascii}
		now, _ := s.catalogue.Claim(d)
		if was, _ := previous.catalogue.Claim(d); now != was {
			domains = append(domains, claimed{d, now})
		}
	}
	return domains
}

// fresh returns a serial that no zone has had.
func (o *serials) fresh(at Time) uint32 {
	o.highest = max(at.Serial, o.highest+1)
	o.given = o.highest
	return o.highest
}

// refreshParts enters the providers that the tables have made since.
func (s *Set) refreshParts(previous *Set, at Time) {
	since, ok := s.catalogue.VariantsSince(previous.catalogue)
	if !ok {
		// Those that are there no longer are left out.
		known := make(map[*settings.Provider]*part)
		for _, p := range s.catalogue.Variants() {
			if part, ok := s.parts.Get(p); ok {
				known[p] = part
			}
		}
		since, s.parts = s.catalogue.Variants(), layered.Of(known)
	}
	added, digests := make(map[*settings.Provider]*part), make(map[string][32]byte)
	for name, p := range since {
		if _, known := s.parts.Get(p); !known {
			added[p] = &part{name: name, digest: s.digestOf(p)}
			digests["provider "+name] = added[p].digest
		}
	}
	if len(added) == 0 {
		return
	}
	var agreed map[string]uint32
	fresh := uint32(0)
	if at.Agree != nil {
		agreed = at.agreed(digests)
	} else {
		fresh = s.serials.fresh(at)
	}
	for _, part := range added {
		part.serial = max(fresh, agreed["provider "+part.name])
		s.serials.given = max(s.serials.given, part.serial)
		s.serials.highest = max(s.serials.highest, part.serial)
	}
	s.parts = s.parts.With(added)
}

// refreshFormers notes the PACC documents that domains had at another provider.
func (s *Set) refreshFormers(previous *Set, domains []claimed, at Time) {
	c := compare(previous, at.Now)
	shared := true
	set := func(d string, f formers) {
		if shared {
			s.changes.domains, shared = maps.Clone(s.changes.domains), false
		}
		if delete(s.changes.domains, d); len(f) > 0 {
			s.changes.domains[d] = f
			s.changes.note(f)
		}
	}
	for _, d := range domains {
		var f formers
		if d.Provider != nil {
			f = c.ofDomain(s, d.Domain, d.Provider)
		}
		if _, had := s.changes.domains[d.ASCII]; had || len(f) > 0 {
			set(d.ASCII, f)
		}
	}
}

// refreshMoved gives a serial to those domains whose row does not say that it has changed,
// and keeps that of those that are gone.
func (s *Set) refreshMoved(previous *Set, domains []claimed, at Time) {
	o := &s.serials
	moved := make(map[string]uint32)
	for _, d := range domains {
		switch was, _ := previous.catalogue.Claim(d.Domain); {
		case d.Provider == nil:
			moved[d.ASCII] = previous.serial(claimed{d.Domain, was}) + 1
			o.highest = max(o.highest, moved[d.ASCII])
			o.given = max(o.given, moved[d.ASCII])
		case !s.rowSays(d, previous):
			if o.highest == previous.serials.highest {
				o.fresh(at)
			}
			moved[d.ASCII] = o.highest
		}
	}
	if len(moved) == 0 {
		return
	}
	recent := maps.Clone(moved)
	for d, serial := range o.recent {
		if _, later := moved[d]; !later {
			recent[d] = serial
		}
	}
	if o.recent = recent; len(recent) > max(fewMoved, len(o.moved)/64) {
		o.moved, o.recent = s.settled(at), nil
	}
}

// settled returns the serials that domains have of their own, without those that make no
// difference any longer.
func (s *Set) settled(at Time) map[string]uint32 {
	moved := make(map[string]uint32, len(s.serials.moved))
	without := *s
	without.serials.recent, without.serials.moved = nil, nil
	for d, serial := range s.serials.allMoved() {
		claim, ok := s.catalogue.Claim(address.Domain{ASCII: d})
		if !ok && serial+forgotten > at.Serial || ok && without.serial(claimed{address.Domain{ASCII: d}, claim}) < serial {
			moved[d] = serial
		}
	}
	return moved
}

// fewMoved is how many serials are always kept beside the others: each refresh copies them.
const fewMoved = 4096

// refreshConfigured makes the configured zones anew in which one of the domains lies, or
// which lie in it.
func (s *Set) refreshConfigured(previous *Set, domains []claimed, at Time) (warnings textfile.Errors) {
	var affected []string
	for _, z := range s.conf.DNS.Zones {
		if slices.ContainsFunc(domains, func(d claimed) bool {
			name := dns.Fqdn(d.ASCII)
			return dns.IsSubDomain(z.Name, name) || dns.IsSubDomain(name, z.Name)
		}) {
			affected = append(affected, z.Name)
		}
	}
	if len(affected) == 0 {
		return nil
	}
	s.members, s.configured = maps.Clone(s.members), maps.Clone(s.configured)
	for _, d := range domains {
		name, ok := s.configuredAt(dns.Fqdn(d.ASCII))
		if !ok {
			continue
		}
		members := slices.DeleteFunc(slices.Clone(s.members[name]), func(m address.Domain) bool { return m.ASCII == d.ASCII })
		if d.Provider != nil {
			members = append(members, d.Domain)
		}
		s.members[name] = members
	}
	if at.Agree == nil {
		s.serials.fresh(at)
	}
	for i, z := range s.conf.DNS.Zones {
		if !slices.Contains(affected, z.Name) {
			continue
		}
		built, err := s.buildOne(z, previous, at)
		if err != nil {
			warnings = append(warnings, s.zoneMistakes(i, err)...)
			continue
		}
		s.configured[z.Name] = built
		s.serials.highest = max(s.serials.highest, built.SOA().Serial)
		s.serials.given = max(s.serials.given, built.SOA().Serial)
	}
	return warnings
}

// history is which domains have changed in the last sets, each of which follows from the
// one before by changes of rows.
type history struct {
	steps [][]string // of the last sets
	count int        // of all steps
}

const (
	maxSteps   = 1024
	maxChanged = 1 << 16 // domains in all steps
)

func (h history) with(changed []string) history {
	steps, sum := append(slices.Clip(h.steps), changed), 0
	for i, s := range slices.Backward(steps) {
		if sum += len(s); sum > maxChanged || len(steps)-i > maxSteps {
			steps = steps[i+1:]
			break
		}
	}
	return history{steps: steps, count: h.count + 1}
}

// since returns the domains that have changed after an earlier set; false: more than rows
// have, or it is too long ago.
func (s *Set) since(earlier *Set) ([]string, bool) {
	n := s.history.count - earlier.history.count
	if s.built != earlier.built || n < 0 || n > len(s.history.steps) {
		return nil, false
	}
	return slices.Concat(s.history.steps[len(s.history.steps)-n:]...), true
}

// Follows tells whether nothing but rows has changed since an earlier set, and it is
// known which.
func (s *Set) Follows(earlier *Set) bool {
	if s == nil || earlier == nil {
		return false
	}
	_, ok := s.since(earlier)
	return ok
}

// Changed yields the absolute name of every zone that the previous set did not have
// (nil: there was none), or had with another serial. The catalog zone is the first. If it
// [Set.Follows] the other, that costs what the changes cost.
func (s *Set) Changed(previous *Set) iter.Seq[string] {
	names := s.Names()
	if previous == nil {
		return s.withCatalogZone(previous, names)
	}
	if domains, ok := s.since(previous); ok {
		slices.Sort(domains)
		names = s.namesOf(slices.Compact(domains))
	}
	return s.withCatalogZone(previous, func(yield func(string) bool) {
		for name := range names {
			serial, now := s.serialOf(name)
			old, ok := previous.serialOf(name)
			if now && (!ok || old != serial) && !yield(name) {
				return
			}
		}
	})
}

// namesOf yields the names of the configured zones, and of those that domains have or had.
func (s *Set) namesOf(domains []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, z := range s.conf.DNS.Zones {
			if !yield(z.Name) {
				return
			}
		}
		for _, d := range domains {
			for _, label := range s.conf.DNS.DomainZones {
				name := domainZone(label, address.Domain{ASCII: d})
				if _, inside := s.configuredAt(name); !inside && !yield(name) {
					return
				}
			}
		}
	}
}
