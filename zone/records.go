package zone

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/mtasts"
	"milepost/pacc"
	"milepost/settings"
)

// DefaultTTL is how long, in seconds, an answer may be kept unless Options say
// otherwise. Settings change seldom, and a mistake in them should not live long.
const DefaultTTL = 3600

// Options say what no provider knows: where the server that answers over HTTP
// is reached, and how much the records claim.
type Options struct {
	// Host is the service host, where autoconfig.DOMAIN and autodiscover.DOMAIN
	// lead and which has the certificate for Autodiscover; empty: none is known.
	Host settings.Hostname
	// Addresses are those of the service host. With them, the names have A and
	// AAAA records, and otherwise a CNAME to Host.
	Addresses []netip.Addr
	TTL       uint32 // seconds; 0: DefaultTTL
	// AllNotOffered has a record say "not offered" of every service that the provider
	// lacks. Otherwise only mail's own have one, IMAP, POP3 and submission: another
	// server than the provider's may offer the domain calendars.
	AllNotOffered bool
}

// Labels of the names that lead to the service host.
const (
	AutoconfigLabel   = "autoconfig"
	AutodiscoverLabel = "autodiscover"
	MTASTSLabel       = mtasts.HostLabel
	PACCLabel         = pacc.HostLabel
)

// Records returns the records of a domain of the provider, in the order of their
// names:
//
//   - SRV records of its servers (RFC 6186, RFC 8314 §5.1, RFC 5804 §1.8), and of
//     its services with the TXT records of their paths (RFC 8620 §2.2, RFC 6764);
//   - the target "." where a service is decidedly not offered (RFC 6186 §3.4), as
//     far as the options allow;
//   - the TXT record of an MTA-STS policy (RFC 8461 §3.1), if the provider has one;
//   - the TXT record with the digest of the PACC document (draft-ietf-mailmaint-pacc), if
//     there is one, and beside it those of the documents that the former providers make:
//     the same one as it was before, as long as it is in caches;
//   - autoconfig, autodiscover and _autodiscover._tcp, mta-sts with a policy, and
//     ua-auto-config with a document, if the service host is known.
//
// Servers have no record if SRV cannot describe them, or a client would take them for
// something else: those without TLS (aerc would do STARTTLS), those with STARTTLS on
// another port than the registered one (FairEmail would do TLS), those known by an IP
// address (RFC 2782: the target is a name), and those that do not work on phones and
// computers alike. Names that would be too long are left out.
func Records(p *settings.Provider, d address.Domain, o Options, former ...*settings.Provider) []dns.RR {
	r := records{domain: dns.Fqdn(d.ASCII), ttl: cmp.Or(o.TTL, DefaultTTL), allNotOffered: o.AllNotOffered}
	account := p.For(address.Address{Domain: d}).Provider
	r.addServers(account.Incoming, []serviceLabel{
		{settings.IMAP, settings.SSL, "_imaps"},
		{settings.IMAP, settings.STARTTLS, "_imap"},
		{settings.POP3, settings.SSL, "_pop3s"},
		{settings.POP3, settings.STARTTLS, "_pop3"},
	})
	r.addServers(account.Outgoing, []serviceLabel{
		{settings.SMTP, settings.SSL, "_submissions"},
		{settings.SMTP, settings.STARTTLS, "_submission"},
	})
	r.addServers(account.Setup, []serviceLabel{{settings.ManageSieve, settings.STARTTLS, "_sieve"}})
	r.addServices(account.Services, settings.JMAP, "_jmap", "")
	r.addServices(account.Services, settings.CalDAV, "_caldavs", "_caldav")
	r.addServices(account.Services, settings.CardDAV, "_carddavs", "_carddav")
	labels := []string{AutoconfigLabel, AutodiscoverLabel}
	if text, err := mtasts.Record(p.MTASTS); err == nil {
		r.add(mtasts.RecordLabel, dns.TypeTXT, &dns.TXT{Txt: []string{text}})
		labels = append(labels, MTASTSLabel)
	}
	if digests := digests(p, d, former); len(digests) > 0 {
		for _, text := range digests {
			r.add(pacc.RecordLabel, dns.TypeTXT, &dns.TXT{Txt: []string{text}})
		}
		labels = append(labels, PACCLabel)
	}
	r.addServiceHost(labels, o)
	slices.SortStableFunc(r.rrs, func(a, b dns.RR) int {
		return strings.Compare(a.Header().Name, b.Header().Name)
	})
	return r.rrs
}

// digests returns the texts that announce the PACC documents of a domain, the present one
// first, each once; none: there is no present one.
func digests(p *settings.Provider, d address.Domain, former []*settings.Provider) []string {
	var texts []string
	for _, p := range append([]*settings.Provider{p}, former...) {
		doc, err := pacc.Render(p.For(address.Address{Domain: d}))
		if err != nil && texts == nil {
			return nil
		}
		if text := pacc.Record(doc); err == nil && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// names lists the names below a domain at which Records makes records.
var names = []string{
	"_imaps._tcp", "_imap._tcp", "_pop3s._tcp", "_pop3._tcp", "_submissions._tcp", "_smtps._tcp", "_submission._tcp", "_sieve._tcp",
	"_jmap._tcp", "_caldavs._tcp", "_caldav._tcp", "_carddavs._tcp", "_carddav._tcp",
	"_autodiscover._tcp", AutoconfigLabel, AutodiscoverLabel, mtasts.RecordLabel, MTASTSLabel,
	pacc.RecordLabel, PACCLabel,
}

// HoldsRecords tells whether [Records] makes anything at or below a name that is
// relative to a domain, as _tcp and _imaps._tcp are.
func HoldsRecords(relative string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return name == relative || strings.HasSuffix(name, "."+relative) })
}

// serviceLabel is the label of a service in SRV records (RFC 2782), with what it stands
// for.
type serviceLabel struct {
	protocol   settings.Protocol
	socketType settings.SocketType
	label      string
}

// records collects the records of one domain.
type records struct {
	domain        string // with the final dot
	ttl           uint32
	allNotOffered bool
	rrs           []dns.RR
}

// add appends a record under the domain, unless its name is too long.
func (r *records) add(owner string, rrtype uint16, rr dns.RR) {
	name := owner + "." + r.domain
	if _, ok := dns.IsDomainName(name); !ok || len(name) > MaxName {
		return
	}
	*rr.Header() = dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: r.ttl}
	r.rrs = append(r.rrs, rr)
}

// MaxName is how long a name may be as text with its final dot: the 255 octets on
// the wire (RFC 1035 §3.1) are one more.
const MaxName = 254

// addSRV appends an SRV record. All weights are the same, because aerc takes the
// highest weight whatever the priority, and Thunderbird the lowest.
func (r *records) addSRV(label string, priority, port uint16, target string) {
	r.add(label+"._tcp", dns.TypeSRV, &dns.SRV{Priority: priority, Weight: 1, Port: port, Target: dns.Fqdn(target)})
}

// deny says that a service is not offered (RFC 2782, "Target"; RFC 6186 §3.4).
func (r *records) deny(label string) {
	r.add(label+"._tcp", dns.TypeSRV, &dns.SRV{Target: "."})
}

// addServers appends the records of a list of servers. Priorities run through the
// whole list, since a client compares them across services (RFC 6186 §3.4): servers
// that take a password go first, as in every format, then TLS before STARTTLS
// (RFC 8314 §5.1), then the provider's order.
func (r *records) addServers(servers []settings.Server, labels []serviceLabel) {
	sorted := settings.On(servers, settings.Computer, settings.Phone) // a record cannot say for which of them it is
	slices.SortStableFunc(sorted, func(a, b settings.Server) int {
		return cmp.Or(
			rank(b.TakesPassword())-rank(a.TakesPassword()),
			rank(b.SocketType == settings.SSL)-rank(a.SocketType == settings.SSL))
	})
	type target struct {
		label, hostname string
		port            uint16
	}
	said := make(map[target]bool)
	for _, s := range sorted {
		for _, l := range labels {
			t := target{l.label, string(s.Hostname), s.Port}
			if l.protocol != s.Protocol || l.socketType != s.SocketType || !describable(s) || said[t] {
				continue
			}
			priority := uint16(len(said))
			r.addSRV(l.label, priority, s.Port, t.hostname)
			if l.label == "_submissions" { // aerc 0.20 asks only by the name before RFC 8314 §7.3
				r.addSRV("_smtps", priority, s.Port, t.hostname)
			}
			said[t] = true
		}
	}
	for _, l := range labels {
		if r.deniable(l, servers) {
			r.deny(l.label)
		}
	}
}

func rank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// describable tells whether clients read a server's SRV record rightly.
func describable(s settings.Server) bool {
	if s.SocketType == settings.STARTTLS && s.Port != settings.DefaultPort(s.Protocol, s.SocketType) {
		return false
	}
	return isName(string(s.Hostname))
}

// isName tells whether a hostname is a name and no IP address.
func isName(hostname string) bool {
	_, err := netip.ParseAddr(hostname)
	return err != nil
}

// deniable tells whether the target "." would be true, and break no client.
func (r *records) deniable(l serviceLabel, servers []settings.Server) bool {
	if l.protocol == settings.ManageSieve && !r.allNotOffered {
		return false // few provider files name the server, though there is one
	}
	return !slices.ContainsFunc(servers, func(s settings.Server) bool {
		switch {
		case s.Protocol != l.protocol:
			return false
		case l.label == "_submission", l.label == "_sieve":
			return true // FairEmail and aerc ask for the one before _submissions; the other has no TLS label
		case l.socketType == settings.STARTTLS:
			return s.SocketType != settings.SSL // the label is that of clear text too (RFC 6186 §3.1)
		}
		return s.SocketType == l.socketType
	})
}

// addServices appends the records of a protocol whose services have a URL: at the
// label for https and, if the protocol has one, at the plain label for http.
func (r *records) addServices(services []settings.Service, p settings.Protocol, label, plain string) {
	offered, priority := false, uint16(0)
	for _, s := range services {
		if s.Protocol != p {
			continue
		}
		offered = true
		host, port, path, ok := splitURL(s.URL)
		if !ok {
			continue
		}
		r.addSRV(label, priority, port, host)
		if path != "" && plain != "" && priority == 0 { // RFC 6764 §4: one TXT record, for the first
			r.add(label+"._tcp", dns.TypeTXT, &dns.TXT{Txt: []string{"path=" + path}})
		}
		priority++
	}
	if !r.allNotOffered {
		return
	}
	if !offered {
		r.deny(label)
	}
	if plain != "" {
		r.deny(plain) // the catalogue's services are all https
	}
}

// maxText is the longest character-string (RFC 1035 §3.3) less "path=".
const maxText = 255 - len("path=")

// splitURL takes apart the URL of a service. The path is empty if it depends on the
// address, which DNS does not know, or does not fit into a record.
func splitURL(u settings.URL) (host string, port uint16, path string, ok bool) {
	head, _, cut := strings.Cut(string(u), "%EMAIL")
	parsed, err := url.Parse(head)
	if err != nil || parsed.Hostname() == "" || !isName(parsed.Hostname()) {
		return "", 0, "", false
	}
	port = 443
	if p, err := strconv.ParseUint(parsed.Port(), 10, 16); err == nil {
		port = uint16(p)
	}
	path = cmp.Or(parsed.EscapedPath(), "/")
	if cut || parsed.RawQuery != "" || len(path) > maxText {
		path = ""
	}
	return parsed.Hostname(), port, path, true
}

// addServiceHost appends what leads to the server that answers over HTTP.
func (r *records) addServiceHost(labels []string, o Options) {
	for _, label := range labels {
		for _, rr := range Addresses("", r.ttl, o.Addresses) {
			r.add(label, rr.Header().Rrtype, rr)
		}
		if len(o.Addresses) == 0 && o.Host != "" && string(o.Host)+"." != label+"."+r.domain { // no alias of itself
			r.add(label, dns.TypeCNAME, &dns.CNAME{Target: dns.Fqdn(string(o.Host))})
		}
	}
	// The target may not be an alias (RFC 2782); clients use port 443 alone.
	switch {
	case o.Host != "":
		r.add("_autodiscover._tcp", dns.TypeSRV, &dns.SRV{Port: 443, Target: dns.Fqdn(string(o.Host))})
	case len(o.Addresses) > 0:
		r.add("_autodiscover._tcp", dns.TypeSRV, &dns.SRV{Port: 443, Target: AutodiscoverLabel + "." + r.domain})
	}
}

// Addresses makes the A and AAAA records of a host, whose name is absolute.
func Addresses(host string, ttl uint32, addrs []netip.Addr) []dns.RR {
	var rrs []dns.RR
	for _, a := range addrs {
		h := dns.RR_Header{Name: host, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
		if a = a.Unmap(); a.Is4() {
			rrs = append(rrs, &dns.A{Hdr: h, A: a.AsSlice()})
			continue
		}
		h.Rrtype = dns.TypeAAAA
		rrs = append(rrs, &dns.AAAA{Hdr: h, AAAA: a.AsSlice()})
	}
	return rrs
}
