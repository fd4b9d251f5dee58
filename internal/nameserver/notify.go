package nameserver

import (
	"context"
	"errors"
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
// includes what was left of it.
type notifier struct {
	ticks func() <-chan time.Time // one tick for each zone that a secondary is told of

	mu      sync.Mutex
	cancel  context.CancelFunc
	closed  bool
	since   map[config.Secondary]*zones.Set // of those still to be told: what they know; nil: nothing
	running sync.WaitGroup
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
	if n.cancel != nil {
		n.cancel()
	}
	since := make(map[config.Secondary]*zones.Set)
	for _, secondary := range st.conf.Secondaries {
		left, unfinished := n.since[secondary]
		switch {
		case previous == nil || !slices.Contains(previous.Config.DNS.Secondaries, secondary):
			since[secondary] = nil
		case unfinished:
			since[secondary] = left
		default:
			since[secondary] = previous.Zones
		}
	}
	n.since = since
	ctx, n.cancel = context.WithCancel(ctx)
	for secondary, known := range since {
		n.running.Go(func() {
			s.tell(ctx, st, secondary, known)
			n.mu.Lock()
			defer n.mu.Unlock()
			if ctx.Err() == nil {
				delete(n.since, secondary)
			}
		})
	}
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

// tell tells one secondary of the zones that differ from those that it knows. One that does not answer is given up; it
// looks by itself when the SOA's refresh time is over.
func (s *Server) tell(ctx context.Context, st *state, to config.Secondary, known *zones.Set) {
	group, telling := errgroup.WithContext(ctx)
	group.SetLimit(notifyAtOnce)
	n, ticks := 0, s.notifier.ticks()
feed:
	for name := range st.of.Zones.Changed(known) {
		select {
		case <-ticks:
			n++
			// Of a zone that is new in the catalog zone, the secondary may not know yet.
			expected := st.of.Zones.CatalogZone() == nil || known.Has(name)
			group.Go(func() error { return s.tellOne(telling, st, to, name, expected) })
		case <-telling.Done():
			break feed
		}
	}
	if err := group.Wait(); err != nil {
		s.log.Warn("a secondary does not answer NOTIFY; it will look by itself within the hour", "secondary", to.Address.String(), "err", err)
	} else if ctx.Err() == nil && n > 0 {
		s.log.Info("notified", "secondary", to.Address.String(), "zones", n)
	}
}

// tellOne sends a NOTIFY until there is an answer; expected says that the secondary should
// know the zone. The error is that of the last try.
func (s *Server) tellOne(ctx context.Context, st *state, to config.Secondary, name string, expected bool) error {
	z, ok := st.toCopy(name)
	if !ok {
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
		m.Answer = []dns.RR{z.soa} // a hint, RFC 1996 §3.7
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
			if reply.Rcode != dns.RcodeSuccess && expected && s.rejected.pass(s.now()) { // mostly it does not know the zone
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
