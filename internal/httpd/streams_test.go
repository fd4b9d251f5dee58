package httpd_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/metrics"
)

// serveTLS answers over TLS until the test ends.
func serveTLS(t *testing.T, h http.Handler) (addr string) {
	t.Helper()
	cert, key := fixture.Certificate(t, "localhost", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	log := slog.New(slog.DiscardHandler)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	go func() {
		done <- httpd.Serve(ctx, httpd.Service{Listeners: []httpd.Listener{{Listener: l, Handler: h, TLS: config}}, Limit: httpd.NewLimit(100, 100, httpd.Proxies{}, log), Log: log})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// h2Client is one connection of HTTP/2, whose answers have the room that it says.
type h2Client struct {
	*http2.Framer
	t *testing.T
}

func newH2Client(t *testing.T, addr string, window uint32) h2Client {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	c := h2Client{http2.NewFramer(conn, conn), t}
	c.window(window)
	if err := c.WriteWindowUpdate(0, 1<<20); err != nil { // the connection has room
		t.Fatal(err)
	}
	return c
}

// window sets what each stream may be sent.
func (c h2Client) window(octets uint32) {
	if err := c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: octets}); err != nil {
		c.t.Fatal(err)
	}
}

// open opens so many streams from an id on.
func (c h2Client) open(first uint32, n int) {
	for i := range n {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"}, {Name: ":path", Value: "/v1.1/orange.fr"}} {
			encoder.WriteField(f)
		}
		if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: first + 2*uint32(i), BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// read reads until so many streams have ended well, were reset, or have the headers of
// an answer.
func (c h2Client) read(ended, reset, begun int) {
	c.t.Helper()
	for ended > 0 || reset > 0 || begun > 0 {
		f, err := c.ReadFrame()
		if err != nil {
			c.t.Fatalf("%v; %d answers, %d resets and %d headers are missing", err, ended, reset, begun)
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			reset--
		case *http2.HeadersFrame:
			begun--
		case *http2.DataFrame:
			if f.StreamEnded() {
				ended--
			}
		}
	}
	if reset < 0 {
		c.t.Errorf("%d streams too many were reset", -reset)
	}
}

// A connection whose answers are not read has part of the places, and the others are
// answered beside it; what it did not lose is complete once it reads.
func TestUnreadStreams(t *testing.T) {
	counts := metrics.New(metrics.Sources{})
	addr := serveTLS(t, httpd.Handler(httpd.Options{Current: current(t, fixture.Shipped(t), ""), Log: slog.New(slog.DiscardHandler), Metrics: counts}))
	const kept = 56 // n ≤ (512-n)/8
	greedy := newH2Client(t, addr, 0)
	greedy.open(1, 100)
	greedy.read(0, 100-kept, kept)
	other := newH2Client(t, addr, 65535)
	other.open(1, 30)
	other.read(30, 0, 30)
	greedy.window(65535)
	greedy.read(kept, 0, 0)
	w := httptest.NewRecorder()
	counts.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if !strings.Contains(w.Body.String(), "milepost_http_limited_total{reason=\"overload\"} 44\n") {
		t.Error("what was reset is not counted")
	}
}

// A client that comes again saves the server its signature.
func TestResumption(t *testing.T) {
	addr := serveTLS(t, http.NotFoundHandler())
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}}
	for _, want := range []bool{false, true, true} {
		resp, err := client.Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.TLS.DidResume != want {
			t.Errorf("resumed: %v, want %v", resp.TLS.DidResume, want)
		}
	}
}
