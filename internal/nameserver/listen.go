package nameserver

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// open opens an address for TCP and UDP. TCP comes first: it shares the port with no
// other program, so one that has it is noticed.
func open(addr string) (tcp []net.Listener, udp []*net.UDPConn, err error) {
	defer func() {
		if err != nil {
			for _, l := range tcp {
				l.Close()
			}
			for _, c := range udp {
				c.Close()
			}
			tcp, udp = nil, nil
		}
	}()
	networks, hosts, port, err := split(addr)
	if err != nil {
		return nil, nil, err
	}
	shared := net.ListenConfig{Control: sharePort}
	for i, network := range networks {
		l, err := net.Listen("tcp"+network, net.JoinHostPort(hosts[i], port))
		if err != nil {
			if i > 0 && !available(err) {
				break // a machine without IPv6
			}
			return tcp, udp, err
		}
		tcp = append(tcp, l)
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		for range udpSockets() {
			c, err := shared.ListenPacket(context.Background(), "udp"+network, l.Addr().String())
			if err != nil {
				return tcp, udp, err
			}
			udp = append(udp, c.(*net.UDPConn))
		}
	}
	return tcp, udp, nil
}

// split says how an address is opened. Without a host it is opened for IPv4 and for
// IPv6, so that each socket has one family.
func split(addr string) (networks, hosts []string, port string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, "", err
	}
	if host == "" {
		return []string{"4", "6"}, []string{"0.0.0.0", "::"}, port, nil
	}
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, nil, "", err
	}
	if resolved.IP.To4() != nil {
		return []string{"4"}, []string{host}, port, nil
	}
	return []string{"6"}, []string{host}, port, nil
}

// available tells whether the machine has the address family, and err is about
// something else.
func available(err error) bool {
	return !errors.Is(err, syscall.EAFNOSUPPORT) && !errors.Is(err, syscall.EADDRNOTAVAIL)
}

// source is the address that NOTIFY comes from: the one that is listened on, if it is
// one.
func source(a *net.TCPAddr) netip.Addr {
	ip := a.AddrPort().Addr().Unmap()
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

// listener accepts connections up to a number. One more ends the one that has been
// idle for the longest, so that nobody can hold all the places (RFC 7766 §6.2.3).
type listener struct {
	net.Listener
	limit *connLimit
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	t := &conn{Conn: c, limit: l.limit, network: networkOf(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())}
	l.limit.enter(t)
	return t, nil
}

// conn is a TCP connection. A client that does not read is let go.
type conn struct {
	net.Conn
	limit   *connLimit
	network netip.Prefix
	used    atomic.Int64 // when something was last read or written, in nanoseconds
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.used.Store(time.Now().UnixNano())
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(tcpWrite)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.used.Store(time.Now().UnixNano())
	return n, err
}

func (c *conn) Close() error {
	c.limit.leave(c)
	return c.Conn.Close()
}

// connLimit bounds the connections, of all and of each network.
type connLimit struct {
	total, each int

	mu   sync.Mutex
	open map[*conn]bool
}

// enter takes a connection in, and ends another one if there are too many: of the
// same network, if that has too many.
func (l *connLimit) enter(c *conn) {
	c.used.Store(time.Now().UnixNano())
	l.mu.Lock()
	l.open[c] = true
	same := 0
	var idlest, idlestSame *conn
	for other := range l.open {
		if idlest == nil || other.used.Load() < idlest.used.Load() {
			idlest = other
		}
		if other.network == c.network {
			if same++; idlestSame == nil || other.used.Load() < idlestSame.used.Load() {
				idlestSame = other
			}
		}
	}
	var last *conn
	switch {
	case same > l.each:
		last = idlestSame
	case len(l.open) > l.total:
		last = idlest
	}
	l.mu.Unlock()
	if last != nil {
		last.Close()
	}
}

// closeAll ends every connection.
func (l *connLimit) closeAll() {
	l.mu.Lock()
	open := slices.Collect(maps.Keys(l.open))
	l.mu.Unlock()
	for _, c := range open {
		c.Close()
	}
}

func (l *connLimit) leave(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// networkOf returns the network that counts as one client: who has an address has
// those around it.
func networkOf(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 56
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
