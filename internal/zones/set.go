// Package zones has all zones that the server is authoritative for: those that are
// configured by name, and those that every domain of the admin's own providers has.
// It decides which there are, keeps their serials, and builds a domain's zones when
// they are asked for.
package zones

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/layered"
	"milepost/settings"
	"milepost/zone"
)

// Set is the zones that a server is authoritative for. It is immutable, and safe
// for concurrent use. A domain's zones are built when they are asked for, so that a
// million domains cost nothing until then.
type Set struct {
	catalogue  *catalogue.Catalogue
	own        []*settings.Provider // the admin's, as their files have them
	conf       *config.Config
	options    zone.Options
	configured map[string]*zone.Zone       // by absolute name; nil until it is built
	members    map[string][]address.Domain // of a configured zone: the domains that lie in it
	parts      layered.Map[*settings.Provider, *part]
	changes    changes
	serials    serials
	history    history
	built      *built
}

// part is one of the admin's own providers, as its file or the rows of a table have it.
// It is a part of the serials of its domains' zones.
type part struct {
	name    string   // the same in all sets
	formers formers  // how it was
	digest  [32]byte // of the records that it makes
	serial  uint32
}

// Time is when a set is made.
type Time struct {
	Now    time.Time
	Serial uint32 // in seconds, as serials are
	// Agree gives the parts of serials their numbers; nil: Serial is that of what changes.
	Agree Agree
}

// Agree returns the serial of each part of the zones, by the part's name. Whoever asks
// with the same digest gets the same serial, and each other digest a higher one than
// those before; a new one is now if it can be. So several servers that have the same
// content have the same serials. A part that is not in the answer has none: its serial is
// now.
type Agree func(now uint32, parts map[string][32]byte) map[string]uint32

// New makes the zones of a configuration, as [config.Load] returns it: the
// configured ones, and those of every domain of the admin's own providers. The
// service's host and addresses are those of the configuration.
//
// If a zone differs from the previous set's (nil: there was none), its serial rises
// to the one that is given, a time in seconds, or more. It never falls. What was announced
// of PACC documents that differ stays for its time from now. The error is textfile.Errors
// with every mistake.
func New(c *catalogue.Catalogue, conf *config.Config, previous *Set, at Time) (*Set, error) {
	s := &Set{
		catalogue: c, own: c.Own(), conf: conf,
		options: zone.Options{
			Host: conf.Service.Host, Addresses: conf.Service.Addresses,
			TTL: conf.DNS.TTL, AllNotOffered: conf.DNS.AllNotOffered,
		},
		configured: make(map[string]*zone.Zone), built: newBuilt(),
	}
	parts := make(map[*settings.Provider]*part)
	for name, p := range c.Variants() {
		parts[p] = &part{name: name}
	}
	s.parts = layered.Of(parts)
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
	s.changes = newChanges(s, previous, at)
	s.serials = newSerials(s, previous, at)
	if errs := append(s.buildConfigured(previous, at), s.checkDomainZones()...); len(errs) > 0 {
		return nil, errs
	}
	return s, nil
}

// partsByName returns the parts with their providers, by their names.
func (s *Set) partsByName() map[string]ownPart {
	all := make(map[string]ownPart)
	for p, part := range s.parts.All() {
		all[part.name] = ownPart{p, part}
	}
	return all
}

type ownPart struct {
	*settings.Provider
	*part
}

// partName is empty for a provider that is not the admin's own.
func (s *Set) partName(p *settings.Provider) string {
	if part, ok := s.parts.Get(p); ok {
		return part.name
	}
	return ""
}

// domainZone names the zone that a domain has below it, or at it ([config.Apex]).
func domainZone(label string, d address.Domain) string {
	if label == config.Apex {
		return dns.Fqdn(d.ASCII)
	}
	return label + "." + dns.Fqdn(d.ASCII)
}

// claimed is a domain, and how its provider has it; zero: none.
type claimed struct {
	address.Domain
	catalogue.Claim
}

// domainOf returns the domain whose zone has that name; false: no domain's has.
func (s *Set) domainOf(name string) (claimed, bool) {
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
		if claim, ok := s.catalogue.Claim(d); ok && s.fits(label, d) {
			return claimed{d, claim}, true
		}
	}
	return claimed{}, false
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
func (s *Set) origin(name string) (origin string, d claimed, ok bool) {
	if origin, ok := s.configuredAt(name); ok {
		return origin, claimed{}, true
	}
	for above := name; above != "."; above = zone.Parent(above) {
		if d, ok := s.domainOf(above); ok {
			return above, d, true
		}
	}
	return "", claimed{}, false
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
	return s.built.get(builtKey{origin, d.Provider, s.serial(d)}, func() *zone.Zone {
		z, err := s.build(origin, d)
		if err != nil {
			return nil // New has refused whatever of a file fails
		}
		return z
	})
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

// Names yields the absolute name of every zone.
func (s *Set) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, z := range s.conf.DNS.Zones {
			if !yield(z.Name) {
				return
			}
		}
		for d := range s.catalogue.Claims() {
			for _, label := range s.conf.DNS.DomainZones {
				name := domainZone(label, d)
				if _, inside := s.configuredAt(name); !inside && s.fits(label, d) && !yield(name) {
					return
				}
			}
		}
	}
}

// fits tells whether a domain is short enough for a zone below it, and for a name
// server of its own.
func (s *Set) fits(label string, d address.Domain) bool {
	longest := len(domainZone(label, d))
	for _, ns := range s.nameServers(d) {
		longest = max(longest, len(ns.Name))
	}
	return longest <= zone.MaxName
}

// build makes one of a domain's zones.
func (s *Set) build(origin string, d claimed) (*zone.Zone, error) {
	rrs := append(s.records(d.Provider, d.Domain), s.nameServerAddresses(d.Domain)...)
	return zone.New(origin, s.authority(d.Domain, s.serial(d)), within(origin, rrs))
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
