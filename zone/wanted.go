package zone

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/settings"
)

// makeWanted makes a zone that was asked for by name, of every domain in it.
func (s *Set) makeWanted(origin string, others []dns.RR, members []address.Domain, before *Set) (*Zone, error) {
	own, p := s.ownDomain(origin)
	var rrs []dns.RR
	if p != nil {
		rrs = Records(p, own, s.plan.Options)
	}
	for _, d := range members {
		if d.ASCII != own.ASCII {
			if p, ok := s.plan.Catalogue.Named(d); ok {
				rrs = append(rrs, Records(p, d, s.plan.Options)...)
			}
		}
	}
	if rrs = within(origin, rrs); len(rrs) == 0 {
		return nil, fmt.Errorf("the catalogue has nothing for the zone %s: no provider is known for a domain in it", strings.TrimSuffix(origin, "."))
	}
	clash := disjoint(origin, rrs, others)
	for _, ns := range s.nameServers(own) {
		if _, _, ok := s.origin(ns.Name); !ok && len(s.plan.NameServers) == 0 {
			return nil, errors.New("no name server is set for the zone")
		}
	}
	rrs = append(rrs, within(origin, s.nameServerAddresses(own))...)
	z, err := New(origin, s.authority(own, 0), append(rrs, others...))
	if err == nil {
		err = z.checkTargets()
	}
	if err != nil || clash != nil {
		return nil, errors.Join(err, clash)
	}
	z.soa.Serial = s.wantedSerial(z, before)
	return z, nil
}

// disjoint refuses records of the same name and type as those of the catalogue, and
// delegations that hide these: DNS and HTTP would no longer say the same.
func disjoint(origin string, made, others []dns.RR) error {
	type key struct {
		name   string
		rrtype uint16
	}
	taken := make(map[key]bool)
	for _, rr := range made {
		taken[key{rr.Header().Name, rr.Header().Rrtype}] = true
	}
	var errs []error
	for _, rr := range others {
		k := key{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
		if taken[k] {
			errs = append(errs, fmt.Errorf("%s %s: is made from the catalogue already", k.name, dns.Type(k.rrtype)))
			delete(taken, k) // said once
		}
		if k.rrtype == dns.TypeNS && k.name != origin {
			if i := slices.IndexFunc(made, func(m dns.RR) bool { return dns.IsSubDomain(k.name, m.Header().Name) }); i >= 0 {
				errs = append(errs, fmt.Errorf("%s NS: hides %s, which is made from the catalogue", k.name, made[i].Header().Name))
			}
		}
	}
	return errors.Join(errs...)
}

// ownDomain returns the domain that a zone's name is of: for
// _imaps._tcp.example.com and autoconfig.example.com, example.com. The provider is
// nil if none is known.
func (s *Set) ownDomain(origin string) (address.Domain, *settings.Provider) {
	name := strings.TrimSuffix(origin, ".")
	for {
		label, rest, ok := strings.Cut(name, ".")
		d, err := address.ParseDomain(name)
		service := label == autoconfigLabel || label == autodiscoverLabel
		if err == nil {
			if p, named := s.plan.Catalogue.Named(d); named {
				return d, p
			}
			if p, found := s.plan.Catalogue.Lookup(d); found && !service {
				return d, p
			}
		}
		if !ok || !service && !strings.HasPrefix(label, "_") {
			return d, nil
		}
		name = rest
	}
}

// enclosing returns the wanted zone in which a name lies.
func (s *Set) enclosing(name string) (string, bool) {
	for above := name; above != "."; above = parent(above) {
		if _, ok := s.wanted[above]; ok {
			return above, true
		}
	}
	return "", false
}

// members returns the domains of the given providers by the wanted zone in which
// they lie.
func (s *Set) members() map[string][]address.Domain {
	members := make(map[string][]address.Domain)
	if len(s.wanted) == 0 {
		return members
	}
	for d := range s.domains() {
		if name, ok := s.enclosing(dns.Fqdn(d.ASCII)); ok {
			members[name] = append(members[name], d)
		}
	}
	return members
}
