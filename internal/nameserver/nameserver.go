// Package nameserver answers DNS questions over UDP and TCP from the zones of
// package zones: the only room that runs DNS servers.
//
// A message is answered where it is read (udp.go, tcp.go): request.go says from its
// octets what it asks, and respond.go answers, from octets that are kept. What is
// signed (RFC 8945) or asks for a transfer (RFC 5936, RFC 1995) goes through the
// servers of miekg/dns to handler.go and transfer.go.
package nameserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"milepost/internal/config"
	"milepost/internal/connlimit"
	"milepost/internal/metrics"
	"milepost/internal/snapshot"
)

// Limits of TCP (RFC 7766 §6.1, §6.2.3).
const (
	tcpFirst = 5 * time.Second // for the first query of a connection
	tcpIdle  = 10 * time.Second
	tcpWrite = 10 * time.Second
	maxConns = 1024
	maxEach  = 64 // connections of one network
)

// Server answers on one port. Make one with [Listen].
type Server struct {
	// Metrics counts responses; nil: nothing does. It is set before Serve.
	Metrics *metrics.Metrics

	log      *slog.Logger
	now      func() time.Time
	current  *atomic.Pointer[snapshot.Snapshot]
	derived  atomic.Pointer[state]
	udp      []*net.UDPConn
	tcp      []net.Listener
	refusals throttle // of transfers that were refused
	rejected throttle // of NOTIFY that secondaries refused
	broken   throttle // of transfers that broke off
	notifier notifier
}

// state is what is made of a snapshot, and kept of its answers.
type state struct {
	of      *snapshot.Snapshot
	conf    config.DNS
	log     *slog.Logger
	metrics *metrics.Metrics
	cookies cookies
	former  cookies   // by the secret before: checks what that made in its last hour
	drawn   time.Time // when the secret of cookies was
	limiter *limiter
	keys    map[string]config.Key

	answers *answers
	older   *answers // of the snapshot from which this one follows; nil: nothing of it may be true
}

// Listen opens an address, "127.0.0.1:53" or ":53" say, for UDP and TCP; port 0
// picks one that is free for both. An address without host is opened for IPv4 and
// IPv6. Each query is answered from the current snapshot, which must have zones.
func Listen(addr string, current *atomic.Pointer[snapshot.Snapshot], now func() time.Time, log *slog.Logger) (*Server, error) {
	s := newServer(current, now, log)
	addrs, err := resolve(addr)
	if err != nil {
		return nil, err
	}
	for range 10 { // a free port of TCP may be taken in UDP
		if s.tcp, s.udp, err = open(addrs); err == nil {
			return s, nil
		}
	}
	return nil, err
}

// On answers on sockets that somebody else has opened, of which there must be one of
// TCP and one of UDP.
func On(tcp []net.Listener, udp []net.PacketConn, current *atomic.Pointer[snapshot.Snapshot], now func() time.Time, log *slog.Logger) (*Server, error) {
	s := newServer(current, now, log)
	for _, c := range udp {
		if c, ok := c.(*net.UDPConn); ok {
			s.udp = append(s.udp, c)
		}
	}
	for _, l := range tcp {
		if l, ok := l.(*net.TCPListener); ok {
			s.tcp = append(s.tcp, l)
		}
	}
	if len(s.udp) == 0 || len(s.tcp) == 0 {
		return nil, fmt.Errorf("DNS needs a socket of TCP and one of UDP; there are %d and %d", len(s.tcp), len(s.udp))
	}
	return s, nil
}

func newServer(current *atomic.Pointer[snapshot.Snapshot], now func() time.Time, log *slog.Logger) *Server {
	s := &Server{log: log, now: now, current: current}
	s.notifier.ticks = func() <-chan time.Time { return time.Tick(time.Second / notifyRate) }
	return s
}

// Addr returns the address that is listened on.
func (s *Server) Addr() *net.TCPAddr { return s.tcp[0].Addr().(*net.TCPAddr) }

// state returns what is made of the current snapshot, with a secret that is not too old.
func (s *Server) state() *state {
	for {
		st, of := s.derived.Load(), s.current.Load()
		if st != nil && st.of == of && s.now().Sub(st.drawn) < secretAge {
			return st
		}
		s.derived.CompareAndSwap(st, s.newState(of, st))
	}
}

func (s *Server) newState(of *snapshot.Snapshot, before *state) *state {
	now := s.now()
	st := &state{of: of, conf: of.Config.DNS, log: s.log, metrics: s.Metrics, cookies: newCookies(), former: newCookies(), drawn: now, keys: make(map[string]config.Key), answers: newAnswers()}
	if before != nil && before.conf.RateLimit == st.conf.RateLimit {
		st.limiter = before.limiter // else each reload would fill the buckets
	} else {
		st.limiter = newLimiter(st.conf.RateLimit, now)
	}
	if before != nil && of.Zones.Follows(before.of.Zones) {
		st.older = before.answers
	}
	switch {
	case before == nil:
	case now.Sub(before.drawn) < secretAge:
		st.cookies, st.former, st.drawn = before.cookies, before.former, before.drawn
	default:
		st.former = before.cookies
	}
	for _, k := range st.conf.Keys {
		st.keys[k.Name] = k
	}
	return st
}

// Serve answers until the context ends. At the start it tells the secondaries of all
// zones, since they may have missed a change.
func (s *Server) Serve(ctx context.Context) error {
	var servers []*dns.Server
	for _, conn := range s.udp {
		packets, from, err := batches(conn)
		if err != nil {
			return err
		}
		servers = append(servers, s.server(&dns.Server{PacketConn: newUDPConn(conn, packets, s, from)}))
	}
	limit := connlimit.New(connlimit.Bounds{
		Total:        connlimit.Affordable(maxConns, 0.25),
		PerNetwork:   maxEach,
		Network:      networkOf,
		WriteTimeout: tcpWrite,
	}, s.log)
	s.Metrics.Connections("dns", limit.Open)
	for _, l := range s.tcp {
		servers = append(servers, s.server(&dns.Server{Listener: limit.Listener(l)}))
	}
	running, ctx := errgroup.WithContext(ctx) // one does not go on without the others
	var started sync.WaitGroup
	for _, server := range servers {
		started.Add(1)
		server.NotifyStartedFunc = started.Done
		running.Go(server.ActivateAndServe)
	}
	started.Wait()
	s.Notify(ctx, nil)
	<-ctx.Done()
	var err error
	grace, cancel := context.WithTimeout(context.Background(), tcpIdle)
	defer cancel()
	for _, server := range servers {
		if e := server.ShutdownContext(grace); e != nil && !errors.Is(e, context.DeadlineExceeded) {
			err = errors.Join(err, e)
		}
	}
	limit.CloseAll() // whoever is still served after that time
	err = errors.Join(running.Wait(), err)
	s.notifier.wait()
	return err
}

func (s *Server) server(d *dns.Server) *dns.Server {
	d.Handler = s
	d.TsigProvider = tsig{s}
	if d.Listener != nil {
		d.DecorateReader = func(r dns.Reader) dns.Reader { return tcpReader{r, s} }
	}
	d.UDPSize = maxPacket
	d.ReadTimeout = tcpFirst
	d.IdleTimeout = func() time.Duration { return tcpIdle }
	d.MaxTCPQueries = -1
	return d
}
