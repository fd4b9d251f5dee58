package webdoctor

import (
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"milepost/internal/doctor"
	"milepost/internal/metrics"
	"milepost/internal/observe"
)

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

// The ports that are connected to: those of the web and of mail, and that of the domain's
// own name servers.
var (
	webPorts  = []string{"", "80", "443"}
	mailPorts = []uint16{25, 110, 143, 465, 587, 993, 995}
	open      = append([]uint16{80, 443}, mailPorts...)
	ports     = append([]uint16{53}, open...)
)

const (
	perAddress = 12      // connections to one address at a time, of all diagnoses together
	perHost    = 64      // requests to one host, in one diagnosis
	maxOctets  = 8 << 20 // of documents that one diagnosis holds

	// connectEvery is how often one address is connected to in the long run, by all
	// diagnoses together, and connectsAtOnce how often after a pause: nobody is flooded
	// through the doctor. A domain that has everything at one address takes some 100.
	connectEvery   = time.Second / 8
	connectsAtOnce = 256
	connectBuckets = 4096
)

// world is the Internet as strangers may have it asked: names and addresses that are
// public, ports of mail and the web. Each address is looked at where it is connected to,
// by the number that is connected to, so no name can mean another one by then.
type world struct {
	*observe.Internet
	of      *Doctor
	own     []netip.Addr   // the machine's
	allow   []netip.Prefix // what may be asked all the same
	places  *places
	metrics *metrics.Metrics
	share   func(netip.Addr) bool // takes one of what an address may be connected to
	octets  atomic.Int64

	mu    sync.Mutex
	asked map[string]int // requests by host
}

// newWorld makes the world of one diagnosis.
func (d *Doctor) newWorld() *world {
	w := &world{of: d, places: &d.places, metrics: d.Metrics, share: d.share, asked: make(map[string]int)}
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
	w.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		return w.dial(ctx, network, address, connect)
	}
	return w
}

// reachable tells whether an address may be asked.
func (w *world) reachable(a netip.Addr) bool {
	a = observe.Plain(a)
	return w.allows(a) || observe.Public(a) && !slices.Contains(w.own, a)
}

// allowed tells whether a server may be connected to.
func (w *world) allowed(to netip.AddrPort) bool {
	switch {
	case !slices.Contains(ports, to.Port()):
		w.metrics.DoctorRefused(metrics.DoctorPort)
		return false
	case !w.reachable(to.Addr()):
		w.metrics.DoctorRefused(metrics.DoctorAddress)
		return false
	case !w.allows(to.Addr()) && !w.share(observe.Plain(to.Addr())):
		w.metrics.DoctorRefused(metrics.DoctorRate)
		return false
	}
	return true
}

// allows tells whether the administrator lets an address be asked, whatever it is.
func (w *world) allows(a netip.Addr) bool {
	a = observe.Plain(a)
	return slices.ContainsFunc(w.allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// share takes one of the connections that an address may get.
func (d *Doctor) share(a netip.Addr) bool {
	return d.connects.Take(maphash.Comparable(d.seed, a), d.Now().Sub(d.start))
}

// mayAsk counts a request in; false: the host has had enough.
func (w *world) mayAsk(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	w.asked[host]++
	return w.asked[host] <= perHost
}

// dial is the one way out. It is given numbers, and nothing is resolved here.
func (w *world) dial(ctx context.Context, network, address string, connect func(context.Context, string, string) (net.Conn, error)) (net.Conn, error) {
	if slices.Contains(w.Resolvers, address) { // the admin's choice; whatever a record names has been looked at before
		return connect(ctx, network, address)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("%s is no address", address)
	}
	if !w.reachable(to.Addr()) || !slices.Contains(ports, to.Port()) {
		return nil, fmt.Errorf("%s must not be connected to", to)
	}
	if network != "tcp" {
		return connect(ctx, network, address)
	}
	leave, err := w.places.enter(ctx, observe.Plain(to.Addr()))
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

// Resolve asks for public names alone. Name servers are looked at as any other server.
func (w *world) Resolve(ctx context.Context, q doctor.Question) (a doctor.Answer) {
	defer w.of.fence(func() { a = doctor.Answer{Failure: doctor.NotAsked} })
	if !publicName(q.Name) {
		w.metrics.DoctorRefused(metrics.DoctorName)
		return doctor.Answer{Failure: doctor.Forbidden}
	}
	return w.Internet.Resolve(ctx, q)
}

// Fetch asks web servers at the web's own ports. Every redirect comes by here.
func (w *world) Fetch(ctx context.Context, r doctor.Request, body []byte) (x doctor.Exchange) {
	defer w.of.fence(func() { x = doctor.Exchange{Failure: doctor.NotAsked} })
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
	case w.octets.Load() > maxOctets, !w.mayAsk(u.Hostname()):
		return doctor.Exchange{Failure: doctor.NotAsked}
	}
	x = w.Internet.Fetch(ctx, r, body)
	w.octets.Add(int64(len(x.Body)))
	return x
}

// Greet asks mail servers at the ports of mail, and looks at those of the web whether they
// are open.
func (w *world) Greet(ctx context.Context, e doctor.Endpoint) (g doctor.Greeting) {
	defer w.of.fence(func() { g = doctor.Greeting{Failure: doctor.NotAsked} })
	of := mailPorts
	if e.Protocol == "" {
		of = open
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
