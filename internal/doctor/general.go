package doctor

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"milepost/settings"
)

// general is what is wrong whatever program asks; false: more must be seen.
func (j *judge) general() ([]cause, bool) {
	soa, ok := j.dns(j.domain(), dns.TypeSOA)
	if !ok {
		return nil, false
	}
	switch {
	case soa.Bogus:
		return []cause{j.cause(dnssecBogus, j.domain(), rooted, "the resolver refuses the zone of %s: its signatures are not valid", j.domain())}, true
	case soa.Failure == NotAsked:
	case soa.Failure != "" || soa.Rcode == dns.RcodeServerFailure || soa.Rcode == dns.RcodeRefused:
		what := string(soa.Failure)
		if what == "" {
			what = dns.RcodeToString[soa.Rcode]
		}
		return []cause{j.cause(dnsFails, j.domain(), rooted, "no name server answers for %s: %s", j.domain(), what)}, true
	case soa.Rcode == dns.RcodeNameError:
		return []cause{j.cause(domainMissing, j.domain(), rooted, "DNS says that %s does not exist", j.domain())}, true
	}
	causes, complete := j.nameServers()
	for _, look := range []func() ([]cause, bool){j.delegation, j.authorities} {
		more, done := look()
		causes, complete = append(causes, more...), complete && done
	}
	targets, done := j.srvTargets()
	causes = append(causes, targets...)
	// A wildcard is looked for at once: it explains web pages.
	if _, ok := j.dns("no-such-name-for-the-doctor."+j.domain(), dns.TypeA); !ok {
		complete = false
	}
	for _, label := range []string{"autoconfig", "autodiscover", "ua-auto-config"} {
		if _, ok := j.dns(label+"."+j.domain(), dns.TypeA); !ok {
			complete = false
		}
	}
	return append(causes, j.certificates()...), complete && done
}

// srvTargets looks at where the domain's SRV records lead; false: more must be seen.
func (j *judge) srvTargets() (causes []cause, complete bool) {
	complete = true
	for _, label := range []string{"_imaps", "_imap", "_pop3s", "_pop3", "_submissions", "_submission", "_autodiscover"} {
		name := label + "._tcp." + j.domain()
		a, ok := j.dns(name, dns.TypeSRV)
		complete = complete && ok
		for i, rr := range a.Records {
			srv, is := rr.(*dns.SRV)
			if !is || srv.Target == "." || i >= maxSRV {
				continue
			}
			v4, ok := j.dns(srv.Target, dns.TypeA)
			v6, ok6 := j.dns(srv.Target, dns.TypeAAAA)
			if !ok || !ok6 {
				complete = false
				continue
			}
			alias := slices.ContainsFunc(v4.Records, func(rr dns.RR) bool { _, is := rr.(*dns.CNAME); return is })
			switch {
			case len(addressesOf(v4))+len(addressesOf(v6)) == 0:
				causes = append(causes, j.noTarget(name, srv))
			case alias:
				causes = append(causes, j.cause(srvAlias, name, there, "%s leads to %s, which is an alias", name, targetOf(srv)))
			}
		}
	}
	return causes, complete
}

// fewDays is when a certificate should long have been renewed: Let's Encrypt's last for 90
// days and are renewed with 30 left.
const fewDays = 10

func (j *judge) certificates() (causes []cause) {
	seen := make(map[string]bool)
	look := func(host string, t *TLS) {
		if t != nil && len(t.Problems) == 0 && t.DaysLeft < fewDays && !seen[host] && (host == j.domain() || strings.HasSuffix(host, "."+j.domain())) {
			seen[host] = true
			causes = append(causes, j.cause(expiresSoon, host, there, "the certificate of %s expires in %s", host, days(t.DaysLeft)))
		}
	}
	for r, x := range j.seen.Web {
		look(hostOf(r.URL), x.TLS)
	}
	for e, g := range j.seen.Mail {
		look(e.Host, g.TLS)
	}
	slices.SortFunc(causes, func(a, b cause) int { return strings.Compare(a.seen, b.seen) })
	return causes
}

// delegation compares the name servers that the parent zone names with the zone's own;
// false: more must be seen.
func (j *judge) delegation() ([]cause, bool) {
	top, err := publicsuffix.EffectiveTLDPlusOne(j.domain())
	_, parent, ok := strings.Cut(top, ".")
	if err != nil || !ok {
		return nil, true
	}
	own, known := j.dns(top, dns.TypeNS)
	above, ok := j.dns(parent, dns.TypeNS)
	if !known || !ok {
		return nil, false
	}
	for i, rr := range above.Records {
		ns, is := rr.(*dns.NS)
		if !is || i >= 2 { // the first that answers is enough
			continue
		}
		a, ok := j.dns(ns.Ns, dns.TypeA)
		if !ok {
			return nil, false
		}
		addresses := addressesOf(a)
		if len(addresses) == 0 {
			continue
		}
		said, ok := j.dnsAt(addresses[0], top, dns.TypeNS)
		if !ok {
			return nil, false
		}
		there, here := serversOf(append(said.Referral, said.Records...)), serversOf(own.Records)
		if len(there) == 0 || len(here) == 0 {
			continue
		}
		if !slices.Equal(there, here) {
			return []cause{j.cause(delegationDiffers, top, incidental, "the zone above says %s, the zone itself %s", strings.Join(there, ", "), strings.Join(here, ", "))}, true
		}
		return nil, true
	}
	return nil, true
}

// serversOf are the names of name servers, in order.
func serversOf(records []dns.RR) (out []string) {
	for _, rr := range records {
		if ns, ok := rr.(*dns.NS); ok {
			out = append(out, strings.ToLower(strings.TrimSuffix(ns.Ns, ".")))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// authorities looks at who may issue certificates (RFC 8659); false: more must be seen.
func (j *judge) authorities() ([]cause, bool) {
	a, ok := j.dns(j.domain(), dns.TypeCAA)
	if !ok {
		return nil, false
	}
	issuers, any := 0, false
	for _, rr := range a.Records {
		if caa, is := rr.(*dns.CAA); is && caa.Tag == "issue" {
			any = true
			if strings.Trim(caa.Value, "; ") != "" {
				issuers++
			}
		}
	}
	if any && issuers == 0 {
		return []cause{j.cause(caaForbids, j.domain(), incidental, "the CAA records of %s name nobody who may issue certificates", j.domain())}, true
	}
	return nil, true
}

// addresses looks whether each address of the hosts for settings answers; false: more must
// be seen.
func (j *judge) addresses() (causes []cause, complete bool) {
	complete = true
	for _, label := range []string{"autoconfig", "autodiscover"} {
		more, done := j.eachAddress(label+"."+j.domain(), 443)
		causes, complete = append(causes, more...), complete && done
	}
	return causes, complete
}

// serverAddresses is the same of the servers that were found, and says what else is
// noteworthy of them.
func (j *judge) serverAddresses(results []clientResult) (causes []cause, complete bool) {
	complete = true
	seen := make(map[Endpoint]bool)
	for _, r := range results {
		if r.found == nil {
			continue
		}
		for _, servers := range [][]settings.Server{r.found.incoming, r.found.outgoing} {
			if len(servers) == 0 || seen[endpointOf(servers[0])] {
				continue
			}
			e := endpointOf(servers[0])
			seen[e] = true
			if g := j.seen.Mail[e]; g.Failure == "" { // or nothing is to be said of single addresses
				more, done := j.eachAddress(e.Host, e.Port)
				causes, complete = append(causes, more...), complete && done
				if size := sizeOf(g); e.Protocol == settings.SMTP && size > 0 && size < smallMessage {
					causes = append(causes, j.cause(smallMessages, e.Host, connected, "%s:%d takes messages of at most %d octets", e.Host, e.Port, size))
				}
			}
		}
	}
	return causes, complete
}

// smallMessage is less than large providers take, who take 25 to 50 MB.
const smallMessage = 20_000_000

// eachAddress connects to all addresses of a host that has several; false: more must be
// seen.
func (j *judge) eachAddress(host string, port uint16) (causes []cause, complete bool) {
	v4, ok4 := j.dns(host, dns.TypeA)
	v6, ok6 := j.dns(host, dns.TypeAAAA)
	addresses := append(addressesOf(v4), addressesOf(v6)...)
	if !ok4 || !ok6 || len(addresses) < 2 {
		return nil, ok4 && ok6
	}
	complete = true
	alive := false
	for _, a := range addresses[:min(len(addresses), 8)] {
		g, ok := j.mail(Endpoint{Host: a, Port: port, SocketType: settings.Plain})
		complete = complete && ok
		alive = alive || ok && g.Failure == ""
		// Unreachable is what a network without IPv6 says of all of it.
		if ok && (g.Failure == Refused || g.Failure == TimedOut) {
			causes = append(causes, j.cause(addressSilent, host, incidental, "%s has the address %s, which does not answer at port %d: %s", host, a, port, g.Failure))
		}
	}
	if !alive {
		return nil, complete
	}
	return causes, complete
}
