package nameserver

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"milepost/internal/config"
	"milepost/internal/snapshot"
	"milepost/internal/zones"
)

// How a NOTIFY is repeated until the secondary answers (RFC 1996 §3.6).
var notifyWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

const (
	// notifyRate is how many zones a second a secondary is told of, which then asks
	// for each. 100,000 zones take 17 minutes, less than the hour after which it looks
	// by itself. (BIND tells of 20 a second.)
	notifyRate = 100
	// notifyAtOnce is how many zones a secondary may owe its answer for.
	notifyAtOnce = 16
)

// notifier tells secondaries of changes. A newer change ends what is under way, and
// includes what was left of it; if nothing but rows have changed, what is under way goes
// on behind it.
type notifier struct {
	ticks func() <-chan time.Time // one tick for each zone that a secondary is told of

	mu      sync.Mutex
	cancel  context.CancelFunc
	ctx     context.Context
	closed  bool
	telling map[config.Secondary]*telling // what is under way
	running sync.WaitGroup
}

// telling is of what a secondary is told.
type telling struct {
	since *zones.Set      // what it knows; nil: nothing
	first []string        // of which zones first
	known map[string]bool // those in first
	rows  bool            // it began with changes of rows alone
	done  bool            // nothing is left but to wait for answers
}

// pop takes the first zone out.
func (t *telling) pop() (name string, ok bool) {
	if len(t.first) == 0 {
		return "", false
	}
	name = t.first[0]
	t.first = t.first[1:]
	delete(t.known, name)
	return name, true
}

// push puts zones behind those that come first.
func (t *telling) push(names []string) {
	if t.known == nil {
		t.known = make(map[string]bool)
	}
	for _, name := range names {
		if !t.known[name] {
			t.known[name], t.first = true, append(t.first, name)
		}
	}
}

// Notify starts to tell the secondaries of the zones that differ from those of the
// previous snapshot. Those secondaries that it did not have, and all if there is none,
// are told of all zones.
func (s *Server) Notify(ctx context.Context, previous *snapshot.Snapshot) {
	st := s.state()
	n := &s.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	if previous != nil && st.of.Zones.Follows(previous.Zones) && n.ctx != nil {
		s.notifyMore(st, previous.Zones)
		return
	}
	if n.cancel != nil {
		n.cancel()
	}
	n.ctx, n.cancel = context.WithCancel(ctx)
	before := n.telling
	n.telling = make(map[config.Secondary]*telling)
	for _, secondary := range st.conf.Secondaries {
		t := new(telling)
		left, unfinished := before[secondary]
		switch {
		case previous == nil || !slices.Contains(previous.Config.DNS.Secondaries, secondary):
		case unfinished:
			t.since = left.since
		default:
			t.since = previous.Zones
		}
		s.start(secondary, t, st.of.Zones.Changed(t.since))
	}
}

// notifyMore has all secondaries told of what differs from a set, before what is left.
func (s *Server) notifyMore(st *state, previous *zones.Set) {
	names := slices.Collect(st.of.Zones.Changed(previous))
	if len(names) == 0 {
		return
	}
	for _, secondary := range st.conf.Secondaries {
		t := s.notifier.telling[secondary]
		if t != nil && !t.done {
			t.push(names)
			continue
		}
		more := &telling{since: previous, rows: true}
		if t != nil {
			more.since = t.since // it may be that answers to it are missing
		}
		more.push(names)
		s.start(secondary, more, func(func(string) bool) {})
	}
}

// start tells a secondary of zones, and before each of those that have come first
// meanwhile. The notifier is locked.
func (s *Server) start(secondary config.Secondary, t *telling, names iter.Seq[string]) {
	n, ctx := &s.notifier, s.notifier.ctx
	n.telling[secondary] = t
	n.running.Go(func() {
		rest, stop := iter.Pull(names)
		defer stop()
		s.tell(ctx, secondary, t.rows, func(yield func(string) bool) {
			for name, ok := n.next(t, rest); ok && yield(name); {
				name, ok = n.next(t, rest)
			}
		})
		n.mu.Lock()
		defer n.mu.Unlock()
		if ctx.Err() == nil && n.telling[secondary] == t {
			delete(n.telling, secondary)
		}
	})
}

// next returns the zone that a secondary is to be told of: one that comes first, or one of
// the rest.
func (n *notifier) next(t *telling, rest func() (string, bool)) (string, bool) {
	n.mu.Lock()
	name, ok := t.pop()
	n.mu.Unlock()
	if ok {
		return name, true
	}
	if name, ok = rest(); ok {
		return name, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name, ok = t.pop()
	t.done = !ok
	return name, ok
}

func (n *notifier) wait() {
	n.mu.Lock()
	n.closed = true
	if n.cancel != nil {
		n.cancel()
	}
	n.mu.Unlock()
	n.running.Wait()
}

// tell tells one secondary of zones. One that does not answer is given up; it
// looks by itself when the SOA's refresh time is over.
func (s *Server) tell(ctx context.Context, to config.Secondary, often bool, names iter.Seq[string]) {
	group, telling := errgroup.WithContext(ctx)
	group.SetLimit(notifyAtOnce)
	zones, ticks := 0, s.notifier.ticks()
feed:
	for name := range names {
		select {
		case <-ticks:
			zones++
			group.Go(func() error { return s.tellOne(telling, s.state(), to, name) })
		case <-telling.Done():
			break feed
		}
	}
	if err := group.Wait(); err != nil {
		s.log.Warn("a secondary does not answer NOTIFY; it will look by itself within the hour", "secondary", to.Address.String(), "err", err)
	} else if ctx.Err() == nil && zones > 0 && often {
		s.log.Debug("notified of rows", "secondary", to.Address.String(), "zones", zones)
	} else if ctx.Err() == nil && zones > 0 {
		s.log.Info("notified", "secondary", to.Address.String(), "zones", zones)
	}
}

// tellOne sends a NOTIFY until there is an answer. The error is that of the last
// try.
func (s *Server) tellOne(ctx context.Context, st *state, to config.Secondary, name string) error {
	z := st.of.Zones.Find(name)
	if z == nil {
		return nil
	}
	client := dns.Client{TsigProvider: tsig{s}}
	from := s.Addr().AddrPort().Addr().Unmap()
	if !from.IsUnspecified() && from.Is4() == to.Address.Addr().Is4() { // else the machine picks one
		client.Dialer = &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	}
	var err error
	for _, wait := range notifyWaits {
		m := new(dns.Msg).SetNotify(name)
		m.Answer = []dns.RR{z.SOA()} // a hint, RFC 1996 §3.7
		if key, ok := st.keys[to.Key]; ok {
			m.SetTsig(key.Name, key.Algorithm, 300, s.now().Unix())
		}
		try, cancel := context.WithTimeout(ctx, wait)
		var reply *dns.Msg
		reply, _, err = client.ExchangeContext(try, m, to.Address.String())
		if err == nil && m.IsTsig() != nil && reply.IsTsig() == nil {
			err = errors.New("its answer is not signed")
		}
		if err != nil {
			<-try.Done() // it may have failed at once
		}
		cancel()
		if err == nil {
			if reply.Rcode != dns.RcodeSuccess && s.rejected.pass(s.now()) { // mostly it does not know the zone
				s.log.Warn("a secondary refused NOTIFY; is the zone configured there?",
					"secondary", to.Address.String(), "zone", strings.TrimSuffix(name, "."), "rcode", dns.RcodeToString[reply.Rcode])
			}
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return err
}
