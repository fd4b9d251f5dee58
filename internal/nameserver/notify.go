package nameserver

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

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
	from  netip.Addr              // the address to send from; zero: the machine's choice
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
			s.tell(ctx, st, secondary, st.of.Zones.Changed(known))
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

// tell tells one secondary of zones. One that does not answer is given up; it
// looks by itself when the SOA's refresh time is over.
func (s *Server) tell(ctx context.Context, st *state, to config.Secondary, names iter.Seq[string]) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan string)
	var workers sync.WaitGroup
	for range notifyAtOnce {
		workers.Go(func() {
			for name := range next {
				if err := s.tellOne(ctx, st, to, name); err != nil {
					cancel(err)
				}
			}
		})
	}
	zones, ticks := 0, s.notifier.ticks()
feed:
	for name := range names {
		select {
		case <-ticks:
		case <-ctx.Done():
			break feed
		}
		select {
		case next <- name:
			zones++
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	switch err := context.Cause(ctx); {
	case err == nil && zones > 0:
		s.log.Info("notified", "secondary", to.Address.String(), "zones", zones)
	case err != nil && !errors.Is(err, context.Canceled):
		s.log.Warn("a secondary does not answer NOTIFY; it will look by itself within the hour", "secondary", to.Address.String(), "err", err)
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
	if s.notifier.from.IsValid() && s.notifier.from.Is4() == to.Address.Addr().Is4() {
		client.Dialer = &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.notifier.from, 0))}
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
			if reply.Rcode != dns.RcodeSuccess {
				s.refused(to, name, reply.Rcode)
			}
			return nil
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return err
}

// refused logs that a secondary does not want a zone: mostly it does not know it.
func (s *Server) refused(to config.Secondary, name string, rcode int) {
	if s.rejected.pass(s.now()) {
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "a secondary refused NOTIFY; is the zone configured there?",
			slog.String("secondary", to.Address.String()), slog.String("zone", strings.TrimSuffix(name, ".")), slog.String("rcode", dns.RcodeToString[rcode]))
	}
}
