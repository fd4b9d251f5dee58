package zone

import (
	"reflect"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/settings"
)

// serials are what the serials of the zones that every domain has are made of: a
// zone's serial is the highest of its parts, and a part gets a new one when it
// changes. So a change of one provider leaves the zones of all others as they are,
// without a number kept for each of a million domains.
type serials struct {
	all       uint32            // of what the zones have in common
	providers map[string]uint32 // of what a provider's settings make of a domain, by ID
	moved     map[string]uint32 // of a domain that has come to a provider, or out of a wanted zone
	highest   uint32            // that there ever was
	next      uint32            // of what changes now
}

func newSerials(s, before *Set, now uint32) serials {
	out := serials{all: now, providers: make(map[string]uint32), moved: make(map[string]uint32), highest: now, next: now}
	if before == nil {
		return out
	}
	old := &before.serials
	out.next = max(now, old.highest+1)
	out.highest = out.next // even if nothing changes: a number may be left out
	if out.all = out.next; sameFrame(&s.plan, &before.plan) {
		out.all = old.all
	}
	providers := make(map[string]*settings.Provider)
	for _, p := range before.plan.Given {
		providers[p.ID] = p
	}
	for _, p := range s.plan.Given {
		out.providers[p.ID] = out.next
		if q := providers[p.ID]; q != nil && sameRecords(p, q, s.plan.Options) {
			out.providers[p.ID] = old.providers[p.ID]
		}
	}
	for d, p := range s.domains() {
		q, ok := before.plan.Catalogue.Named(d)
		switch serial, moved := old.moved[d.ASCII]; {
		case !ok || q.ID != p.ID || !before.given[q] || s.wantedAt(d) != before.wantedAt(d):
			out.moved[d.ASCII] = out.next
		case moved:
			out.moved[d.ASCII] = serial
		}
	}
	return out
}

// of returns the serial of a domain's zones.
func (s *serials) of(d address.Domain, p *settings.Provider) uint32 {
	return max(s.all, s.providers[p.ID], s.moved[d.ASCII])
}

// wantedAt says which wanted zones have what a domain would have by Each.
func (s *Set) wantedAt(d address.Domain) string {
	if len(s.wanted) == 0 {
		return ""
	}
	var b strings.Builder
	for _, label := range s.plan.Each {
		if name, ok := s.enclosing(eachName(label, d)); ok {
			b.WriteString(label + " " + name)
		}
	}
	return b.String()
}

// sameFrame tells whether two plans have everything in common but the providers
// and the wanted zones.
func sameFrame(a, b *Plan) bool {
	x, y := *a, *b
	for _, p := range []*Plan{&x, &y} {
		p.Catalogue, p.Given, p.Zones = nil, nil, nil
	}
	return reflect.DeepEqual(x, y)
}

// sample is a domain that nobody has (RFC 2606 §2).
var sample = address.Domain{ASCII: "sample.invalid", Unicode: "sample.invalid"}

// sameRecords tells whether two providers have the same records.
func sameRecords(a, b *settings.Provider, o Options) bool {
	return text(Records(a, sample, o)) == text(Records(b, sample, o))
}

// wantedSerial returns the serial of a zone that was asked for by name: the one
// before, if nothing else in it has changed.
func (s *Set) wantedSerial(z *Zone, before *Set) uint32 {
	if before == nil {
		return s.serials.next
	}
	old := before.Find(z.origin)
	if old == nil || old.origin != z.origin {
		return s.serials.next
	}
	z.soa.Serial = old.soa.Serial
	if text(z.records) == text(old.records) {
		return old.soa.Serial
	}
	return s.serials.next
}

func text(rrs []dns.RR) string {
	var b strings.Builder
	for _, rr := range rrs {
		b.WriteString(rr.String())
		b.WriteByte('\n')
	}
	return b.String()
}
