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
	"milepost/settings"
	"milepost/zone"
)

// buildConfigured makes the configured zones.
func (s *Set) buildConfigured(previous *Set, at Time) textfile.Errors {
	var errs textfile.Errors
	s.members = s.domainsByZone()
	for i, z := range s.conf.DNS.Zones {
		built, err := s.buildOne(z, previous, at)
		if err != nil {
			errs = append(errs, s.zoneMistakes(i, err)...)
			continue
		}
		s.configured[z.Name] = built
	}
	return errs
}

// domainsByZone returns, of each configured zone, the domains of the admin's own
// providers that lie in it.
func (s *Set) domainsByZone() map[string][]address.Domain {
	domains := make(map[string][]address.Domain)
	if len(s.configured) == 0 {
		return domains
	}
	for d := range s.catalogue.Claims() {
		if name, ok := s.configuredAt(dns.Fqdn(d.ASCII)); ok {
			domains[name] = append(domains[name], d)
		}
	}
	return domains
}

// buildOne makes a configured zone of the records of its own domain, of those of
// other domains in it, and of those in its file.
func (s *Set) buildOne(z config.Zone, previous *Set, at Time) (*zone.Zone, error) {
	own, p := s.domainAbove(z.Name)
	var made []dns.RR
	if p != nil {
		made = s.records(p, own)
	}
	for _, d := range s.members[z.Name] {
		if p, ok := s.catalogue.Named(d); ok && d.ASCII != own.ASCII {
			made = append(made, s.records(p, d)...)
		}
	}
	if made = within(z.Name, made); len(made) == 0 {
		return nil, fmt.Errorf("the catalogue has nothing for the zone %s: no provider is known for a domain in it", strings.TrimSuffix(z.Name, "."))
	}
	if len(s.conf.DNS.NameServers) == 0 {
		if _, _, ok := s.origin(s.nameServers(own)[0].Name); !ok {
			return nil, errors.New("no name server is set for the zone")
		}
	}
	clash := disjoint(z, made)
	rrs := append(made, within(z.Name, s.nameServerAddresses(own))...)
	for _, r := range z.Records {
		rrs = append(rrs, r.RR)
	}
	with := func(serial uint32) (*zone.Zone, error) { return zone.New(z.Name, s.authority(own, serial), rrs) }
	built, err := with(0)
	if err == nil {
		err = built.CheckTargets()
	}
	if err != nil || clash != nil {
		return nil, errors.Join(err, clash)
	}
	old := previous.Find(z.Name)
	switch {
	case at.Agree != nil:
		name := "zone " + z.Name
		return with(at.agreed(map[string][32]byte{name: digest(text(built.Records()))})[name])
	case old == nil:
		return with(s.serials.highest)
	}
	was := text(old.Records())
	if built, err = with(old.SOA().Serial); err == nil && text(built.Records()) != was {
		return with(s.serials.highest)
	}
	return built, err
}

// disjoint refuses, in a zone's file, records of the same name and type as those
// made of the catalogue, and delegations that hide these: DNS and HTTP would no
// longer say the same.
func disjoint(z config.Zone, made []dns.RR) error {
	type key struct {
		name   string
		rrtype uint16
	}
	taken := make(map[key]bool)
	for _, rr := range made {
		taken[key{rr.Header().Name, rr.Header().Rrtype}] = true
	}
	var errs []error
	for _, r := range z.Records {
		k := key{dns.CanonicalName(r.Header().Name), r.Header().Rrtype}
		if taken[k] {
			errs = append(errs, &zone.RecordError{Name: k.name, Type: k.rrtype, Err: errors.New("is made from the catalogue already")})
			delete(taken, k) // said once
		}
		if k.rrtype == dns.TypeNS && k.name != z.Name {
			if i := slices.IndexFunc(made, func(m dns.RR) bool { return dns.IsSubDomain(k.name, m.Header().Name) }); i >= 0 {
				errs = append(errs, &zone.RecordError{Name: k.name, Type: k.rrtype, Err: fmt.Errorf("hides %s, which is made from the catalogue", made[i].Header().Name)})
			}
		}
	}
	return errors.Join(errs...)
}

// domainAbove returns the domain to which a zone belongs: example.com for
// example.com, _imaps._tcp.example.com and autoconfig.example.com. The provider is
// nil if none is known.
func (s *Set) domainAbove(origin string) (address.Domain, *settings.Provider) {
	name := strings.TrimSuffix(origin, ".")
	for {
		label, rest, ok := strings.Cut(name, ".")
		d, err := address.ParseDomain(name)
		service := label == zone.AutoconfigLabel || label == zone.AutodiscoverLabel || label == zone.MTASTSLabel || label == zone.PACCLabel
		if err == nil {
			if p, named := s.catalogue.Named(d); named {
				return d, p
			}
			if p, found := s.catalogue.Lookup(d); found && !service {
				return d, p
			}
		}
		if !ok || !service && !strings.HasPrefix(label, "_") {
			return d, nil
		}
		name = rest
	}
}
