package webdoctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"milepost/internal/doctor"
	"milepost/internal/metrics"
	"milepost/internal/observe"
)

// notPublic are the networks in which nobody on the Internet has an address (IANA's
// registries of special-purpose addresses, RFC 6890), and one that Azure has its
// machines' own services at. Of IPv6 only 2000::/3 is looked at.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32",
	"2001::/23",     // Teredo among them, which has an IPv4 address in it
	"2001:db8::/32", // documentation
	"2002::/16",     // 6to4, which has one too
	"3fff::/20",     // documentation
)

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// public tells whether an address is one of the Internet's.
func public(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if nat64.Contains(a) {
		octets := a.As16()
		return public(netip.AddrFrom4([4]byte(octets[12:])))
	}
	return (a.Is4() || globalUnicast.Contains(a)) && !inside(a, notPublic)
}

func inside(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// local are the ends of names that no public name server knows, and that a resolver
// inside a network may (RFC 6761, RFC 6762, RFC 8375, RFC 7686, ICANN's internal).
var local = []string{"localhost", "local", "localdomain", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "onion", "test", "invalid"}

// publicName tells whether a name may be asked for: one without a dot is the resolver's
// own network's.
func publicName(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return strings.Contains(name, ".") && !slices.ContainsFunc(local, func(end string) bool {
		return name == end || strings.HasSuffix(name, "."+end)
	})
}

// The ports that are connected to: those of the web and those of mail.
var (
	webPorts  = []string{"", "80", "443"}
	mailPorts = []uint16{25, 110, 143, 465, 587, 993, 995}
	ports     = append([]uint16{80, 443}, mailPorts...)
)

// dnsPort is asked of the domain's own name servers.
const dnsPort = 53

const (
	perAddress = 12      // connections to one address at a time, of all diagnoses together
	maxOctets  = 8 << 20 // of documents that one diagnosis holds
)

// world is the Internet as strangers may have it asked: names and addresses that are
// public, ports of mail and the web. Each address is looked at where it is connected to,
// by the number that is connected to, so no name can mean another one by then.
type world struct {
	*observe.Internet
	own     []netip.Addr   // the machine's
	allow   []netip.Prefix // what may be asked all the same
	places  *places
	metrics *metrics.Metrics
	octets  atomic.Int64
}

// newWorld makes the world of one diagnosis.
func (d *Doctor) newWorld() *world {
	w := &world{places: &d.places, metrics: d.Metrics}
	if d.Own != nil {
		w.own = d.Own()
	}
	if d.Allow != nil {
		w.allow = d.Allow()
	}
	w.Internet = observe.NewInternet(observe.Options{Resolvers: d.Resolvers, Roots: d.Roots, Now: d.Now, Allowed: w.allowed})
	connect := d.Dial
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	resolvers := w.Resolvers // as NewInternet found them
	w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return w.dial(ctx, network, address, resolvers, connect)
	}
	return w
}

// reachable tells whether an address may be asked.
func (w *world) reachable(a netip.Addr) bool {
	a = a.Unmap()
	return inside(a, w.allow) || public(a) && !slices.Contains(w.own, a)
}

// allowed tells whether a server of the web or of mail may be connected to.
func (w *world) allowed(to netip.AddrPort) bool {
	switch {
	case !slices.Contains(ports, to.Port()):
		w.metrics.DoctorRefused(metrics.DoctorPort)
		return false
	case !w.reachable(to.Addr()):
		w.metrics.DoctorRefused(metrics.DoctorAddress)
		return false
	}
	return true
}

// dial is the one way out. It is given numbers, and nothing is resolved here.
func (w *world) dial(ctx context.Context, network, address string, resolvers []string,
	connect func(context.Context, string, string) (net.Conn, error)) (net.Conn, error) {
	if slices.Contains(resolvers, address) && ctx.Value(directly{}) == nil {
		return connect(ctx, network, address)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s is no address", address)
	}
	if ok := w.reachable(to.Addr()) && (slices.Contains(ports, to.Port()) || to.Port() == dnsPort && ctx.Value(directly{}) != nil); !ok {
		return nil, fmt.Errorf("%s must not be connected to", to)
	}
	if network != "tcp" {
		return connect(ctx, network, address)
	}
	leave, err := w.places.enter(ctx, to.Addr().Unmap())
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, network, address)
	if err != nil {
		leave()
		return nil, err
	}
	return &held{Conn: conn, leave: leave}, nil
}

// directly marks a question for a name server of the domain, which is nobody's resolver.
type directly struct{}

// Resolve asks for public names alone, and none but public name servers.
func (w *world) Resolve(ctx context.Context, q doctor.Question) doctor.Answer {
	if !publicName(q.Name) {
		w.metrics.DoctorRefused(metrics.DoctorName)
		return doctor.Answer{Failure: doctor.Forbidden}
	}
	if q.Server != "" {
		if a, err := netip.ParseAddr(q.Server); err != nil || !w.reachable(a) {
			w.metrics.DoctorRefused(metrics.DoctorAddress)
			return doctor.Answer{Failure: doctor.Forbidden}
		}
		ctx = context.WithValue(ctx, directly{}, true)
	}
	return w.Internet.Resolve(ctx, q)
}

// Fetch asks web servers at the web's own ports. Every redirect comes by here.
func (w *world) Fetch(ctx context.Context, r doctor.Request, body []byte) doctor.Exchange {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return doctor.Exchange{Failure: doctor.NotHTTP, Detail: "the URL cannot be asked for"}
	case !slices.Contains(webPorts, u.Port()):
		w.metrics.DoctorRefused(metrics.DoctorPort)
		return doctor.Exchange{Failure: doctor.Forbidden}
	case !w.mayName(u.Hostname()):
		w.metrics.DoctorRefused(metrics.DoctorName)
		return doctor.Exchange{Failure: doctor.Forbidden}
	case w.octets.Load() > maxOctets:
		return doctor.Exchange{Failure: doctor.NotAsked}
	}
	x := w.Internet.Fetch(ctx, r, body)
	w.octets.Add(int64(len(x.Body)))
	return x
}

// Greet asks mail servers at the ports of mail, and looks at those of the web whether they
// are open.
func (w *world) Greet(ctx context.Context, e doctor.Endpoint) doctor.Greeting {
	of := mailPorts
	if e.Protocol == "" {
		of = ports
	}
	switch {
	case !slices.Contains(of, e.Port):
		w.metrics.DoctorRefused(metrics.DoctorPort)
		return doctor.Greeting{Failure: doctor.Forbidden}
	case !w.mayName(e.Host):
		w.metrics.DoctorRefused(metrics.DoctorName)
		return doctor.Greeting{Failure: doctor.Forbidden}
	}
	return w.Internet.Greet(ctx, e)
}

// mayName tells whether a host may be asked: by its number, at which it is looked when it
// is connected to, or by a public name.
func (w *world) mayName(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || publicName(host)
}

// places bound the connections to one address.
type places struct {
	mu    sync.Mutex
	taken map[netip.Addr]*place
}

type place struct {
	slots chan struct{}
	users int
}

// enter waits for a place.
func (p *places) enter(ctx context.Context, a netip.Addr) (leave func(), err error) {
	p.mu.Lock()
	if p.taken == nil {
		p.taken = make(map[netip.Addr]*place)
	}
	at := p.taken[a]
	if at == nil {
		at = &place{slots: make(chan struct{}, perAddress)}
		p.taken[a] = at
	}
	at.users++
	p.mu.Unlock()
	forget := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if at.users--; at.users == 0 {
			delete(p.taken, a)
		}
	}
	select {
	case at.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-at.slots; forget() }), nil
	case <-ctx.Done():
		forget()
		return nil, ctx.Err()
	}
}

// held is a connection that has a place.
type held struct {
	net.Conn
	leave func()
}

func (c *held) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
