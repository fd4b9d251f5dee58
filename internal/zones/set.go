// Package zones has all zones that the server is authoritative for: those that are
// configured by name, and those that every domain of the admin's own providers has.
// It decides which there are, keeps their serials, and builds a domain's zones when
// they are asked for.
package zones

import (
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/config"
	"milepost/settings"
	"milepost/zone"
)

// Catalogue finds providers. A [catalogue.Catalogue] does.
//
// [catalogue.Catalogue]: milepost/catalogue
type Catalogue interface {
	// Lookup finds the provider that serves a domain.
	Lookup(address.Domain) (*settings.Provider, bool)
	// Named finds the provider that names the domain itself: no wildcard, no MX.
	Named(address.Domain) (*settings.Provider, bool)
}

// Set is the zones that a server is authoritative for. It is immutable, and safe
// for concurrent use. A domain's zones are built when they are asked for, so that a
// million domains cost nothing until then.
type Set struct {
	catalogue  Catalogue
	own        []*settings.Provider // the admin's: their domains have zones
	isOwn      map[*settings.Provider]bool
	conf       *config.Config
	options    zone.Options
	configured map[string]*zone.Zone // by absolute name; nil until it is built
	changes    changes
	serials    serials
	// catalogZone lists all of them; nil: it is not wanted.
	catalogZone *CatalogZone

	mu    sync.RWMutex
	built map[string]*zone.Zone // of domains, by absolute name; at most maxBuilt
}

// maxBuilt is how many zones of domains are kept: some 5 kB each.
const maxBuilt = 4096

// New makes the zones of a configuration, as [config.Load] returns it: the
// configured ones, and those of every domain of the admin's own providers. The
// service's host and addresses are those of the configuration.
//
// If a zone differs from the previous set's (nil: there was none), its serial rises
// to the one that is given, a time in seconds, or more. It never falls. What was announced
// of PACC documents that differ stays for its time from now. The error is textfile.Errors
// with every mistake.
func New(c Catalogue, own []*settings.Provider, conf *config.Config, previous *Set, now time.Time, serial uint32) (*Set, error) {
	s := &Set{
		catalogue: c, own: own, isOwn: make(map[*settings.Provider]bool), conf: conf,
		options: zone.Options{
			Host: conf.Service.Host, Addresses: conf.Service.Addresses,
			TTL: conf.DNS.TTL, AllNotOffered: conf.DNS.AllNotOffered,
		},
		configured: make(map[string]*zone.Zone), built: make(map[string]*zone.Zone),
	}
	for _, p := range own {
		s.isOwn[p] = true
	}
	for _, z := range conf.DNS.Zones {
		s.configured[z.Name] = nil
	}
	// What a later step finds would only repeat the mistakes of an earlier one.
	if errs := s.checkConfig(); len(errs) > 0 {
		return nil, errs
	}
	if errs := append(s.checkOverlap(), s.checkNameServers()...); len(errs) > 0 {
		return nil, errs
	}
	s.changes = newChanges(s, previous, now)
	s.serials = newSerials(s, previous, serial)
	if errs := append(s.buildConfigured(previous), s.checkDomainZones()...); len(errs) > 0 {
		return nil, errs
	}
	s.catalogZone = newCatalogZone(s, previous, nil, func([sha256.Size]byte) uint32 { return s.serials.highest })
	return s, nil
}

// ownByID returns the admin's own providers by their IDs.
func (s *Set) ownByID() map[string]*settings.Provider {
	all := make(map[string]*settings.Provider, len(s.own))
	for _, p := range s.own {
		all[p.ID] = p
	}
	return all
}

// ownDomains yields the domains of the admin's own providers.
func (s *Set) ownDomains() iter.Seq2[address.Domain, *settings.Provider] {
	return func(yield func(address.Domain, *settings.Provider) bool) {
		for _, p := range s.own {
			for _, d := range p.Domains {
				if !d.Wildcard && !yield(d.Domain, p) {
					return
				}
			}
		}
	}
}

// domainZone names the zone that a domain has below it, or at it ([config.Apex]).
func domainZone(label string, d address.Domain) string {
	if label == config.Apex {
		return dns.Fqdn(d.ASCII)
	}
	return label + "." + dns.Fqdn(d.ASCII)
}

// domainOf returns the domain whose zone has that name; false: no domain's has.
func (s *Set) domainOf(name string) (address.Domain, bool) {
	for _, label := range s.conf.DNS.DomainZones {
		rest, ok := strings.CutPrefix(name, label+".")
		if label == config.Apex {
			rest, ok = name, true
		}
		if !ok {
			continue
		}
		ascii := strings.TrimSuffix(rest, ".")
		d := address.Domain{ASCII: ascii, Unicode: ascii}
		if p, named := s.catalogue.Named(d); named && s.isOwn[p] && s.fits(label, d) {
			return d, true
		}
	}
	return address.Domain{}, false
}

// configuredAt returns the configured zone in which a canonical name lies.
func (s *Set) configuredAt(name string) (origin string, ok bool) {
	for above := name; above != "."; above = zone.Parent(above) {
		if _, ok := s.configured[above]; ok {
			return above, true
		}
	}
	return "", false
}

// origin returns the zone in which a canonical name lies. If it is one of a domain's
// zones, it returns the domain too. A domain inside a configured zone has none: its
// records are in that zone.
func (s *Set) origin(name string) (origin string, d address.Domain, ok bool) {
	if origin, ok := s.configuredAt(name); ok {
		return origin, address.Domain{}, true
	}
	for above := name; above != "."; above = zone.Parent(above) {
		if d, ok := s.domainOf(above); ok {
			return above, d, true
		}
	}
	return "", address.Domain{}, false
}

// Find returns the zone in which a name lies; nil: there is none, or no set.
func (s *Set) Find(name string) *zone.Zone {
	if s == nil {
		return nil
	}
	origin, d, ok := s.origin(dns.CanonicalName(name))
	if !ok {
		return nil
	}
	if z := s.configured[origin]; z != nil {
		return z
	}
	s.mu.RLock()
	z := s.built[origin]
	s.mu.RUnlock()
	if z != nil {
		return z
	}
	z, err := s.build(origin, d)
	if err != nil {
		return nil // New has refused whatever fails
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.built) >= maxBuilt {
		clear(s.built)
	}
	s.built[origin] = z
	return z
}

// Example returns the header of a record that people can ask for; nil: there is none.
func (s *Set) Example() *dns.RR_Header {
	for name := range s.Names() {
		if z := s.Find(name); z != nil {
			return z.Records()[len(z.Records())-1].Header()
		}
	}
	return nil
}

// Names yields the absolute name of every zone but the catalog zone.
func (s *Set) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, z := range s.conf.DNS.Zones {
			if !yield(z.Name) {
				return
			}
		}
		for d := range s.ownDomains() {
			for _, label := range s.conf.DNS.DomainZones {
				name := domainZone(label, d)
				if _, inside := s.configuredAt(name); !inside && s.fits(label, d) && !yield(name) {
					return
				}
			}
		}
	}
}

// Changed yields the absolute name of every zone that the previous set did not have
// (nil: there was none), or had with another serial. The catalog zone is the first.
func (s *Set) Changed(previous *Set) iter.Seq[string] {
	return func(yield func(string) bool) {
		c, was := s.CatalogZone(), previous.CatalogZone()
		if c != nil && (was == nil || was.origin != c.origin || was.serial != c.serial) && !yield(c.origin) {
			return
		}
		if previous == nil {
			s.Names()(yield)
			return
		}
		for name := range s.Names() {
			serial, _ := s.serial(name)
			if old, ok := previous.serial(name); (!ok || old != serial) && !yield(name) {
				return
			}
		}
	}
}

// fits tells whether a domain is short enough for a zone below it, and for a name
// server of its own, and that zone has nothing of the catalog zone.
func (s *Set) fits(label string, d address.Domain) bool {
	name := domainZone(label, d)
	if s.overlapsCatalog(name) {
		return false
	}
	longest := len(name)
	for _, ns := range s.nameServers(d) {
		longest = max(longest, len(ns.Name))
	}
	return longest <= zone.MaxName
}

// build makes one of a domain's zones.
func (s *Set) build(origin string, d address.Domain) (*zone.Zone, error) {
	p, _ := s.catalogue.Named(d)
	rrs := append(s.records(p, d), s.nameServerAddresses(d)...)
	return zone.New(origin, s.authority(d, s.serials.of(d, p)), within(origin, rrs))
}

// nameServers returns the name servers of a domain's zones: the configured ones, or
// one of its own at the service's addresses.
func (s *Set) nameServers(d address.Domain) []config.NameServer {
	if len(s.conf.DNS.NameServers) > 0 {
		return s.conf.DNS.NameServers
	}
	return []config.NameServer{{Name: "ns." + zone.AutoconfigLabel + "." + dns.Fqdn(d.ASCII), Addresses: s.options.Addresses}}
}

// nameServerAddresses returns the address records of a domain's name servers.
func (s *Set) nameServerAddresses(d address.Domain) []dns.RR {
	var rrs []dns.RR
	for _, ns := range s.nameServers(d) {
		rrs = append(rrs, zone.Addresses(ns.Name, s.options.TTL, ns.Addresses)...)
	}
	return rrs
}

func (s *Set) authority(d address.Domain, serial uint32) zone.Authority {
	conf := &s.conf.DNS
	a := zone.Authority{Mailbox: conf.Mailbox, Serial: serial, TTL: conf.TTL, NegativeTTL: conf.NegativeTTL}
	if a.Mailbox == "" {
		if a.Mailbox = "hostmaster." + dns.Fqdn(d.ASCII); len(a.Mailbox) > zone.MaxName {
			a.Mailbox = "." // none
		}
	}
	for _, ns := range s.nameServers(d) {
		a.NameServers = append(a.NameServers, ns.Name)
	}
	return a
}

// within keeps the records that lie in a zone.
func within(origin string, rrs []dns.RR) []dns.RR {
	return slices.DeleteFunc(rrs, func(rr dns.RR) bool { return !dns.IsSubDomain(origin, rr.Header().Name) })
}
