// Package nameserver answers DNS questions over UDP and TCP from the zones of
// package zone: the only room that runs DNS servers.
//
// A message is answered where it is read (udp.go, tcp.go): request.go says from its
// octets what it asks, and respond.go answers, from octets that are kept. What is
// signed (RFC 8945) or asks for a transfer (RFC 5936, RFC 1995) goes through the
// servers of miekg/dns to handler.go and transfer.go.
package nameserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"milepost/zone"
)

// Config is what the server answers from and whom it serves. It may be replaced
// while the server runs.
type Config struct {
	Zones       *zone.Set
	Keys        []Key
	Secondaries []Secondary
	RateLimit   int // responses a second of one kind to one network (/24, /56); 0: no limit
}

// Key is a TSIG key (RFC 8945): whoever signs with it may transfer the zones.
type Key struct {
	Name      string // absolute, lower case
	Algorithm string // as dns.HmacSHA256
	Secret    string // base64
}

// Secondary gets a NOTIFY (RFC 1996) of changes and may transfer the zones.
type Secondary struct {
	Address netip.AddrPort
	Key     string // the name of the key that it signs with; empty: its address is enough
}

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
	log      *slog.Logger
	now      func() time.Time
	cookies  cookies
	current  atomic.Pointer[state]
	udp      []*net.UDPConn
	tcp      []net.Listener
	servers  []*dns.Server
	refusals throttle // of transfers that were refused
	rejected throttle // of NOTIFY that secondaries refused
	broken   throttle // of transfers that broke off
	notifier notifier
}

// state is a configuration and the answers that were made from it.
type state struct {
	Config
	log     *slog.Logger
	cookies cookies
	limiter *limiter
	keys    map[string]Key

	mu      sync.RWMutex
	answers map[string]*answer // by name in lower case on the wire, and type
	held    int                // octets of answers
}

// Listen opens an address, "127.0.0.1:53" or ":53" say, for UDP and TCP; port 0
// picks one that is free for both. An address without host is opened for IPv4 and
// IPv6.
func Listen(addr string, c Config, now func() time.Time, log *slog.Logger) (*Server, error) {
	s := &Server{log: log, now: now, cookies: newCookies()}
	s.set(c)
	var err error
	for range 10 { // a free port of TCP may be taken in UDP
		if s.tcp, s.udp, err = open(addr); err == nil || !anyPort(addr) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	s.notifier.from = source(s.Addr())
	s.notifier.ticks = func() <-chan time.Time { return time.Tick(time.Second / notifyRate) }
	return s, nil
}

func anyPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}

// Addr returns the address that is listened on.
func (s *Server) Addr() *net.TCPAddr { return s.tcp[0].Addr().(*net.TCPAddr) }

// Zones returns the zones that are answered from.
func (s *Server) Zones() *zone.Set { return s.current.Load().Zones }

// Update replaces the configuration, and tells the secondaries what has changed.
func (s *Server) Update(ctx context.Context, c Config) {
	before := s.current.Load()
	s.set(c)
	s.notify(ctx, before)
}

func (s *Server) set(c Config) {
	st := &state{Config: c, log: s.log, cookies: s.cookies, keys: make(map[string]Key), answers: make(map[string]*answer)}
	if before := s.current.Load(); before != nil && before.RateLimit == c.RateLimit {
		st.limiter = before.limiter // else each reload would fill the buckets
	} else {
		st.limiter = newLimiter(c.RateLimit, s.now())
	}
	for _, k := range c.Keys {
		st.keys[k.Name] = k
	}
	s.current.Store(st)
}

// Serve answers until the context ends. At the start it tells the secondaries of all
// zones, since they may have missed a change.
func (s *Server) Serve(ctx context.Context) error {
	for _, conn := range s.udp {
		packets, from, err := batches(conn)
		if err != nil {
			return err
		}
		s.servers = append(s.servers, s.server(&dns.Server{PacketConn: newUDPConn(conn, packets, s, from)}))
	}
	limit := &connLimit{total: maxConns, each: maxEach, open: make(map[*conn]bool)}
	for _, l := range s.tcp {
		s.servers = append(s.servers, s.server(&dns.Server{Listener: &listener{l, limit}}))
	}
	ended := make(chan error, len(s.servers))
	var started, running sync.WaitGroup
	for _, server := range s.servers {
		started.Add(1)
		server.NotifyStartedFunc = started.Done
		running.Go(func() { ended <- server.ActivateAndServe() })
	}
	started.Wait()
	s.notify(ctx, nil)
	var err error
	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	grace, cancel := context.WithTimeout(context.Background(), tcpIdle)
	defer cancel()
	for _, server := range s.servers {
		if e := server.ShutdownContext(grace); e != nil && !errors.Is(e, context.DeadlineExceeded) {
			err = errors.Join(err, e)
		}
	}
	limit.closeAll() // those that are still served when that time is over
	running.Wait()
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
