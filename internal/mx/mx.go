// Package mx asks the system's resolver for the hosts that take a domain's mail
// (RFC 5321 §5.1), and keeps the answers for as long as they last.
//
// Strangers choose the domains, and with them the name servers that the resolver asks.
// So everything is bounded: how long a look-up takes, how many are under way and begin
// in a second, how many requests wait for one and for all, how much is read and kept.
// A look-up that a bound stops finds no host, and holds nobody up.
package mx

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"milepost/address"
	"milepost/internal/metrics"
)

// Timeout is the longest that a look-up takes.
const Timeout = 2 * time.Second

const (
	maxUnderWay = 64   // look-ups at a time
	maxKept     = 8192 // domains whose answer is remembered
)

// How long an answer is kept, whatever its TTL says.
const (
	leastTTL    = 30 * time.Second
	mostTTL     = 24 * time.Hour
	mostNegTTL  = 5 * time.Minute // RFC 2308 §5 would allow hours; a new domain should not wait so long
	failureKept = 5 * time.Second // RFC 9520 §3.2
)

// Options are what a resolver is made of.
type Options struct {
	// Server is asked; zero: those of /etc/resolv.conf are, read anew each time.
	Server netip.AddrPort
	// Rate is how many look-ups a second are asked of it, and how many at once.
	Rate int
	// Waiting is how many requests may wait at a time; an eighth of them for one domain.
	Waiting int
	// Metrics counts look-ups; nil: nothing does.
	Metrics *metrics.Metrics
}

// Resolver looks MX hosts up. Make one with [New].
type Resolver struct {
	Options
	servers func() []string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)

	mu       sync.Mutex
	kept     map[string]*list.Element // by domain
	recent   *list.List               // of *entry, the one that was asked for last in front
	underWay map[string]*flight       // by domain
	waiting  int
	tokens   float64   // look-ups that may begin
	filled   time.Time // when tokens was right
}

// entry is an answer that is kept.
type entry struct {
	domain string
	hosts  []address.Domain
	until  time.Time
}

// flight is a look-up under way.
type flight struct {
	ctx     context.Context // ends with the look-up's time
	done    chan struct{}   // closed once hosts is set
	hosts   []address.Domain
	waiting int
}

// New makes a resolver. It asks nothing yet.
func New(o Options) *Resolver {
	r := &Resolver{Options: o, servers: systemServers, dial: new(net.Dialer).DialContext,
		kept: make(map[string]*list.Element), recent: list.New(), underWay: make(map[string]*flight),
		tokens: float64(o.Rate), filled: time.Now()}
	if o.Server.IsValid() {
		r.servers = func() []string { return []string{o.Server.String()} }
	}
	return r
}

// MX returns the hosts that take a domain's mail: those of the lowest preference, for
// the others only keep it until one of these is back (RFC 5321 §5.1). There are none
// if the domain takes no mail (RFC 7505), if it is one that no resolver knows, if
// nothing was found out within [Timeout], or if too much else is looked up.
func (r *Resolver) MX(ctx context.Context, d address.Domain) []address.Domain {
	if special(d.ASCII) {
		return nil
	}
	hosts, f, ok := r.begin(d.ASCII)
	if f == nil {
		if ok {
			r.Metrics.MXLookedUp(metrics.MXKept)
		} else {
			r.Metrics.MXLookedUp(metrics.MXLimited)
		}
		return hosts
	}
	defer r.leave(f)
	select {
	case <-f.done:
		return f.hosts
	case <-f.ctx.Done():
	case <-ctx.Done():
	}
	select {
	case <-f.done: // at the same moment
		return f.hosts
	default:
		return nil
	}
}

// begin returns what is kept, or else a look-up to wait for; neither: a bound is
// reached.
func (r *Resolver) begin(domain string) (hosts []address.Domain, f *flight, ok bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.kept[domain]; e != nil {
		if kept := e.Value.(*entry); now.Before(kept.until) {
			r.recent.MoveToFront(e)
			return kept.hosts, nil, true
		}
	}
	f = r.underWay[domain]
	if r.waiting >= r.Waiting || f != nil && f.waiting >= max(1, r.Waiting/8) {
		return nil, nil, false
	}
	if f == nil {
		if len(r.underWay) >= maxUnderWay || !r.take(now) {
			return nil, nil, false
		}
		ctx, cancel := context.WithTimeout(context.Background(), Timeout) // longer than the first who asked may wait
		f = &flight{ctx: ctx, done: make(chan struct{})}
		r.underWay[domain] = f
		go func() {
			defer cancel()
			r.finish(domain, f, r.ask(ctx, domain))
		}()
	}
	f.waiting++
	r.waiting++
	return nil, f, true
}

// take takes a token, if there is one.
func (r *Resolver) take(now time.Time) bool {
	rate := float64(r.Rate)
	r.tokens = min(rate, r.tokens+rate*now.Sub(r.filled).Seconds())
	r.filled = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

func (r *Resolver) leave(f *flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.waiting--
	r.waiting--
}

// finish keeps an answer, and tells it to those who wait.
func (r *Resolver) finish(domain string, f *flight, a answer) {
	switch {
	case a.err != nil && f.ctx.Err() != nil:
		r.Metrics.MXLookedUp(metrics.MXTimeout)
	case a.err != nil:
		r.Metrics.MXLookedUp(metrics.MXFailed)
	case len(a.hosts) == 0:
		r.Metrics.MXLookedUp(metrics.MXNone)
	default:
		r.Metrics.MXLookedUp(metrics.MXFound)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.underWay, domain)
	r.keep(&entry{domain, a.hosts, time.Now().Add(a.lasts())})
	f.hosts = a.hosts
	close(f.done)
}

func (r *Resolver) keep(e *entry) {
	if before := r.kept[e.domain]; before != nil {
		r.recent.Remove(before)
	} else if len(r.kept) >= maxKept {
		oldest := r.recent.Remove(r.recent.Back()).(*entry)
		delete(r.kept, oldest.domain)
	}
	r.kept[e.domain] = r.recent.PushFront(e)
}

// special tells whether a name is none of the public DNS, so that no resolver is told
// of it: single labels, and what RFC 6761, RFC 6762, RFC 7686, RFC 9476 and ICANN (for
// .internal) have reserved. Below arpa there are addresses, and no mail.
func special(domain string) bool {
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 {
		return true
	}
	switch domain[dot+1:] {
	case "localhost", "test", "invalid", "local", "onion", "alt", "internal", "arpa":
		return true
	}
	return false
}
