package zone

import (
	"reflect"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// serials are what the serials of the zones that every domain has are made of: a
// zone's serial is the highest of its parts, and a part gets a new one when it
// changes. So a change of one provider leaves the zones of all others as they are,
// without a number kept for each of a million domains.
type serials struct {
	all       uint32            // of what the zones have in common
	providers map[string]uint32 // of a provider's settings, by ID
	moved     map[string]uint32 // of a domain that has come to a provider, by name
}

func newSerials(s, before *Set, now uint32) serials {
	out := serials{all: now, providers: make(map[string]uint32), moved: make(map[string]uint32)}
	if before == nil {
		return out
	}
	old := &before.serials
	now = max(now, before.highest()+1)
	providers := make(map[string]*settings.Provider)
	for _, p := range before.plan.Given {
		providers[p.ID] = p
	}
	if out.all = now; sameFrame(&s.plan, &before.plan) {
		out.all = old.all
	}
	for _, p := range s.plan.Given {
		out.providers[p.ID] = now
		if q := providers[p.ID]; q != nil && sameSettings(p, q) {
			out.providers[p.ID] = old.providers[p.ID]
		}
	}
	for d, p := range s.domains() {
		q, ok := before.plan.Catalogue.Named(d)
		switch serial, moved := old.moved[d.ASCII]; {
		case !ok || q.ID != p.ID || !before.given[q]:
			out.moved[d.ASCII] = now
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

func (s *Set) highest() uint32 {
	highest := s.serials.all
	for _, n := range s.serials.providers {
		highest = max(highest, n)
	}
	for _, n := range s.serials.moved {
		highest = max(highest, n)
	}
	for _, z := range s.wanted {
		highest = max(highest, z.Serial())
	}
	return highest
}

// sameFrame tells whether two plans have everything in common but the providers
// and what stands in wanted zones.
func sameFrame(a, b *Plan) bool {
	x, y := *a, *b
	for _, p := range []*Plan{&x, &y} {
		names := make([]Wanted, len(p.Zones))
		for i, w := range p.Zones {
			names[i].Name = w.Name
		}
		p.Catalogue, p.Given, p.Zones = nil, nil, names
	}
	return reflect.DeepEqual(x, y)
}

// sameSettings tells whether two providers have the same settings, whichever
// domains they serve.
func sameSettings(a, b *settings.Provider) bool {
	x, y := *a, *b
	x.Domains, y.Domains, x.MX, y.MX = nil, nil, nil, nil
	return reflect.DeepEqual(x, y)
}

// wantedSerial returns the serial of a zone that was asked for by name: the one
// before, if nothing else in it has changed.
func wantedSerial(z *Zone, before *Set, now uint32) uint32 {
	if before == nil {
		return now
	}
	old := before.Find(z.origin)
	if old == nil || old.origin != z.origin {
		return now
	}
	z.soa.Serial = old.soa.Serial
	if text(z) == text(old) {
		return old.soa.Serial
	}
	return max(now, old.soa.Serial+1)
}

func text(z *Zone) string {
	var b strings.Builder
	for _, rr := range z.records {
		b.WriteString(rr.String())
		b.WriteByte('\n')
	}
	return b.String()
}
