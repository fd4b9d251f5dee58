// Package connlimit bounds the open TCP connections of a server: all of them, and
// those of each client network. One too many ends one that has gone long without an
// answer, so that nobody can hold all the places (RFC 7766 §6.2.3).
package connlimit

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds say how many connections may be open at a time.
type Bounds struct {
	Total int
	// PerNetwork does not hold for loopback and Unix sockets: a proxy on the same
	// machine speaks for many clients.
	PerNetwork int
	// Exempt has the networks for which PerNetwork does not hold either: proxies on
	// other machines.
	Exempt []netip.Prefix
	// Network returns the network that counts as one client.
	Network func(netip.Addr) netip.Prefix
	// WriteTimeout ends a connection whose client does not read, and has each write
	// count as an answer; 0: the server sets deadlines and states by itself.
	WriteTimeout time.Duration
}

// Limit holds the connections of a server, which may have several listeners.
type Limit struct {
	// Ended hears of each connection that is ended to make room for another; nil: nobody
	// does. It is set before the first connection.
	Ended func()

	bounds Bounds
	log    *slog.Logger
	begin  time.Time // of a clock that nobody sets: Go's monotonic one

	mu       sync.Mutex
	open     int
	networks map[netip.Prefix]map[*Conn]bool // under the zero prefix: those that PerNetwork does not bound
}

// New makes a limit. The log hears when no connection can be accepted.
func New(b Bounds, log *slog.Logger) *Limit {
	return &Limit{bounds: b, log: log, begin: time.Now(), networks: make(map[netip.Prefix]map[*Conn]bool)}
}

// Open returns the number of open connections.
func (l *Limit) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// CloseIdle ends the connections that have been idle since before a time, but those
// that say goodbye.
func (l *Limit) CloseIdle(before time.Time) {
	limit := int64(before.Sub(l.begin))
	l.closeAll(func(c *Conn) bool {
		return State(c.state.Load()) == Idle && c.since.Load() < limit && !c.goodbye.Load()
	})
}

// CloseAll ends every connection.
func (l *Limit) CloseAll() { l.closeAll(func(*Conn) bool { return true }) }

func (l *Limit) closeAll(ends func(*Conn) bool) {
	var ending []*Conn
	l.mu.Lock()
	for _, conns := range l.networks {
		for c := range conns {
			if ends(c) {
				ending = append(ending, c)
			}
		}
	}
	l.mu.Unlock()
	for _, c := range ending {
		c.Close()
	}
}

// enter takes a connection in, and ends an idle one if there are too many: of the
// same network, if that has too many. If all others are being answered, the new one
// ends.
func (l *Limit) enter(conn net.Conn) *Conn {
	c := &Conn{Conn: conn, limit: l, network: l.network(conn.RemoteAddr())}
	c.writeBy.Store(noDeadline)
	c.SetState(Idle)      // since now
	c.SetState(Receiving) // who connects has something to ask
	l.mu.Lock()
	same := l.networks[c.network]
	if same == nil {
		same = make(map[*Conn]bool)
		l.networks[c.network] = same
	}
	same[c] = true
	l.open++
	var last *Conn
	switch {
	case c.network.IsValid() && len(same) > l.bounds.PerNetwork:
		last, _ = idlest(nil, len(same), same)
	case l.open > l.bounds.Total:
		left := looked
		for _, conns := range l.networks {
			if last, left = idlest(last, left, conns); left == 0 {
				break
			}
		}
	}
	l.mu.Unlock()
	if last != nil {
		last.Close()
		if l.Ended != nil {
			l.Ended()
		}
	}
	return c
}

// network returns the network that an address counts for; zero: PerNetwork does not
// hold for it.
func (l *Limit) network(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if addr.IsLoopback() || slices.ContainsFunc(l.bounds.Exempt, func(p netip.Prefix) bool { return p.Contains(addr.WithZone("")) }) {
		return netip.Prefix{}
	}
	return l.bounds.Network(addr)
}

// looked is how many connections of all networks are compared to end one. To look at
// thousands would make whoever connects wait for it in a flood; and Go takes a map from a
// place at random, so that one of many that was answered lately is as good as never the
// idlest of these.
const looked = 64

// idlest returns the connection that has gone longest without an answer, among one
// that was found before and others, of which it compares so many at most, and how many
// are left to compare.
func idlest(found *Conn, atMost int, others map[*Conn]bool) (*Conn, int) {
	for c := range others {
		if State(c.state.Load()) == Answering {
			continue
		}
		if found == nil || c.since.Load() < found.since.Load() {
			found = c
		}
		if atMost--; atMost == 0 {
			break
		}
	}
	return found, atMost
}

func (l *Limit) leave(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	conns := l.networks[c.network]
	if !conns[c] {
		return // closed before
	}
	delete(conns, c)
	l.open--
	if len(conns) == 0 {
		delete(l.networks, c.network)
	}
}

// NetworkOf returns the network around an address, by the length of its prefix in
// IPv4 and in IPv6.
func NetworkOf(a netip.Addr, bits4, bits6 int) netip.Prefix {
	bits := bits6
	if a = a.Unmap(); a.Is4() {
		bits = bits4
	}
	p, _ := a.Prefix(bits)
	return p
}

// State says what a connection is doing.
type State int32

const (
	Idle      State = iota // waits for a request
	Receiving              // a request is arriving, as the first one is from the start
	Answering              // not ended to make room for another
)

// Conn is an accepted connection.
type Conn struct {
	net.Conn
	limit   *Limit
	network netip.Prefix
	state   atomic.Int32
	since   atomic.Int64 // when it was accepted or last answered, in nanoseconds since the limit's begin
	writeBy atomic.Int64 // the deadline that is set, in the same
	exact   bool         // sets and removes each deadline
	goodbye atomic.Bool  // ends by itself
}

// noDeadline is long before any that is set.
const noDeadline = int64(-time.Hour)

// SaysGoodbye is for a connection of a protocol in which the server tells the client
// that it stops, and then ends the connection by itself.
func (c *Conn) SaysGoodbye() { c.goodbye.Store(true) }

// ExactDeadlines is for a connection whose writers do not set a deadline first, as those
// of TLS and HTTP/2. It is called before the connection is used.
func (c *Conn) ExactDeadlines() { c.exact = true }

// SetState is for a server that knows what its connections are doing.
func (c *Conn) SetState(s State) {
	c.state.Store(int32(s))
	if s == Idle {
		c.since.Store(int64(time.Since(c.limit.begin)))
	}
}

// SetWriteDeadline leaves the deadline that is set if it is at most a second earlier, and
// removes none: net/http sets one before each answer and removes it behind, and two
// timers cost as much as finding the answer. Whoever writes sets one first.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.exact {
		return c.Conn.SetWriteDeadline(t)
	}
	if t.IsZero() {
		return nil
	}
	by := int64(t.Sub(c.limit.begin))
	if later := by - c.writeBy.Load(); 0 <= later && later < int64(time.Second) {
		return nil
	}
	c.writeBy.Store(by)
	return c.Conn.SetWriteDeadline(t)
}

func (c *Conn) Write(b []byte) (int, error) {
	if t := c.limit.bounds.WriteTimeout; t > 0 {
		now := time.Now()
		c.since.Store(int64(now.Sub(c.limit.begin)))
		if err := c.SetWriteDeadline(now.Add(t)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// CloseWrite lets net/http end its side first, so that a client that is still
// sending reads the answer before the connection is reset.
func (c *Conn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}

func (c *Conn) Close() error {
	c.limit.leave(c)
	return c.Conn.Close()
}
