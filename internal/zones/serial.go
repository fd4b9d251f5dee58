package zones

import (
	"reflect"
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
// domains.
type serials struct {
	common    uint32            // of name servers, timers and what else all zones share
	providers map[string]uint32 // by ID: of the records that a provider's settings make
	moved     map[string]uint32 // by domain, if it came to its provider or out of a configured zone since the start, or has lost a former digest since
	highest   uint32            // of this set and all before it; what has changed now gets it
}

func newSerials(s, previous *Set, now uint32) serials {
	out := serials{common: now, providers: make(map[string]uint32), moved: make(map[string]uint32), highest: now}
	if previous == nil {
		return out
	}
	old := &previous.serials
	out.highest = max(now, old.highest+1) // even if nothing has changed: a number may be left out
	if out.common = out.highest; sameCommon(s, previous) {
		out.common = old.common
	}
	before := previous.ownByID()
	for _, p := range s.own {
		out.providers[p.ID] = out.highest
		if q := before[p.ID]; q != nil && text(s.held(s.records(p, sample))) == text(previous.held(previous.records(q, sample))) {
			out.providers[p.ID] = old.providers[p.ID]
		}
	}
	for d, p := range s.ownDomains() {
		q, ok := previous.catalogue.Named(d)
		switch serial, moved := old.moved[d.ASCII]; {
		case !ok || q.ID != p.ID || !previous.isOwn[q] || s.configuredZones(d) != previous.configuredZones(d),
			s.announces() && len(s.changes.domains[d.ASCII]) != len(previous.changes.domains[d.ASCII]):
			out.moved[d.ASCII] = out.highest
		case moved:
			out.moved[d.ASCII] = serial
		}
	}
	return out
}

// held keeps the records of the sample that lie in one of a domain's zones.
func (s *Set) held(rrs []dns.RR) []dns.RR {
	return slices.DeleteFunc(rrs, func(rr dns.RR) bool {
		return !slices.ContainsFunc(s.conf.DNS.DomainZones, func(label string) bool {
			return dns.IsSubDomain(domainZone(label, sample), rr.Header().Name)
		})
	})
}

// of returns the serial of a domain's zones.
func (s *serials) of(d address.Domain, p *settings.Provider) uint32 {
	return max(s.common, s.providers[p.ID], s.moved[d.ASCII])
}

// Highest returns a serial that none has exceeded, in this set and in those before
// it.
func (s *Set) Highest() uint32 { return s.serials.highest }

// serial returns the serial of the zone of that name, without building it.
func (s *Set) serial(name string) (uint32, bool) {
	origin, d, ok := s.origin(name)
	if !ok || origin != name {
		return 0, false
	}
	if z := s.configured[origin]; z != nil {
		return z.SOA().Serial, true
	}
	p, _ := s.catalogue.Named(d)
	return s.serials.of(d, p), true
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

// sameCommon tells whether what all zones of domains have in common is the same in
// two sets. Where it stands in milepost.toml does not matter.
func sameCommon(a, b *Set) bool {
	return reflect.DeepEqual(a.options, b.options) && slices.Equal(a.conf.DNS.DomainZones, b.conf.DNS.DomainZones) &&
		reflect.DeepEqual(a.authority(sample, 0), b.authority(sample, 0)) &&
		text(a.nameServerAddresses(sample)) == text(b.nameServerAddresses(sample))
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
