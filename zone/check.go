package zone

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
)

// check looks for what the zones of every domain would lack.
func (p *Plan) check() error {
	has := func(label string) bool { return slices.Contains(p.Each, label) }
	switch own := has(Apex) || has(autoconfigLabel); {
	case has(Apex) && len(p.Each) > 1:
		return &PlanError{Part: InEach, Err: errors.New("the zone of the domain itself, @, overlaps every other; it stands alone")}
	case len(p.Addresses) == 0 && (has(autoconfigLabel) || has(autodiscoverLabel)):
		return &PlanError{Part: InAddresses, Err: errors.New("the service's addresses are missing: autoconfig and autodiscover are zones of their own, and no CNAME can stand at the top of one (RFC 1034 §3.6.2)")}
	case len(p.NameServers) == 0 && len(p.Each)+len(p.Zones) > 0 && (len(p.Addresses) == 0 || !own):
		return &PlanError{Part: InNameServers, Err: errors.New("no name server is set; only domains whose autoconfig is in a zone, and a service with addresses, have one of their own")}
	}
	for _, label := range p.Each {
		if label != Apex && !slices.ContainsFunc(names, func(name string) bool { return name == label || strings.HasSuffix(name, "."+label) }) {
			return &PlanError{Part: InEach, Err: fmt.Errorf("%q holds nothing that is made of a provider; @, _tcp, autoconfig, autodiscover and single labels, as _imaps._tcp, are allowed", label)}
		}
	}
	return nil
}

// checkOverlap refuses a zone inside or above another one.
func (s *Set) checkOverlap(name string) error {
	for above := name; above != "."; {
		above = parent(above)
		if _, ok := s.wanted[above]; ok {
			return fmt.Errorf("lies in the zone %s, which is set too; zones may not overlap", strings.TrimSuffix(above, "."))
		}
		if _, ok := s.domainOf(above); ok {
			return fmt.Errorf("lies in the zone %s, which every domain has; zones may not overlap", strings.TrimSuffix(above, "."))
		}
	}
	return nil
}

// checkNameServers looks for name servers in one of the zones that nobody could
// find, or that break it.
func (s *Set) checkNameServers() []error {
	var errs []error
	for _, ns := range s.plan.NameServers {
		name := dns.CanonicalName(ns.Name)
		origin, d, ok := s.origin(name)
		if !ok {
			continue
		}
		if len(ns.Addresses) == 0 && !s.plan.hasAddress(name) {
			errs = append(errs, &PlanError{InNameServer, name, fmt.Errorf("lies in the zone %s and has no address; nobody could find it", strings.TrimSuffix(origin, "."))})
			continue
		}
		if _, wanted := s.wanted[origin]; wanted {
			continue
		}
		if _, err := s.make(origin, d); err != nil {
			errs = append(errs, &PlanError{InNameServer, name, err})
		}
	}
	return errs
}

// hasAddress tells whether one of the zones' own records is an address of a name.
func (p *Plan) hasAddress(name string) bool {
	for _, w := range p.Zones {
		for _, rr := range w.Records {
			if t := rr.Header().Rrtype; (t == dns.TypeA || t == dns.TypeAAAA) && dns.CanonicalName(rr.Header().Name) == name {
				return true
			}
		}
	}
	return false
}

// checkSamples makes the zones of one domain of each provider, and of those of its
// domains in which one of its hosts lies, and looks for hosts that nobody could
// find. All other domains have the same hosts.
func (s *Set) checkSamples() []error {
	var errs []error
	checked := make(map[string]bool)
	check := func(name string, d address.Domain) {
		if checked[name] {
			return
		}
		checked[name] = true
		z, err := s.make(name, d)
		if err == nil {
			err = z.checkTargets()
		}
		for _, err := range flatten(err) {
			if err != nil {
				errs = append(errs, &PlanError{Part: InEach, Err: err})
			}
		}
	}
	for _, p := range s.plan.Given {
		for _, label := range s.plan.Each {
			for _, pattern := range p.Domains {
				d := pattern.Domain
				if pattern.Wildcard || !s.fits(label, d) {
					continue
				}
				if _, inside := s.enclosing(eachName(label, d)); !inside {
					check(eachName(label, d), d)
					break
				}
			}
		}
		for _, rr := range Records(p, sample, s.plan.Options) {
			if srv, ok := rr.(*dns.SRV); ok {
				if origin, d, ok := s.origin(dns.CanonicalName(srv.Target)); ok && !d.IsZero() {
					if owner, _ := s.plan.Catalogue.Named(d); owner == p {
						check(origin, d)
					}
				}
			}
		}
	}
	return errs
}

// checkTargets refuses servers in the zone that have no address there: clients
// would be sent to a host that does not exist (RFC 2782, "Target").
func (z *Zone) checkTargets() error {
	var errs []error
	seen := make(map[string]bool)
	for _, rr := range z.records {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		target := dns.CanonicalName(srv.Target)
		if target == "." || seen[target] || !dns.IsSubDomain(z.origin, target) {
			continue
		}
		seen[target] = true
		if _, delegated := z.cut(target, dns.TypeA); delegated {
			continue
		}
		// An alias may not stand there either, but clients follow it.
		if n, _, _ := z.find(target); n[dns.TypeA] == nil && n[dns.TypeAAAA] == nil && n[dns.TypeCNAME] == nil {
			errs = append(errs, fmt.Errorf("%s leads to %s, which lies in the zone %s and has no address there; the records of a zone that is set by name can give it one", strings.TrimSuffix(srv.Hdr.Name, "."), strings.TrimSuffix(target, "."), z.Name()))
		}
	}
	return errors.Join(errs...)
}
