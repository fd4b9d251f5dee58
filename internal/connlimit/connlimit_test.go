package connlimit_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"milepost/internal/connlimit"
)

func network(a netip.Addr) netip.Prefix { return connlimit.NetworkOf(a, 24, 56) }

// stub is a listener whose Accept does what the test says.
type stub struct {
	net.Listener
	accept func() (net.Conn, error)
}

func (s *stub) Accept() (net.Conn, error) { return s.accept() }
func (s *stub) Close() error              { return nil }
func (s *stub) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53} }

// conn is one end of a pipe whose other end has an address.
type conn struct {
	net.Conn
	from   string
	closed bool
}

func (c *conn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1024))
}

func (c *conn) Close() error {
	c.closed = true
	return c.Conn.Close()
}

func newConn(from string) *conn {
	ours, theirs := net.Pipe()
	go io.Copy(io.Discard, theirs)
	return &conn{Conn: ours, from: from}
}

// One connection too many ends the one that has gone longest without an answer, of
// its own network if that has too many.
func TestConnections(t *testing.T) {
	const a, a2, b, loopback, mapped, exempt = "192.0.2.1", "192.0.2.200", "192.0.3.1", "127.0.0.1", "::ffff:192.0.2.7", "::ffff:198.51.100.1"
	for _, tc := range []struct {
		name string
		from []string // in the order in which they come
		do   map[int]string
		open []int // that are left
	}{
		{"as many as may", []string{a, a, b}, nil, []int{0, 1, 2}},
		{"one too many of a network", []string{a, b, a2, mapped}, nil, []int{1, 2, 3}},
		{"one too many of all", []string{a, a, b, "2001:db8::1"}, nil, []int{1, 2, 3}},
		{"both", []string{a, a, b, b, b}, nil, []int{1, 3, 4}},
		{"loopback has no network", []string{loopback, loopback, loopback}, nil, []int{0, 1, 2}},
		{"an exempt network has no bound of its own", []string{exempt, exempt, exempt}, nil, []int{0, 1, 2}},
		{"an exempt network counts in the total", []string{exempt, exempt, exempt, a}, nil, []int{1, 2, 3}},
		{"loopback counts in the total", []string{loopback, "::1", loopback, a}, nil, []int{1, 2, 3}},
		{"who was answered is not the idlest", []string{a, a, a}, map[int]string{0: "write"}, []int{0, 2}},
		{"who is being answered stays", []string{a, a, a}, map[int]string{0: "answer"}, []int{0, 2}},
		{"all are being answered", []string{a, a, a}, map[int]string{0: "answer", 1: "answer"}, []int{0, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limit := connlimit.New(connlimit.Bounds{Total: 3, PerNetwork: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Network: network, WriteTimeout: time.Hour}, slog.New(slog.DiscardHandler))
				ended := 0
				limit.Ended = func() { ended++ }
				var all []*conn
				var next *conn
				l := limit.Listener(&stub{accept: func() (net.Conn, error) { return next, nil }})
				for i, from := range tc.from {
					if i == len(tc.from)-1 {
						time.Sleep(time.Second) // the others have done what they do
					}
					next = newConn(from)
					all = append(all, next)
					c, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					switch tc.do[i] {
					case "write":
						time.AfterFunc(1500*time.Millisecond, func() { c.Write([]byte("answer")) })
					case "answer":
						c.(*connlimit.Conn).SetState(connlimit.Answering)
					}
				}
				var open []int
				for i, c := range all {
					if !c.closed {
						open = append(open, i)
					}
				}
				if !slices.Equal(open, tc.open) || limit.Open() != len(tc.open) {
					t.Errorf("open are %v, %d of them, want %v", open, limit.Open(), tc.open)
				}
				if want := len(tc.from) - len(tc.open); ended != want {
					t.Errorf("%d connections are said to have been ended, want %d", ended, want)
				}
				limit.CloseAll()
				if limit.Open() > 0 {
					t.Errorf("%d are left", limit.Open())
				}
			})
		})
	}
}

// CloseIdle spares who has not asked yet, sends a request or is being answered, who was
// idle for a short time only, and who ends by itself.
func TestCloseIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := connlimit.New(connlimit.Bounds{Total: 9, PerNetwork: 9, Network: network}, slog.New(slog.DiscardHandler))
		l := limit.Listener(&stub{accept: func() (net.Conn, error) { return newConn("192.0.2.1"), nil }})
		var all []*connlimit.Conn
		for range 6 {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c.(*connlimit.Conn))
		}
		all[0].SetState(connlimit.Idle)
		all[5].SetState(connlimit.Idle)
		all[5].SaysGoodbye()
		all[1].SetState(connlimit.Receiving)
		all[2].SetState(connlimit.Answering)
		time.Sleep(2 * time.Second)
		all[3].SetState(connlimit.Idle)
		limit.CloseIdle(time.Now().Add(-time.Second))
		if all[0].Conn.(*conn).closed != true || limit.Open() != 5 {
			t.Errorf("%d are open", limit.Open())
		}
		limit.CloseAll()
	})
}

// Without descriptors Accept pauses, longer each time, and says so once.
func TestAcceptPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		limit := connlimit.New(connlimit.Bounds{Total: 100, PerNetwork: 100, Network: network}, slog.New(slog.NewTextHandler(&log, nil)))
		errs := 0
		l := limit.Listener(&stub{accept: func() (net.Conn, error) {
			if errs > 0 {
				errs--
				return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
			}
			return newConn("192.0.2.1"), nil
		}})
		accept := func(failures int) time.Duration {
			start := time.Now()
			errs = failures
			if _, err := l.Accept(); err != nil {
				t.Error(err)
			}
			return time.Since(start)
		}
		logged := func(want int) {
			t.Helper()
			if got := strings.Count(log.String(), "level=WARN msg=\"new connections have to wait\" addr=127.0.0.1:53 err=\"accept: accept4: too many open files\"\n"); got != want || strings.Count(log.String(), "\n") != want {
				t.Errorf("%d lines, want %d:\n%s", got, want, log.String())
			}
		}
		if got, want := accept(10), (5+10+20+40+80+160+320+640+1000+1000)*time.Millisecond; got != want {
			t.Errorf("paused for %v, want %v", got, want)
		}
		accept(3) // one descriptor was freed and taken again
		logged(1)
		if got := accept(0); got != 0 {
			t.Errorf("paused for %v", got)
		}
		accept(1)
		logged(2)

		errs = 1 << 30
		ended := make(chan error)
		go func() { _, err := l.Accept(); ended <- err }()
		time.Sleep(time.Minute)
		l.Close()
		if err := <-ended; err != net.ErrClosed {
			t.Errorf("after Close: %v", err)
		}
		limit.CloseAll()
	})
}

// An error that will not go away is the server's matter.
func TestAcceptFails(t *testing.T) {
	l := connlimit.New(connlimit.Bounds{}, nil).Listener(&stub{accept: func() (net.Conn, error) { return nil, syscall.EINVAL }})
	if _, err := l.Accept(); err != syscall.EINVAL {
		t.Error(err)
	}
}

func TestNetworkOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.77":             "192.0.2.0/24",
		"::ffff:192.0.2.77":      "192.0.2.0/24",
		"2001:db8:1:2ff:3::1":    "2001:db8:1:200::/56",
		"fe80::1%eth0":           "fe80::/56",
		"2001:db8:1:2ff:3::1%lo": "2001:db8:1:200::/56",
	} {
		if got := network(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s is of %s, want %s", addr, got, want)
		}
	}
	if got := network(netip.Addr{}); got.IsValid() {
		t.Errorf("no address is of %s", got)
	}
}
