// Package zone makes the DNS records of one domain, from the same providers as every
// other format, and answers questions from one zone as an authoritative server does.
// It has no socket, no clock and no log.
//
// It follows RFC 1034 §4.3.2 with RFC 2308 (negative answers), RFC 4592
// (wildcards and empty non-terminals), RFC 4343 (letter case), RFC 8482 (ANY) and
// RFC 9471 (glue). Signed zones (DNSSEC) and DNAME are left out.
package zone

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// SOA timers in seconds, for secondaries (RFC 1912 §2.2).
const (
	refresh = 3600
	retry   = 600
	expire  = 14 * 24 * 3600
)

// DefaultNegativeTTL is how long, in seconds, a resolver may remember that there
// is nothing: short, because an admin who adds a record looks for it at once.
const DefaultNegativeTTL = 300

// Authority is what a zone says of itself: its SOA and NS records.
type Authority struct {
	NameServers []string // absolute names; at least one
	Mailbox     string   // of the SOA: an absolute name (RFC 1035 §8); empty: hostmaster in the zone's domain
	Serial      uint32
	TTL         uint32 // seconds; 0: DefaultTTL
	NegativeTTL uint32 // seconds; 0: DefaultNegativeTTL
}

// Zone is one zone, ready to answer. It is immutable.
type Zone struct {
	origin  string
	soa     *dns.SOA
	nodes   map[string]node
	records []dns.RR        // as they are transferred, the SOA first
	seen    map[string]bool // records that are in, as text; nil once the zone is made
}

// node has what exists at one name. A node without record sets is an empty
// non-terminal (RFC 4592 §2.2.2).
type node map[uint16][]dns.RR

// New makes a zone of its records, without SOA and NS of the apex, which it makes
// itself. The error joins every mistake; those in the records are of type
// [*RecordError]. It refuses records outside of the zone, records beside a CNAME,
// name servers in the zone that have no address, and types that need what this
// server does not do.
func New(origin string, a Authority, rrs []dns.RR) (*Zone, error) {
	z := &Zone{origin: dns.CanonicalName(origin), nodes: make(map[string]node), seen: make(map[string]bool)}
	ttl := a.TTL
	if ttl == 0 {
		ttl = DefaultTTL
	}
	negative := a.NegativeTTL
	if negative == 0 {
		negative = DefaultNegativeTTL
	}
	mailbox := a.Mailbox
	if mailbox == "" {
		mailbox = "hostmaster." + z.origin
	}
	if len(a.NameServers) == 0 {
		return nil, fmt.Errorf("the zone %s has no name server", z.Name())
	}
	for _, name := range append([]string{z.origin, mailbox}, a.NameServers...) {
		if _, ok := dns.IsDomainName(name); !ok || len(name) > MaxName {
			return nil, fmt.Errorf("%s is no name, or too long for one", name)
		}
	}
	z.soa = &dns.SOA{
		Hdr: dns.RR_Header{Name: z.origin, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  a.NameServers[0], Mbox: mailbox, Serial: a.Serial,
		Refresh: refresh, Retry: retry, Expire: expire, Minttl: negative,
	}
	z.insert(z.soa)
	for _, ns := range a.NameServers {
		z.insert(&dns.NS{Hdr: dns.RR_Header{Name: z.origin, Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: ttl}, Ns: dns.CanonicalName(ns)})
	}
	var errs []error
	for _, rr := range rrs {
		rr = dns.Copy(rr)
		rr.Header().Name = dns.CanonicalName(rr.Header().Name)
		if err := z.check(rr); err != nil {
			errs = append(errs, &RecordError{rr.Header().Name, rr.Header().Rrtype, err})
			continue
		}
		z.insert(rr)
	}
	errs = append(errs, z.checkNodes()...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	z.sort()
	z.seen = nil
	return z, nil
}

// RecordError is what is wrong with the records of one name and type.
type RecordError struct {
	Name string // absolute, in lower case
	Type uint16
	Err  error
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Name, dns.Type(e.Type), e.Err)
}
func (e *RecordError) Unwrap() error { return e.Err }

// Name returns the zone's name without its final dot.
func (z *Zone) Name() string { return strings.TrimSuffix(z.origin, ".") }

// Serial returns the SOA's serial.
func (z *Zone) Serial() uint32 { return z.soa.Serial }

// SOA returns the zone's SOA record.
func (z *Zone) SOA() dns.RR { return z.soa }

// Records returns every record, the SOA first and only once. The slice must not
// be changed.
func (z *Zone) Records() []dns.RR { return z.records }

// WithSerial returns the same zone with another serial.
func (z *Zone) WithSerial(serial uint32) *Zone {
	out, soa := *z, *z.soa
	soa.Serial = serial
	out.soa = &soa
	out.records = append([]dns.RR{&soa}, z.records[1:]...)
	out.nodes = maps.Clone(z.nodes)
	out.nodes[z.origin] = maps.Clone(z.nodes[z.origin])
	out.nodes[z.origin][dns.TypeSOA] = out.records[:1:1]
	return &out
}

// maxSet is how many octets the records of one name and type may have: what a
// message holds (RFC 1035 §4.2.2), less the question, OPT and a signature.
const maxSet = dns.MaxMsgSize - 1024

// refused has the types that a zone cannot hold, with the reason.
var refused = map[uint16]string{
	dns.TypeSOA:        "is made by the server",
	dns.TypeDNAME:      "is not supported",
	dns.TypeRRSIG:      "is of a signed zone; zones are served unsigned here",
	dns.TypeNSEC:       "is of a signed zone; zones are served unsigned here",
	dns.TypeNSEC3:      "is of a signed zone; zones are served unsigned here",
	dns.TypeNSEC3PARAM: "is of a signed zone; zones are served unsigned here",
	dns.TypeDNSKEY:     "is of a signed zone; zones are served unsigned here",
	dns.TypeCDS:        "is of a signed zone; zones are served unsigned here",
	dns.TypeCDNSKEY:    "is of a signed zone; zones are served unsigned here",
	dns.TypeOPT:        "is no record of a zone",
	dns.TypeTSIG:       "is no record of a zone",
}

func (z *Zone) check(rr dns.RR) error {
	h := rr.Header()
	switch {
	case !dns.IsSubDomain(z.origin, h.Name):
		return fmt.Errorf("lies outside of the zone %s", z.Name())
	case h.Class != dns.ClassINET:
		return fmt.Errorf("has the class %s; IN is allowed", dns.Class(h.Class))
	case refused[h.Rrtype] != "":
		return errors.New(refused[h.Rrtype])
	case h.Rrtype == dns.TypeNS && h.Name == z.origin:
		return errors.New("the zone's name servers stand in the configuration, under name_server")
	case h.Rrtype == dns.TypeNS && strings.HasPrefix(h.Name, "*."):
		return errors.New("a wildcard cannot be delegated (RFC 4592 §4.2)")
	case h.Ttl > 1<<31-1:
		return fmt.Errorf("has a TTL of %d; at most 2147483647 are allowed (RFC 2181 §8)", h.Ttl)
	}
	return nil
}

// insert enters a record and the names above it, unless the record is there already.
func (z *Zone) insert(rr dns.RR) {
	name := rr.Header().Name
	for above := name; ; {
		if z.nodes[above] == nil {
			z.nodes[above] = make(node)
		}
		if above == z.origin {
			break
		}
		above = Parent(above)
	}
	t := rr.Header().Rrtype
	set := z.nodes[name][t]
	if len(set) > 0 {
		rr.Header().Ttl = set[0].Header().Ttl // one TTL a record set (RFC 2181 §5.2)
	}
	text := rr.String()
	if z.seen[text] {
		return
	}
	z.seen[text] = true
	z.nodes[name][t] = append(set, rr)
}

// Parent returns the name one label up.
func Parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// checkNodes looks for what no single record shows.
func (z *Zone) checkNodes() []error {
	var errs []error
	for _, name := range z.names() {
		n := z.nodes[name]
		for t, set := range n {
			size := 0
			for _, rr := range set {
				size += dns.Len(rr) - len(name) + 1 // the name is written once; then a pointer stands for it
			}
			if size > maxSet {
				errs = append(errs, &RecordError{name, t, fmt.Errorf("the %d records have %d octets; at most %d fit into an answer", len(set), size, maxSet)})
			}
		}
		switch cname := n[dns.TypeCNAME]; {
		case len(cname) > 1:
			errs = append(errs, &RecordError{name, dns.TypeCNAME, fmt.Errorf("there are %d; a name has one (RFC 2181 §10.1)", len(cname))})
		case cname != nil && name == z.origin:
			errs = append(errs, &RecordError{name, dns.TypeCNAME, errors.New("cannot stand at the top of a zone, beside SOA and NS (RFC 1034 §3.6.2); give the service's addresses")})
		case cname != nil && len(n) > 1:
			errs = append(errs, &RecordError{name, dns.TypeCNAME, errors.New("other records stand at the name (RFC 1034 §3.6.2)")})
		}
	}
	for _, rr := range z.nodes[z.origin][dns.TypeNS] {
		target := rr.(*dns.NS).Ns
		if dns.IsSubDomain(z.origin, target) && len(z.addresses(target)) == 0 {
			errs = append(errs, fmt.Errorf("the name server %s lies in the zone %s and has no address there; nobody could find it", strings.TrimSuffix(target, "."), z.Name()))
		}
	}
	return errs
}

// CheckTargets refuses servers in the zone that have no address there: clients
// would be sent to a host that does not exist (RFC 2782, "Target").
func (z *Zone) CheckTargets() error {
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
		// RFC 2782 forbids an alias there, but clients follow it.
		if n, _, _ := z.find(target); n[dns.TypeA] == nil && n[dns.TypeAAAA] == nil && n[dns.TypeCNAME] == nil {
			errs = append(errs, fmt.Errorf("%s leads to %s, which lies in the zone %s and has no address there; the records of a zone that is set by name can give it one", strings.TrimSuffix(srv.Hdr.Name, "."), strings.TrimSuffix(target, "."), z.Name()))
		}
	}
	return errors.Join(errs...)
}

func (z *Zone) names() []string {
	names := make([]string, 0, len(z.nodes))
	for name := range z.nodes {
		names = append(names, name)
	}
	slices.SortFunc(names, compareNames)
	return names
}

// sort puts the records into the order in which they are transferred and printed.
func (z *Zone) sort() {
	for _, name := range z.names() {
		n := z.nodes[name]
		types := make([]uint16, 0, len(n))
		for t := range n {
			types = append(types, t)
		}
		slices.SortFunc(types, func(a, b uint16) int { return order(a) - order(b) })
		for _, t := range types {
			z.records = append(z.records, n[t]...)
		}
	}
}

// order puts SOA and NS before the other types.
func order(t uint16) int {
	switch t {
	case dns.TypeSOA:
		return -2
	case dns.TypeNS:
		return -1
	}
	return int(t)
}

// compareNames sorts names from the right-most label on (RFC 4034 §6.1), so that
// a zone's apex is first.
func compareNames(a, b string) int {
	as, bs := dns.SplitDomainName(a), dns.SplitDomainName(b)
	for i := 1; i <= min(len(as), len(bs)); i++ {
		if c := strings.Compare(as[len(as)-i], bs[len(bs)-i]); c != 0 {
			return c
		}
	}
	return len(as) - len(bs)
}
