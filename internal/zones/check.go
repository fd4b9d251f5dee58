package zones

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/textfile"
	"milepost/zone"
)

// mistakes places an error, or each of several that were joined, at the line of
// milepost.toml that it is about; 0: where the setting is set. If nothing is, the option
// -dns is what was asked for.
func (s *Set) mistakes(line int, key string, err error) textfile.Errors {
	at := s.conf.Mistake(key, nil)
	if line > 0 {
		at.Line = line
	}
	if at.File == "" {
		at = textfile.Error{File: "-dns"}
	}
	var errs textfile.Errors
	for _, at.Err = range flatten(err) {
		errs = append(errs, at)
	}
	return errs
}

// flatten returns the errors that were joined, at any depth.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// zoneMistakes places the errors of a configured zone: those in its records, as far
// as they stand there, in its file.
func (s *Set) zoneMistakes(i int, err error) textfile.Errors {
	var errs textfile.Errors
	z := s.conf.DNS.Zones[i]
	for _, err := range flatten(err) {
		if e, ok := errors.AsType[*zone.RecordError](err); ok {
			if at := slices.IndexFunc(z.Records, func(r config.Record) bool {
				return r.Header().Rrtype == e.Type && dns.CanonicalName(r.Header().Name) == e.Name
			}); at >= 0 {
				errs = append(errs, textfile.Error{File: z.File, Line: z.Records[at].Line, Err: err})
				continue
			}
		}
		errs = append(errs, s.mistakes(z.Line, fmt.Sprintf("dns.zone[%d].name", i+1), err)...)
	}
	return errs
}

// checkConfig looks for what the zones would lack whatever the catalogue holds.
func (s *Set) checkConfig() textfile.Errors {
	service, conf := &s.conf.Service, &s.conf.DNS
	has := func(label string) bool { return slices.Contains(conf.DomainZones, label) }
	for _, label := range []string{zone.AutoconfigLabel, zone.AutodiscoverLabel, zone.MTASTSLabel, zone.PACCLabel} {
		if len(service.Addresses) == 0 && has(label) {
			return s.mistakes(0, "service.addresses", fmt.Errorf("the service's addresses are missing: %s is a zone of its own, and no CNAME can stand at the top of one (RFC 1034 §3.6.2)", label))
		}
	}
	ownServer := has(config.Apex) || has(zone.AutoconfigLabel)
	if len(conf.NameServers) == 0 && len(conf.DomainZones)+len(conf.Zones) > 0 && (len(service.Addresses) == 0 || !ownServer) {
		return s.mistakes(0, "dns.name_server", errors.New("no name server is set; only domains whose autoconfig is in a zone, and a service with addresses, have one of their own"))
	}
	for _, label := range conf.DomainZones {
		if label != config.Apex && !zone.HoldsRecords(label) {
			return s.mistakes(0, "dns.domain_zones", fmt.Errorf("%q holds nothing that is made of a provider; @, _tcp, autoconfig, autodiscover, mta-sts, _mta-sts, ua-auto-config, _ua-auto-config and single labels, as _imaps._tcp, are allowed", label))
		}
	}
	return nil
}

// checkOverlap refuses a configured zone inside one that a domain has, and a catalog zone
// in or above one. That no two configured ones overlap is known to package config.
func (s *Set) checkOverlap() textfile.Errors {
	var errs textfile.Errors
	for i, z := range s.conf.DNS.Zones {
		for above := zone.Parent(z.Name); above != "."; above = zone.Parent(above) {
			if _, ok := s.domainOf(above); ok {
				errs = append(errs, s.zoneMistakes(i, fmt.Errorf("lies in the zone %s, which every domain has; zones may not overlap", strings.TrimSuffix(above, ".")))...)
				break
			}
		}
	}
	if s.conf.DNS.CatalogZone == "" {
		return errs
	}
	for d := range s.ownDomains() {
		for _, label := range s.conf.DNS.DomainZones {
			if name := domainZone(label, d); s.overlapsCatalog(name) {
				return append(errs, s.mistakes(0, "dns.catalog_zone", fmt.Errorf("%s overlaps the zone %s of a domain; zones may not overlap",
					strings.TrimSuffix(s.conf.DNS.CatalogZone, "."), strings.TrimSuffix(name, ".")))...)
			}
		}
	}
	return errs
}

// checkNameServers looks for name servers in one of the zones that nobody could
// find, or that break it.
func (s *Set) checkNameServers() textfile.Errors {
	var errs textfile.Errors
	for i, ns := range s.conf.DNS.NameServers {
		origin, d, ok := s.origin(ns.Name)
		if !ok {
			continue
		}
		var err error
		if len(ns.Addresses) == 0 && !s.hasAddress(ns.Name) {
			err = fmt.Errorf("lies in the zone %s and has no address; nobody could find it", strings.TrimSuffix(origin, "."))
		} else if !d.IsZero() {
			_, err = s.build(origin, d)
		}
		if err != nil {
			errs = append(errs, s.mistakes(ns.Line, fmt.Sprintf("dns.name_server[%d].name", i+1), err)...)
		}
	}
	return errs
}

// hasAddress tells whether a zone's file has an address of a name.
func (s *Set) hasAddress(name string) bool {
	return slices.ContainsFunc(s.conf.DNS.Zones, func(z config.Zone) bool {
		return slices.ContainsFunc(z.Records, func(r config.Record) bool {
			t := r.Header().Rrtype
			return (t == dns.TypeA || t == dns.TypeAAAA) && dns.CanonicalName(r.Header().Name) == name
		})
	})
}

// checkDomainZones builds zones to see whether it works, and whether their hosts can
// be found: those of one domain of each provider, which stand for those of all its
// domains, and those in which one of its hosts lies.
func (s *Set) checkDomainZones() textfile.Errors {
	var errs textfile.Errors
	checked := make(map[string]bool)
	check := func(name string, d address.Domain) {
		if checked[name] {
			return
		}
		checked[name] = true
		z, err := s.build(name, d)
		if err == nil {
			err = z.CheckTargets()
		}
		if err != nil {
			errs = append(errs, s.mistakes(0, "dns.domain_zones", err)...)
		}
	}
	for _, p := range s.own {
		for _, label := range s.conf.DNS.DomainZones {
			for _, pattern := range p.Domains {
				d := pattern.Domain
				if pattern.Wildcard || !s.fits(label, d) {
					continue
				}
				if _, inside := s.configuredAt(domainZone(label, d)); !inside {
					check(domainZone(label, d), d)
					break
				}
			}
		}
		for _, rr := range zone.Records(p, sample, s.options) {
			srv, ok := rr.(*dns.SRV)
			if !ok {
				continue
			}
			origin, d, ok := s.origin(dns.CanonicalName(srv.Target))
			if owner, named := s.catalogue.Named(d); ok && named && owner == p {
				check(origin, d)
			}
		}
	}
	return errs
}
