package httpd_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"milepost/internal/fixture"
)

// How many there are in the crowd, and how long it is watched.
const (
	idleClients = 10_000
	slowClients = 2_000
	watched     = 5 * time.Second
)

// BenchmarkCrowd has a client ask, over a connection that it keeps and over fresh ones in
// turn, beside 10,000 idle connections and 2,000 clients that are slow in every way; who
// is thrown out comes again. They come from many addresses of loopback, which the limits
// of one client spare. With the default bound of 2048 connections the idlest are ended.
func BenchmarkCrowd(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(1000)) // the pauses should be the server's
	program := fixture.Build(b)
	cert, key := fixture.Certificate(b, "localhost", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	for _, bm := range []struct {
		name   string
		limits string
		secure bool
	}{
		{"plain", "[limits]\nconnections = 12500\n", false},
		{"TLS", "[limits]\nconnections = 12500\n", true},
		{"TLS-by-default", "", true},
	} {
		b.Run(bm.name, func(b *testing.B) {
			s := startMilepost(b, program, fixture.Directory(b, "cert.pem", cert, "key.pem", key), bm.limits)
			c := &crowd{addr: s.addr, secure: bm.secure}
			if !bm.secure {
				c.addr = s.plain
			}
			for b.Loop() {
				c.ctx, c.end = context.WithCancel(b.Context())
				alone, aloneFresh, _ := c.watch(b, watched/5)
				report(b, alone, "alone-kept")
				report(b, aloneFresh, "alone-fresh")
				c.gather(b)
				kept, fresh, late := c.watch(b, watched)
				c.count()
				b.ReportMetric(float64(c.open.Load()), "connections")
				b.ReportMetric(float64(fixture.Resident(b, s.pid))/1e6, "MB")
				c.disperse()
				report(b, kept, "kept")
				report(b, fresh, "fresh")
				report(b, late, "late")
				b.ReportMetric(s.longestPause(b), "ms-pause-max")
				b.ReportMetric(float64(c.refused), "refused")
			}
		})
	}
}

// crowd is many clients of one server.
type crowd struct {
	addr    string
	secure  bool
	open    atomic.Int64 // connections that the server has not ended
	refused int          // requests of the good client that were not answered with the document

	ctx  context.Context
	end  context.CancelFunc
	slow sync.WaitGroup
	idle []net.Conn
}

// from returns an address of loopback.
func from(n int) net.IP { return net.IPv4(127, 1, byte(n>>8), byte(n)) }

// dial connects from an address of its own, and makes the handshake.
func (c *crowd) dial(n int, protocols ...string) (net.Conn, error) {
	conn, err := c.dialTCP(n)
	if err != nil || !c.secure {
		return conn, err
	}
	config := clientTLS()
	config.NextProtos = protocols
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(c.ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}

func (c *crowd) dialTCP(n int) (net.Conn, error) {
	return (&net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: from(n % 1000)}}).DialContext(c.ctx, "tcp", c.addr)
}

// gather has all of them come.
func (c *crowd) gather(b *testing.B) {
	b.Helper()
	var mu sync.Mutex
	var coming sync.WaitGroup
	for part := range 20 {
		coming.Go(func() {
			for n := part; n < idleClients; n += 20 {
				conn, err := c.dial(n)
				if err == nil {
					err = askAndKeep(conn)
				}
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				c.idle = append(c.idle, conn)
				mu.Unlock()
			}
		})
	}
	coming.Wait()
	kinds := []func(int) error{c.slowHeader, c.slowBody, c.unread, c.half}
	if c.secure {
		kinds = append(kinds, c.unreadStreams)
	}
	for n := range slowClients {
		c.slow.Go(func() {
			for c.ctx.Err() == nil {
				kinds[n%len(kinds)](n) // how it is ended is the server's matter
				sleep(c.ctx, 100*time.Millisecond)
			}
		})
	}
	time.Sleep(3 * time.Second) // until all are there
}

// askAndKeep asks once, for a connection that has not asked is ended after 5 seconds.
func askAndKeep(conn net.Conn) error {
	if _, err := io.WriteString(conn, get("orange.fr")); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// hold counts a connection until it ends, and ends it with the crowd.
func (c *crowd) hold(conn net.Conn) (release func()) {
	c.open.Add(1)
	stop := context.AfterFunc(c.ctx, func() { conn.Close() })
	return func() {
		stop()
		conn.Close()
		c.open.Add(-1)
	}
}

// trickle sends the beginning of a request at once and the rest octet by octet.
func (c *crowd) trickle(n int, begin string, rest byte) error {
	conn, err := c.dial(n)
	if err != nil {
		return err
	}
	defer c.hold(conn)()
	for text := begin; ; text = string(rest) {
		if _, err := io.WriteString(conn, text); err != nil {
			return err
		}
		sleep(c.ctx, 200*time.Millisecond)
	}
}

func (c *crowd) slowHeader(n int) error { return c.trickle(n, "GET / HTTP/1.1\r\nHost: ", 'x') }

func (c *crowd) slowBody(n int) error {
	return c.trickle(n, "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n<", ' ')
}

// unread asks for more than buffers take, and reads nothing.
func (c *crowd) unread(n int) error {
	conn, err := c.dial(n)
	if err != nil {
		return err
	}
	defer c.hold(conn)()
	for {
		if _, err := io.WriteString(conn, strings.Repeat("GET /providers HTTP/1.1\r\nHost: x\r\n\r\n", 100)); err != nil {
			return err
		}
		sleep(c.ctx, time.Second)
	}
}

// half sends half of a handshake, or of a line.
func (c *crowd) half(n int) error {
	conn, err := c.dialTCP(n)
	if err != nil {
		return err
	}
	defer c.hold(conn)()
	begin := "GET /mail/conf"
	if c.secure {
		begin = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
	}
	if _, err = io.WriteString(conn, begin); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	return err
}

// unreadStreams opens as many streams as may be, and gives the answers no room (RFC 9113
// §6.9.2).
func (c *crowd) unreadStreams(n int) error {
	conn, err := c.dial(n, "h2")
	if err != nil {
		return err
	}
	defer c.hold(conn)()
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		return err
	}
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	for stream := uint32(1); stream < 200; stream += 2 {
		block.Reset()
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/providers"}} {
			encoder.WriteField(f)
		}
		if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, conn) // the frames that need no room
	return err
}

// watch has the good client ask for a while, and returns how long it waited: on the
// connection that it keeps, and on fresh ones. What waits for no server is how late the
// machine wakes the client between them.
func (c *crowd) watch(b *testing.B, d time.Duration) (kept, fresh, late []time.Duration) {
	b.Helper()
	connect := func() net.Conn {
		conn, err := c.dial(999)
		if err != nil {
			b.Fatal("the good client: ", err)
		}
		return conn
	}
	stays := connect()
	defer stays.Close()
	if err := askAndKeep(stays); err != nil {
		b.Fatal("the good client: ", err)
	}
	const between = 5 * time.Millisecond
	for begun := time.Now(); time.Since(begun) < d; {
		t := time.Now()
		time.Sleep(between)
		late = append(late, time.Since(t)-between)
		t = time.Now()
		c.askGood(b, stays)
		kept = append(kept, time.Since(t))
		t = time.Now()
		goes := connect()
		c.askGood(b, goes)
		fresh = append(fresh, time.Since(t))
		goes.Close()
	}
	return kept, fresh, late
}

// count adds the idle connections that the server has not ended.
func (c *crowd) count() {
	for _, conn := range c.idle {
		conn.SetReadDeadline(time.Now().Add(10 * time.Microsecond))
		if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			c.open.Add(1)
		}
	}
}

func (c *crowd) askGood(b *testing.B, conn net.Conn) {
	b.Helper()
	if _, err := io.WriteString(conn, get("orange.fr")); err != nil {
		b.Fatal("the good client: ", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		b.Fatal("the good client: ", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		b.Fatal("the good client: ", err)
	}
	if resp.StatusCode != http.StatusOK {
		c.refused++
	}
}

func (c *crowd) disperse() {
	c.end()
	c.slow.Wait()
	for _, conn := range c.idle {
		conn.Close()
	}
	c.idle = nil
}

// report gives the median, the 99th percentile and the longest wait in milliseconds.
func report(b *testing.B, waits []time.Duration, name string) {
	slices.Sort(waits)
	for what, at := range map[string]int{"p50": len(waits) / 2, "p99": len(waits) * 99 / 100, "max": len(waits) - 1} {
		b.ReportMetric(float64(waits[at].Microseconds())/1000, fmt.Sprintf("ms-%s-%s", name, what))
	}
}
