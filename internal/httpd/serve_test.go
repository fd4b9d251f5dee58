package httpd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"milepost/internal/httpd"
)

// memoryListener accepts connections that are no sockets, so that a test's clock
// stands still while anybody is at work.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }

// memoryConn comes from an address.
type memoryConn struct {
	net.Conn
	from net.IP
}

func (c memoryConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: c.from, Port: 1024} }

// memoryClient is a client that keeps its connection.
type memoryClient struct {
	net.Conn
	r *bufio.Reader
}

func (l *memoryListener) dial(from net.IP) memoryClient {
	ours, theirs := net.Pipe()
	l.conns <- memoryConn{ours, from}
	return memoryClient{theirs, bufio.NewReader(theirs)}
}

// ask returns whether the server ends the connection after its answer.
func (c memoryClient) ask(path string) (last bool, err error) {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return false, err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Close, err
}

// serveInMemory answers with "done"; /slow takes eight seconds. The function that it
// returns stops the server and says how long that took.
func serveInMemory(t *testing.T) (*memoryListener, func() time.Duration) {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(8 * time.Second)
		}
		io.WriteString(w, "done")
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- serve(ctx, l, h, httpd.Proxies{}, slog.New(slog.DiscardHandler), 5*time.Second) }()
	return l, func() time.Duration {
		start := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return time.Since(start)
	}
}

// A server that stops answers every request of clients that keep their connections,
// and tells them that it is the last on this connection.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serveInMemory(t)
		var clients sync.WaitGroup
		for i := range 50 {
			clients.Go(func() {
				c := l.dial(net.IPv4(127, 0, 0, 1))
				defer c.Close()
				for n := range 100 {
					last, err := c.ask("/")
					if err != nil {
						t.Errorf("client %d, request %d: %v", i, n, err)
					}
					if last || err != nil {
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				t.Errorf("client %d was not told that the server stops", i)
			})
		}
		time.Sleep(105 * time.Millisecond) // now all of them are about to ask again
		took := stop()
		clients.Wait()
		if took > 100*time.Millisecond {
			t.Errorf("it stopped %v after the last client could have gone", took)
		}
	})
}

// Who has just connected is given time to ask, as a client in a slow handshake needs.
func TestStopBeforeTheFirstRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serveInMemory(t)
		c := l.dial(net.IPv4(127, 0, 0, 1))
		defer c.Close()
		synctest.Wait()
		stopped := make(chan time.Duration)
		go func() { stopped <- stop() }()
		time.Sleep(2 * time.Second)
		if last, err := c.ask("/"); err != nil || !last {
			t.Errorf("the last request: %v %v", last, err)
		}
		if took := (<-stopped).Round(time.Second / 2); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name  string
		paths []string // that are asked for on a connection each
		idle  time.Duration
		took  time.Duration // to stop, to half a second
	}{
		{"no connection", nil, 0, 0},
		{"idle for long", []string{"/"}, time.Minute, 0},
		{"idle for a moment", []string{"/"}, 0, time.Second / 2},
		{"an answer under way, longer than the drain", []string{"/slow"}, 0, 8 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, stop := serveInMemory(t)
				var clients sync.WaitGroup
				for _, path := range tc.paths {
					clients.Go(func() {
						c := l.dial(net.IPv4(127, 0, 0, 1))
						defer c.Close()
						if _, err := c.ask(path); err != nil {
							t.Error(err)
						}
						if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				time.Sleep(tc.idle)
				if took := stop().Round(time.Second / 2); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
				clients.Wait()
			})
		})
	}
}

// One connection too many of an address ends its idlest, and none that is being
// answered.
func TestManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, stop := serveInMemory(t)
		office := net.IPv4(192, 0, 2, 1)
		slow := l.dial(office)
		answered := make(chan error)
		go func() { _, err := slow.ask("/slow"); answered <- err }()
		time.Sleep(time.Second)
		var clients []memoryClient
		for range 256 {
			c := l.dial(office)
			if _, err := c.ask("/"); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
			time.Sleep(time.Millisecond)
		}
		if _, err := clients[0].ask("/"); err == nil {
			t.Error("257 connections of one address are open")
		}
		if _, err := clients[1].ask("/"); err != nil {
			t.Error(err)
		}
		if _, err := l.dial(net.IPv4(192, 0, 2, 2)).ask("/"); err != nil {
			t.Error("the neighbour: ", err)
		}
		if err := <-answered; err != nil {
			t.Error(err)
		}
		stop()
	})
}

// A client has the connections that the bounds allow it, unless its address speaks for
// many.
func TestConnections(t *testing.T) {
	for _, tc := range []struct {
		name             string
		total, perClient int
		trusted          []netip.Prefix
		open             int // of three
	}{
		{"many", 100, 100, nil, 3},
		{"two of a client", 100, 2, nil, 2},
		{"of a proxy", 100, 2, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, 3},
		{"two in total", 2, 100, nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				log := slog.New(slog.DiscardHandler)
				ended := make(chan error)
				go func() {
					proxies := httpd.Proxies{Trusted: tc.trusted}
					ended <- httpd.Serve(ctx, httpd.Service{
						Listeners: []httpd.Listener{{Listener: l, Handler: http.NotFoundHandler()}},
						Limit:     httpd.NewLimit(tc.total, tc.perClient, proxies, log), Proxies: proxies, Log: log})
				}()
				var clients []memoryClient
				for range 3 {
					clients = append(clients, l.dial(net.IPv4(192, 0, 2, 1)))
					time.Sleep(time.Second) // it is the idlest of those that come later
				}
				open := 0
				for _, c := range clients {
					if _, err := c.ask("/"); err == nil {
						open++
					}
					c.Close()
				}
				if open != tc.open {
					t.Errorf("%d connections stay, want %d", open, tc.open)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
