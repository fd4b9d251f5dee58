package doctor

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"milepost/settings"
)

// maxSRV is how many records of one name are looked at.
const maxSRV = 16

func targetOf(srv *dns.SRV) string { return strings.ToLower(strings.TrimSuffix(srv.Target, ".")) }

// pick chooses as a program does; nil: there is no record, or it says "not offered" (RFC
// 2782: the target is the root).
func (j *judge) pick(a Answer, picks Picks, name string) (*dns.SRV, []cause) {
	if a.Failure != "" || a.Rcode == dns.RcodeServerFailure {
		return nil, []cause{j.cause(dnsFails, name, incidental, "no name server answers for %s", name)}
	}
	var all []*dns.SRV
	for _, rr := range a.Records {
		if srv, ok := rr.(*dns.SRV); ok && len(all) < maxSRV {
			all = append(all, srv)
		}
	}
	all = slices.DeleteFunc(all, func(s *dns.SRV) bool { return s.Target == "." || s.Port == 0 })
	if len(all) == 0 {
		return nil, nil
	}
	// Among equals the weight is a matter of chance; the name makes it none.
	slices.SortFunc(all, func(a, b *dns.SRV) int {
		byPriority, byName := cmp.Compare(a.Priority, b.Priority), strings.Compare(a.Target, b.Target)
		switch picks {
		case HighestWeight:
			return cmp.Or(cmp.Compare(b.Weight, a.Weight), byPriority, byName)
		case LowestWeight:
			return cmp.Or(cmp.Compare(a.Weight, b.Weight), byPriority, byName)
		}
		return cmp.Or(byPriority, cmp.Compare(b.Weight, a.Weight), byName)
	})
	return all[0], nil
}

// notOffered tells whether a record says so.
func notOffered(a Answer) bool {
	return slices.ContainsFunc(a.Records, func(rr dns.RR) bool {
		srv, ok := rr.(*dns.SRV)
		return ok && srv.Target == "."
	})
}

func (s Lookup) follow(j *judge, c *Client) outcome {
	f := &found{suspects: make(map[Endpoint]cause)}
	pending := false
	var causes []cause
	look := func(labels []Label) (out []settings.Server) {
		for _, l := range labels {
			name := l.Name + "._tcp." + j.domain()
			a, ok := j.dns(name, dns.TypeSRV)
			if !ok {
				pending = true
				continue
			}
			srv, bad := j.pick(a, s.Picks, name)
			causes = append(causes, bad...)
			if srv == nil {
				continue
			}
			server := settings.Server{Protocol: l.Protocol, Hostname: settings.Hostname(targetOf(srv)), Port: srv.Port, SocketType: l.SocketType,
				Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: loginName(s.LocalPart)}
			if l.Port != 0 && srv.Port != l.Port && l.Elsewhere != "" {
				server.SocketType = l.Elsewhere
			}
			if !isHostname(targetOf(srv)) {
				causes = append(causes, j.cause(badHostname, name, there, "%s: %q is no host name", name, srv.Target))
				continue
			}
			if problem := srvAtOdds(l.Name, srv.Port); problem != "" {
				f.suspects[endpointOf(server)] = j.cause(srvPort, name, connected, "%s has the port %d, where %s", name, srv.Port, problem)
			}
			v4, ok4 := j.dns(srv.Target, dns.TypeA)
			v6, ok6 := j.dns(srv.Target, dns.TypeAAAA)
			if pending = pending || !ok4 || !ok6; len(addressesOf(v4))+len(addressesOf(v6)) == 0 {
				f.suspects[endpointOf(server)] = j.noTarget(name, srv)
			}
			if out == nil { // the first counts
				f.way = strings.TrimSpace(f.way + " " + name)
			}
			out = append(out, server)
		}
		return out
	}
	f.incoming, f.outgoing = look(s.Incoming), look(s.Outgoing)
	switch {
	case pending:
		return outcome{pending: true}
	case len(f.incoming) == 0 && len(s.Incoming) > 0:
		if len(f.outgoing) > 0 {
			causes = append(causes, j.cause(noIncomingSRV, j.domain(), there, "%s has none of %s", j.domain(), labels(s.Incoming)))
		}
		return outcome{causes: causes}
	case len(f.outgoing) == 0 && len(s.Outgoing) > 0:
		c := j.cause(noOutgoingSRV, j.domain(), there, "%s has none of %s", j.domain(), labels(s.Outgoing))
		if len(s.Incoming) == 0 {
			return outcome{causes: causes} // nothing at all
		}
		return outcome{causes: append(causes, c)}
	}
	return outcome{shape: usable, found: f}
}

// noTarget is the finding about a record that leads nowhere.
func (j *judge) noTarget(name string, srv *dns.SRV) cause {
	return j.cause(srvNoAddress, name, connected, "%s leads to %s, which has no address", name, targetOf(srv))
}

func labels(l []Label) string {
	var names []string
	for _, l := range l {
		names = append(names, l.Name+"._tcp")
	}
	return strings.Join(names, ", ")
}

// srvAtOdds tells what is spoken at a port that a label should not have.
func srvAtOdds(label string, port uint16) string {
	implicit := map[string]bool{"_imaps": true, "_pop3s": true, "_submissions": true, "_smtps": true}[label]
	switch port {
	case 993, 995, 465:
		if !implicit {
			return "TLS begins at once"
		}
	case 143, 110, 587, 25:
		if implicit {
			return "STARTTLS is spoken"
		}
	}
	return ""
}

// wildcard tells whether any name below the domain has an address.
func (j *judge) wildcard() bool {
	a, _ := j.dns("no-such-name-for-the-doctor."+j.domain(), dns.TypeA)
	return len(a.Records) > 0
}

func (MailConf) follow(j *judge, c *Client) outcome {
	a, ok := j.dns(j.domain(), dns.TypeTXT)
	if !ok {
		return outcome{pending: true}
	}
	for _, rr := range a.Records {
		if txt, is := rr.(*dns.TXT); is {
			if u, is := strings.CutPrefix(strings.Join(txt.Txt, ""), "mailconf="); is && strings.HasPrefix(u, "https://") {
				return j.document(c, u)
			}
		}
	}
	return outcome{}
}

// loginName is what a program logs in with that has not been told.
func loginName(localPart bool) settings.Username {
	if localPart {
		return settings.EmailLocalPart
	}
	return settings.EmailAddress
}

func (s Guess) follow(j *judge, c *Client) outcome {
	f := &found{way: "guessed names"}
	pending := false
	try := func(tries []Try) []settings.Server {
		for _, t := range tries {
			host, _ := j.expand(t.Host)
			e := Endpoint{t.Protocol, host, t.Port, t.SocketType}
			g, ok := j.mail(e)
			if !ok {
				pending = true
				continue
			}
			if g.Failure == "" && g.Speaks == t.Protocol && (g.TLS == nil || len(g.TLS.Problems) == 0) {
				return []settings.Server{{Protocol: t.Protocol, Hostname: settings.Hostname(host), Port: t.Port, SocketType: t.SocketType,
					Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: loginName(s.LocalPart)}}
			}
		}
		return nil
	}
	f.incoming, f.outgoing = try(s.Incoming), try(s.Outgoing)
	switch {
	case pending:
		return outcome{pending: true}
	case len(f.incoming) == 0 || len(f.outgoing) == 0:
		return outcome{}
	}
	return outcome{shape: usable, found: f}
}

// zoneServers are the name servers of the zone in which the domain lies; false: more must
// be seen.
func (j *judge) zoneServers() (Answer, bool) {
	top, _ := publicsuffix.EffectiveTLDPlusOne(j.domain())
	for name := j.domain(); ; {
		a, ok := j.dns(name, dns.TypeNS)
		above := strings.IndexByte(name, '.')
		if !ok || len(a.Records) > 0 || name == top || above < 0 {
			return a, ok
		}
		name = name[above+1:]
	}
}

// nameServers compares what the domain's name servers say; false: more must be seen.
func (j *judge) nameServers() (causes []cause, complete bool) {
	ns, ok := j.zoneServers()
	if !ok {
		return nil, false
	}
	complete = true
	type server struct{ name, address string }
	var servers []server
	for _, rr := range ns.Records {
		n, is := rr.(*dns.NS)
		if !is || len(servers) >= 8 {
			continue
		}
		name := strings.ToLower(strings.TrimSuffix(n.Ns, "."))
		a, ok := j.dns(name, dns.TypeA)
		complete = complete && ok
		addresses := addressesOf(a)
		if ok && len(addresses) == 0 {
			aaaa, ok := j.dns(name, dns.TypeAAAA)
			complete = complete && ok
			if addresses = addressesOf(aaaa); ok && len(addresses) == 0 {
				causes = append(causes, j.cause(nameServerGone, name, rooted, "the name server %s has no address", name))
			}
		}
		if len(addresses) > 0 {
			servers = append(servers, server{name, addresses[0]})
		}
	}
	domain := j.domain()
	for _, q := range []struct {
		name string
		kind uint16
	}{{"autoconfig." + domain, dns.TypeA}, {"autodiscover." + domain, dns.TypeA}, {domain, dns.TypeMX},
		{"_imaps._tcp." + domain, dns.TypeSRV}, {"_submissions._tcp." + domain, dns.TypeSRV}, {"_submission._tcp." + domain, dns.TypeSRV}, {"_autodiscover._tcp." + domain, dns.TypeSRV}} {
		said := make(map[string][]string)
		for _, s := range servers {
			a, ok := j.dnsAt(s.address, q.name, q.kind)
			if !ok {
				complete = false
				continue
			}
			switch {
			case a.Failure == NotAsked, a.Failure == Forbidden:
			case a.Failure != "":
				causes = append(causes, j.cause(nameServerSilent, s.name, incidental, "the name server %s (%s) does not answer: %s", s.name, s.address, a.Failure))
			case a.Rcode == dns.RcodeRefused || a.Rcode == dns.RcodeServerFailure || !a.Authoritative && len(a.Referral) == 0:
				causes = append(causes, j.cause(nameServerLame, s.name, rooted, "the name server %s (%s) does not serve %s: %s", s.name, s.address, domain, dns.RcodeToString[a.Rcode]))
			case len(a.Referral) > 0 && !a.Authoritative: // the name is delegated
			default:
				text := recordsText(a)
				said[text] = append(said[text], s.name)
			}
		}
		if len(said) > 1 {
			causes = append(causes, j.cause(nameServersDisagree, domain, rooted, "%s %s: %s", dns.TypeToString[q.kind], q.name, disagreement(said)))
		}
	}
	return causes, complete
}

// addressesOf are those in an answer. A record may be without, if a stranger made it.
func addressesOf(a Answer) (out []string) {
	for _, rr := range a.Records {
		var ip []byte
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap().String())
		}
	}
	slices.Sort(out)
	return out
}

// recordsText is an answer without what changes from one to the next.
func recordsText(a Answer) string {
	if len(a.Records) == 0 {
		return "nothing"
	}
	var lines []string
	for _, rr := range a.Records {
		text := rr.String()
		if _, after, ok := strings.Cut(text, "\tIN\t"); ok {
			lines = append(lines, strings.ReplaceAll(after, "\t", " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines[:min(len(lines), 6)], ", ")
}

func disagreement(said map[string][]string) string {
	var parts []string
	for text, servers := range said {
		parts = append(parts, fmt.Sprintf("%s from %s", text, strings.Join(servers, " and ")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
