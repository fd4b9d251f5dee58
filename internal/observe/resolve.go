package observe

import (
	"context"
	"net"
	"net/netip"

	"github.com/miekg/dns"

	"milepost/internal/doctor"
)

const (
	dnsAttempts = 3    // the last one over TCP
	ednsSize    = 1232 // octets that pass every network in one piece (RFC 9715 §3.1)
	maxRecords  = 64   // of an answer, that are kept
)

// Resolve asks a question once, however often it is put.
func (i *Internet) Resolve(ctx context.Context, q doctor.Question) doctor.Answer {
	i.mu.Lock()
	r := i.resolved[q]
	if r == nil {
		r = new(resolved)
		i.resolved[q] = r
	}
	i.mu.Unlock()
	r.once.Do(func() { r.answer = i.resolve(ctx, q) })
	return r.answer
}

func (i *Internet) resolve(ctx context.Context, q doctor.Question) doctor.Answer {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(q.Name), q.Type)
	m.SetEdns0(ednsSize, false)
	m.AuthenticatedData = true // wants to know whether it was validated (RFC 6840 §5.7)
	servers := i.Resolvers
	if q.Server != "" {
		servers = []string{net.JoinHostPort(q.Server, "53")}
		if at, err := netip.ParseAddrPort(servers[0]); err != nil || i.Allowed != nil && !i.Allowed(at) {
			return doctor.Answer{Failure: doctor.Forbidden}
		}
		m.RecursionDesired = false
	}
	in, err := i.exchange(ctx, servers, m)
	if err != nil {
		f, _ := failure(err, doctor.TimedOut)
		return doctor.Answer{Failure: f}
	}
	a := answer(in)
	if q.Server == "" && in.Rcode == dns.RcodeServerFailure && q.Type == dns.TypeSOA {
		m.CheckingDisabled = true
		if in, err := i.exchange(ctx, servers, m); err == nil && in.Rcode == dns.RcodeSuccess {
			a.Bogus = true
		}
	}
	return a
}

func answer(in *dns.Msg) doctor.Answer {
	a := doctor.Answer{Rcode: in.Rcode, Authoritative: in.Authoritative, Authentic: in.AuthenticatedData, Records: in.Answer[:min(len(in.Answer), maxRecords)]}
	if !in.Authoritative {
		for _, rr := range in.Ns[:min(len(in.Ns), maxRecords)] {
			if ns, ok := rr.(*dns.NS); ok {
				a.Referral = append(a.Referral, ns)
			}
		}
	}
	return a
}

// exchange asks the servers in turn, and the last time over TCP.
func (i *Internet) exchange(ctx context.Context, servers []string, m *dns.Msg) (in *dns.Msg, err error) {
	for n := range dnsAttempts {
		network := "udp"
		if n == dnsAttempts-1 {
			network = "tcp"
		}
		server := servers[n%len(servers)]
		if in, err = i.once(ctx, network, server, m); err == nil && in.Truncated && network == "udp" {
			in, err = i.once(ctx, "tcp", server, m)
		}
		if err == nil || ctx.Err() != nil {
			return in, err
		}
	}
	return in, err
}

func (i *Internet) once(ctx context.Context, network, server string, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Patience/dnsAttempts)
	defer cancel()
	m = m.Copy()
	m.Id = dns.Id()
	conn, err := i.Dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	client := dns.Client{Net: network, Timeout: i.Patience, UDPSize: ednsSize}
	in, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: conn, UDPSize: ednsSize})
	return in, err
}
