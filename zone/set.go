package zone

import (
	"errors"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/settings"
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

// NameServer is a server of the zones. Addresses are needed if its name lies in
// one of them.
type NameServer struct {
	Name      string // absolute
	Addresses []netip.Addr
}

// Wanted is a zone that was asked for by name.
type Wanted struct {
	Name    string   // absolute: a domain, or a name below one
	Records []dns.RR // that stand in it beside those of the catalogue
}

// Apex stands, among [Plan.Each], for the domain itself.
const Apex = "@"

// Plan says which zones there are and what they have in common.
type Plan struct {
	Catalogue Catalogue
	// Given are the providers whose domains have the zones Each: names relative to
	// a domain, as _tcp and autoconfig, or Apex. Domains that lie in one of Zones
	// belong there instead.
	Given []*settings.Provider
	Each  []string
	Zones []Wanted

	// NameServers may be empty if the autoconfig name of every domain lies in a
	// zone: then each domain has a name server of its own there, ns.autoconfig, with
	// the service host's addresses.
	NameServers []NameServer
	Mailbox     string // as in Authority
	NegativeTTL uint32 // as in Authority
	Options            // TTL is that of the zones too
}

// Set is the zones that a server is authoritative for. It is immutable, and safe
// for concurrent use. The zones of a domain are made when they are asked for, so
// that a million domains cost nothing until then.
type Set struct {
	plan    Plan
	given   map[*settings.Provider]bool
	wanted  map[string]*Zone // by absolute name
	serials serials

	mu    sync.RWMutex
	built map[string]*Zone // of Each, kept; at most maxBuilt
}

// maxBuilt is how many zones of domains are kept: some 5 kB each.
const maxBuilt = 4096

// PlanError is a mistake in a plan.
type PlanError struct {
	Part Part
	Name string // absolute: of the zone or the name server
	Err  error
}

// Part is a part of a plan.
type Part string

const (
	InAddresses   Part = "addresses"   // Options.Addresses
	InEach        Part = "each"        // Each
	InNameServers Part = "nameservers" // NameServers as a whole
	InNameServer  Part = "nameserver"  // the one of that name
	InZone        Part = "zone"        // the one of that name
)

func (e *PlanError) Error() string { return e.Err.Error() }
func (e *PlanError) Unwrap() error { return e.Err }

// PlanErrors returns the mistakes in an error of [NewSet].
func PlanErrors(err error) []*PlanError {
	var all []*PlanError
	for _, e := range flatten(err) {
		if e, ok := e.(*PlanError); ok {
			all = append(all, e)
		}
	}
	return all
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

// NewSet makes the zones of a plan. Serials rise, compared with those of the set
// before (nil: there was none), where a zone has changed or what all have in common
// has, to now (a time in seconds) or more. They never fall. The error wraps a [PlanError] for each mistake.
func NewSet(plan Plan, before *Set, now uint32) (*Set, error) {
	s := &Set{plan: plan, given: make(map[*settings.Provider]bool), wanted: make(map[string]*Zone), built: make(map[string]*Zone)}
	if err := plan.check(); err != nil {
		return nil, err
	}
	for _, p := range plan.Given {
		s.given[p] = true
	}
	var errs []error
	fail := func(zone string, err error) {
		for _, err := range flatten(err) {
			errs = append(errs, &PlanError{InZone, zone, err})
		}
	}
	for _, w := range plan.Zones {
		name := dns.CanonicalName(w.Name)
		if _, twice := s.wanted[name]; twice {
			fail(name, errors.New("the zone is set twice"))
		}
		s.wanted[name] = nil
	}
	for _, w := range plan.Zones {
		if err := s.checkOverlap(dns.CanonicalName(w.Name)); err != nil {
			fail(w.Name, err)
		}
	}
	errs = append(errs, s.checkNameServers()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s.serials = newSerials(s, before, now)
	members := s.members()
	for _, w := range plan.Zones {
		name := dns.CanonicalName(w.Name)
		z, err := s.makeWanted(name, w.Records, members[name], before)
		if err != nil {
			fail(name, err)
			continue
		}
		s.wanted[name] = z
	}
	errs = append(errs, s.checkSamples()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// domains yields the domains of the given providers.
func (s *Set) domains() iter.Seq2[address.Domain, *settings.Provider] {
	return func(yield func(address.Domain, *settings.Provider) bool) {
		for _, p := range s.plan.Given {
			for _, d := range p.Domains {
				if !d.Wildcard && !yield(d.Domain, p) {
					return
				}
			}
		}
	}
}

// domainOf returns the domain that has a zone of that name by Each.
func (s *Set) domainOf(name string) (address.Domain, bool) {
	for _, label := range s.plan.Each {
		rest, ok := strings.CutPrefix(name, label+".")
		if label == Apex {
			rest, ok = name, true
		}
		if !ok {
			continue
		}
		ascii := strings.TrimSuffix(rest, ".")
		d := address.Domain{ASCII: ascii, Unicode: ascii}
		if p, named := s.plan.Catalogue.Named(d); named && s.given[p] && s.fits(label, d) {
			return d, true
		}
	}
	return address.Domain{}, false
}

// origin returns the deepest zone in which a canonical name lies, and the domain
// whose it is by Each; a wanted zone has none.
func (s *Set) origin(name string) (origin string, d address.Domain, ok bool) {
	for above := name; above != "."; above = parent(above) {
		if _, ok := s.wanted[above]; ok {
			return above, address.Domain{}, true
		}
		if d, ok := s.domainOf(above); ok {
			if wanted, inside := s.enclosing(above); inside {
				return wanted, address.Domain{}, true
			}
			return above, d, true
		}
	}
	return "", address.Domain{}, false
}

// Find returns the zone in which a name lies, or nil.
func (s *Set) Find(name string) *Zone {
	origin, d, ok := s.origin(dns.CanonicalName(name))
	if !ok {
		return nil
	}
	if z := s.wanted[origin]; z != nil {
		return z
	}
	s.mu.RLock()
	z := s.built[origin]
	s.mu.RUnlock()
	if z == nil {
		var err error
		if z, err = s.make(origin, d); err != nil {
			return nil // checkNameServers and checkSamples leave nothing that fails
		}
		s.mu.Lock()
		if len(s.built) >= maxBuilt {
			clear(s.built)
		}
		s.built[origin] = z
		s.mu.Unlock()
	}
	return z
}

// Answer answers a question from the zone in which it lies. Outside of all zones
// it is refused.
func (s *Set) Answer(q dns.Question) Answer {
	if z := s.Find(q.Name); z != nil {
		return z.Answer(q)
	}
	return Answer{Rcode: dns.RcodeRefused}
}

// Highest returns a serial that none has exceeded, in this set and in those before
// it.
func (s *Set) Highest() uint32 { return s.serials.highest }

// Names yields the absolute name of every zone.
func (s *Set) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, w := range s.plan.Zones {
			if !yield(dns.CanonicalName(w.Name)) {
				return
			}
		}
		for d := range s.domains() {
			for _, label := range s.plan.Each {
				name := eachName(label, d)
				if _, inside := s.enclosing(name); !inside && s.fits(label, d) && !yield(name) {
					return
				}
			}
		}
	}
}

// eachName is the name of a domain's zone by Each.
func eachName(label string, d address.Domain) string {
	if label == Apex {
		return dns.Fqdn(d.ASCII)
	}
	return label + "." + dns.Fqdn(d.ASCII)
}

// fits tells whether a domain is short enough for a zone below it, and for a name
// server of its own.
func (s *Set) fits(label string, d address.Domain) bool {
	longest := len(eachName(label, d))
	for _, ns := range s.nameServers(d) {
		longest = max(longest, len(ns.Name))
	}
	return longest <= maxName
}

// Changed yields the absolute name of every zone that was not in the set before
// (nil: none was) or had another serial there.
func (s *Set) Changed(before *Set) iter.Seq[string] {
	if before == nil {
		return s.Names()
	}
	return func(yield func(string) bool) {
		for name := range s.Names() {
			if old, ok := before.serial(name); (!ok || old != s.mustSerial(name)) && !yield(name) {
				return
			}
		}
	}
}

// serial returns the serial of the zone of that name, without making it.
func (s *Set) serial(name string) (uint32, bool) {
	origin, d, ok := s.origin(name)
	if !ok || origin != name {
		return 0, false
	}
	if z := s.wanted[origin]; z != nil {
		return z.Serial(), true
	}
	p, _ := s.plan.Catalogue.Named(d)
	return s.serials.of(d, p), true
}

func (s *Set) mustSerial(name string) uint32 {
	serial, _ := s.serial(name)
	return serial
}

// make makes a zone that a domain has by Each.
func (s *Set) make(origin string, d address.Domain) (*Zone, error) {
	p, _ := s.plan.Catalogue.Named(d)
	rrs := append(Records(p, d, s.plan.Options), s.nameServerAddresses(d)...)
	return New(origin, s.authority(d, s.serials.of(d, p)), within(origin, rrs))
}

// nameServerAddresses returns the address records of a domain's name servers.
func (s *Set) nameServerAddresses(d address.Domain) []dns.RR {
	var rrs []dns.RR
	for _, ns := range s.nameServers(d) {
		for _, rr := range addresses(ns.Addresses) {
			h := rr.Header()
			h.Name, h.Class, h.Ttl = dns.CanonicalName(ns.Name), dns.ClassINET, s.plan.ttl()
			rrs = append(rrs, rr)
		}
	}
	return rrs
}

// nameServers returns the name servers of a domain's zones.
func (s *Set) nameServers(d address.Domain) []NameServer {
	if len(s.plan.NameServers) > 0 {
		return s.plan.NameServers
	}
	return []NameServer{{"ns." + autoconfigLabel + "." + dns.Fqdn(d.ASCII), s.plan.Addresses}}
}

func (s *Set) authority(d address.Domain, serial uint32) Authority {
	a := Authority{Mailbox: s.plan.Mailbox, Serial: serial, TTL: s.plan.TTL, NegativeTTL: s.plan.NegativeTTL}
	if a.Mailbox == "" {
		if a.Mailbox = "hostmaster." + dns.Fqdn(d.ASCII); len(a.Mailbox) > maxName {
			a.Mailbox = "." // none
		}
	}
	for _, ns := range s.nameServers(d) {
		a.NameServers = append(a.NameServers, dns.CanonicalName(ns.Name))
	}
	return a
}

// within keeps the records that lie in a zone.
func within(origin string, rrs []dns.RR) []dns.RR {
	return slices.DeleteFunc(rrs, func(rr dns.RR) bool { return !dns.IsSubDomain(origin, rr.Header().Name) })
}
