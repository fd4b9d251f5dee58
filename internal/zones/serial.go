package zones

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/settings"
)

// serials gives each of a domain's zones its serial: the highest of that of what all
// zones have in common, that of its provider, and that of the domain itself. Each of
// the three rises when its own part changes. So a change of one provider leaves the
// zones of all others as they are, and no number is kept for each of a million
// domains: those in tables have the time at which their row changed.
type serials struct {
	common  uint32            // of name servers, timers and what else all zones share
	digest  [32]byte          // of that
	moved   map[string]uint32 // by domain, if it came to its provider or out of a configured zone since the start, or has lost a former digest since, or is gone
	recent  map[string]uint32 // the same, if only rows have changed since; goes first
	limit   uint32            // a row cannot have changed later: somebody's clock is wrong
	highest uint32            // of this set and all before it; what has changed now gets it
	given   uint32            // the highest that is of this server, and not of a row
}

// ahead is how far the clock of a source may be ahead of this one, in seconds.
const ahead = 300

// Ahead tells whether a row says that it changed later than can be, so that its time
// does not count.
func (at Time) Ahead(changed uint32) bool { return changed > uint32(at.Now.Unix())+ahead }

// agreed returns the serials of parts.
func (at Time) agreed(parts map[string][32]byte) map[string]uint32 {
	serials := at.Agree(at.Serial, parts)
	all := make(map[string]uint32, len(parts))
	for name := range parts {
		serial, ok := serials[name]
		if !ok {
			serial = at.Serial
		}
		all[name] = serial
	}
	return all
}

func newSerials(s, previous *Set, at Time) serials {
	out := serials{digest: s.common(at), common: at.Serial, moved: make(map[string]uint32), limit: uint32(at.Now.Unix()) + ahead, highest: at.Serial}
	for p, part := range s.parts.All() {
		part.digest = s.digestOf(p)
	}
	if previous != nil {
		out.limit = max(out.limit, previous.serials.limit)
		out.highest = max(at.Serial, previous.serials.highest+1) // even if nothing has changed: a number may be left out
	}
	switch {
	case at.Agree != nil:
		out.agree(s, at)
	case previous != nil:
		out.compare(s, previous)
	}
	out.given = out.highest
	out.highest = max(out.highest, min(s.catalogue.Latest(), out.limit))
	return out
}

// agree takes the serials that all servers have.
func (o *serials) agree(s *Set, at Time) {
	const common, provider = "common", "provider "
	digests := map[string][32]byte{common: o.digest}
	for p, part := range s.parts.All() {
		digests[provider+part.name] = part.digest
		if p.ID == part.name {
			// Which domains came to it a file does not say, so that they are others is a
			// change of all of them.
			digests[provider+part.name] = digest(string(part.digest[:]), domainsOf(p))
		}
	}
	serials := at.agreed(digests)
	for _, part := range s.parts.All() {
		part.serial = serials[provider+part.name]
		o.highest = max(o.highest, part.serial)
	}
	o.common = serials[common]
	o.highest = max(o.highest, o.common)
}

// domainsOf returns the domains that a provider's file claims.
func domainsOf(p *settings.Provider) string {
	names := make([]string, len(p.Domains))
	for i, d := range p.Domains {
		names[i] = d.String()
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

// compare gives the highest serial to what differs from the set before.
func (o *serials) compare(s, previous *Set) {
	old := &previous.serials
	if o.common = o.highest; o.digest == old.digest {
		o.common = old.common
	}
	before := previous.partsByName()
	for _, part := range s.parts.All() {
		part.serial = o.highest
		if was, ok := before[part.name]; ok && was.digest == part.digest {
			part.serial = was.serial
		}
	}
	s.serials = *o // for serial
	for d, serial := range old.allMoved() {
		if _, ok := s.catalogue.Claim(address.Domain{ASCII: d}); !ok && serial+forgotten > o.highest {
			o.moved[d] = serial
		}
	}
	for d, claim := range s.catalogue.Claims() {
		was, ok := previous.catalogue.Claim(d)
		other := !ok || previous.partName(was.Provider) != s.partName(claim.Provider) || s.configuredZones(d) != previous.configuredZones(d) ||
			s.announces() && len(s.changes.domains[d.ASCII]) != len(previous.changes.domains[d.ASCII])
		now := s.serial(claimed{d, claim})
		switch then := previous.serial(claimed{d, was}); {
		case claim.Row && now >= then && s.rowSays(claimed{d, claim}, previous): // there is nothing to keep
		case other:
			o.moved[d.ASCII] = o.highest
		case now < then:
			o.moved[d.ASCII] = then
		}
	}
}

// forgotten is how many seconds a zone that is gone has its serial kept, so that it comes
// back with a higher one even if its row came back at once.
const forgotten = 3600

// allMoved yields the serials that domains have of their own.
func (o *serials) allMoved() iter.Seq2[string, uint32] {
	return func(yield func(string, uint32) bool) {
		for d, serial := range o.recent {
			if !yield(d, serial) {
				return
			}
		}
		for d, serial := range o.moved {
			if _, later := o.recent[d]; !later && !yield(d, serial) {
				return
			}
		}
	}
}

// rowSays tells whether the serial of a domain's zones is higher than before because its
// row, or its provider, says that it has changed.
func (s *Set) rowSays(d claimed, previous *Set) bool {
	was, ok := previous.catalogue.Claim(d.Domain)
	if !ok {
		return d.Changed > 0 && d.Changed <= s.serials.limit
	}
	return s.serial(d) > previous.serial(claimed{d.Domain, was})
}

// digest is that of texts.
func digest(texts ...string) (sum [32]byte) {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d\n%s", len(t), t)
	}
	return [32]byte(h.Sum(nil))
}

// digestOf is that of the records that a provider makes.
func (s *Set) digestOf(p *settings.Provider) [32]byte {
	return digest(text(s.held(s.records(p, sample))))
}

// common is the digest of what all zones of domains have in common. Where it stands in
// milepost.toml does not matter.
func (s *Set) common(at Time) [32]byte {
	var configured []string
	if at.Agree != nil { // else a domain that is there now, and was not before, is known
		configured = slices.Sorted(maps.Keys(s.configured))
	}
	return digest(fmt.Sprintf("%+v", s.options), fmt.Sprintf("%q", s.conf.DNS.DomainZones), fmt.Sprintf("%+v", s.authority(sample, 0)),
		text(s.nameServerAddresses(sample)), fmt.Sprintf("%q", configured))
}

// held keeps the records of the sample that lie in one of a domain's zones.
func (s *Set) held(rrs []dns.RR) []dns.RR {
	return slices.DeleteFunc(rrs, func(rr dns.RR) bool {
		return !slices.ContainsFunc(s.conf.DNS.DomainZones, func(label string) bool {
			return dns.IsSubDomain(domainZone(label, sample), rr.Header().Name)
		})
	})
}

// serial returns the serial of a domain's zones.
func (s *Set) serial(d claimed) uint32 {
	o := &s.serials
	serial := o.common
	if part, ok := s.parts.Get(d.Provider); ok {
		serial = max(serial, part.serial)
	}
	if d.Changed <= o.limit {
		serial = max(serial, d.Changed)
	}
	moved, ok := o.recent[d.ASCII]
	if !ok {
		moved = o.moved[d.ASCII]
	}
	return max(serial, moved)
}

// Highest returns a serial that none has exceeded, in this set and in those before
// it.
func (s *Set) Highest() uint32 { return s.serials.highest }

// Given is the highest serial that this server has given to something, and that no row
// says.
func (s *Set) Given() uint32 { return s.serials.given }

// serialOf returns the serial of the zone of that name, without building it.
func (s *Set) serialOf(name string) (uint32, bool) {
	origin, d, ok := s.origin(name)
	if !ok || origin != name {
		return 0, false
	}
	if z := s.configured[origin]; z != nil {
		return z.SOA().Serial, true
	}
	return s.serial(d), true
}

// configuredZones names the configured zones that stand in place of a domain's own.
func (s *Set) configuredZones(d address.Domain) string {
	if len(s.configured) == 0 {
		return ""
	}
	var b strings.Builder
	for _, label := range s.conf.DNS.DomainZones {
		if name, ok := s.configuredAt(domainZone(label, d)); ok {
			b.WriteString(label + " " + name)
		}
	}
	return b.String()
}

// sample is a domain that nobody has (RFC 2606 §2).
var sample = address.Domain{ASCII: "sample.invalid", Unicode: "sample.invalid"}

func text(rrs []dns.RR) string {
	var b strings.Builder
	for _, rr := range rrs {
		b.WriteString(rr.String())
		b.WriteByte('\n')
	}
	return b.String()
}
