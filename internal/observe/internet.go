package observe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/doctor"
)

// Patience is how long a web or mail server is waited for, and a resolver with all its
// attempts; Thunderbird's is the same.
const Patience = 5 * time.Second

const maxAddresses = 4 // of a host, that are tried

// Options say how the world is reached.
type Options struct {
	// Resolvers are asked in their order, as 127.0.0.1:53; none: those of /etc/resolv.conf.
	Resolvers []string
	// Roots are whose certificates count; nil: those of the system.
	Roots *x509.CertPool
	// Dial connects; nil: to the address itself.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Allowed tells which addresses may be connected to, the resolvers apart; nil: all.
	Allowed func(netip.AddrPort) bool
	// Patience is how long one server is waited for; 0: it is Patience.
	Patience time.Duration
	// Now is the time for certificates; nil: it is time.Now.
	Now func() time.Time
}

// Internet is the World as it is. One serves one diagnosis: it remembers addresses.
type Internet struct {
	Options
	client *http.Client

	mu       sync.Mutex
	resolved map[doctor.Question]*resolved
}

type resolved struct {
	once   sync.Once
	answer doctor.Answer
}

// NewInternet makes one.
func NewInternet(o Options) *Internet {
	if len(o.Resolvers) == 0 {
		if conf, err := dns.ClientConfigFromFile("/etc/resolv.conf"); err == nil {
			for _, s := range conf.Servers {
				o.Resolvers = append(o.Resolvers, net.JoinHostPort(s, "53"))
			}
		}
		if len(o.Resolvers) == 0 {
			o.Resolvers = []string{"127.0.0.1:53"}
		}
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.Patience == 0 {
		o.Patience = Patience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	i := &Internet{Options: o, resolved: make(map[doctor.Question]*resolved)}
	i.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            i.dialHost,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // what is shown is looked at, and told
			TLSHandshakeTimeout:    o.Patience,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        6,
			IdleConnTimeout:        o.Patience,
		},
	}
	return i
}

// Close lets go of idle connections.
func (i *Internet) Close() { i.client.CloseIdleConnections() }

// failed is an error that is an observation.
type failed struct {
	doctor.Failure
	detail string
}

func (e *failed) Error() string { return string(e.Failure) + ": " + e.detail }

// addresses are those of a host, IPv6 and IPv4.
func (i *Internet) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	var v4, v6 doctor.Answer
	var both sync.WaitGroup
	both.Go(func() { v4 = i.Resolve(ctx, doctor.Question{Name: host, Type: dns.TypeA}) })
	both.Go(func() { v6 = i.Resolve(ctx, doctor.Question{Name: host, Type: dns.TypeAAAA}) })
	both.Wait()
	var out []netip.Addr
	for _, rr := range append(v6.Records, v4.Records...) {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			out = append(out, a.Unmap())
		}
	}
	switch {
	case len(out) > 0:
		return out[:min(len(out), maxAddresses)], nil
	case v4.Failure != "" && v6.Failure != "", v4.Rcode == dns.RcodeServerFailure:
		return nil, &failed{doctor.BrokenDNS, host}
	}
	return nil, &failed{doctor.NoAddress, host}
}

// dialHost connects to whichever of a host's addresses answers first.
func (i *Internet) dialHost(ctx context.Context, network, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	addresses, err := i.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, i.Patience)
	defer cancel()
	results := make(chan result, len(addresses))
	for _, a := range addresses {
		go func() {
			to, err := netip.ParseAddrPort(net.JoinHostPort(a.String(), port))
			if err == nil && i.Allowed != nil && !i.Allowed(to) {
				err = &failed{doctor.Forbidden, to.String()}
			}
			var conn net.Conn
			if err == nil {
				conn, err = i.Dial(ctx, network, to.String())
			}
			results <- result{conn, err}
		}()
	}
	for n := range addresses {
		r := <-results
		if r.err != nil {
			err = r.err
			continue
		}
		go func() { // the others are not needed
			for range len(addresses) - n - 1 {
				if late := <-results; late.conn != nil {
					late.conn.Close()
				}
			}
		}()
		return r.conn, nil
	}
	return nil, err
}

// failure says what an error means.
func failure(err error, otherwise doctor.Failure) (doctor.Failure, string) {
	if f, ok := errors.AsType[*failed](err); ok {
		return f.Failure, f.detail
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return doctor.Refused, ""
	}
	if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
		return doctor.Unreachable, ""
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return doctor.TimedOut, ""
	}
	detail := err.Error()
	return otherwise, detail[:min(len(detail), 200)]
}
