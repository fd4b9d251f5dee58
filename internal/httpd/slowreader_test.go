package httpd_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"milepost/internal/connlimit"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
)

// A client that asks and does not read holds a few kilobytes, whatever it asked for:
// less than a copy of the list of providers, which alone has 60 kB.
func TestSlowReaders(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	h := httpd.Handler(httpd.Options{Current: current(t, fixture.Shipped(t), ""), Log: log})
	const (
		readers = 200
		most    = 56 << 10 // octets a connection; 32 kB, and the race detector's larger stacks
	)
	for _, tc := range []struct{ name, path, coding string }{
		{"a document", "/mail/config-v1.1.xml?emailaddress=fred@orange.fr", "identity"},
		{"the list of providers", "/providers", "identity"},
		{"the list, compressed", "/providers", "gzip"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- serve(ctx, l, h, httpd.Proxies{}, log, 0) }()
				good := l.dial(net.IPv4(192, 0, 2, 1))
				if _, err := good.ask(tc.path); err != nil { // what is kept for all is kept now
					t.Fatal(err)
				}
				before := held()
				var clients []memoryClient
				for range readers {
					c := l.dial(net.IPv4(127, 0, 0, 1))
					fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", tc.path, tc.coding)
					clients = append(clients, c)
				}
				synctest.Wait() // all answers wait for their readers
				each := (held() - before) / readers
				t.Logf("%d octets a connection", each)
				if each > most {
					t.Errorf("%d octets are held for a connection, want %d at most", each, most)
				}
				if _, err := good.ask(tc.path); err != nil {
					t.Error("who reads is not answered: ", err)
				}
				for _, c := range clients {
					c.Close()
				}
				good.Close()
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// BenchmarkSlowReaders asks for a document while clients come that send a hundred
// requests for the list each and read no answer.
func BenchmarkSlowReaders(b *testing.B) {
	addr := startShipped(b)
	good := dial(b, addr, get("orange.fr"))
	readers := connlimit.Affordable(1000, 0.25) // this process has both ends
	requests := strings.Repeat("GET /providers HTTP/1.1\r\nHost: x\r\n\r\n", 100)
	var slowest time.Duration
	var octets int
	for b.Loop() {
		before := held()
		var conns []net.Conn
		come := make(chan error)
		go func() {
			for range readers {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					conns = append(conns, c)
					_, err = io.WriteString(c, requests)
				}
				come <- err
			}
		}()
		for range readers {
			slowest = max(slowest, good.time(b, 1))
			if err := <-come; err != nil {
				b.Fatal(err)
			}
		}
		for range readers {
			slowest = max(slowest, good.time(b, 1))
		}
		octets += held() - before
		for _, c := range conns {
			c.Close()
		}
	}
	b.ReportMetric(float64(slowest.Microseconds())/1000, "ms/slowest-GET")
	b.ReportMetric(float64(octets/readers)/float64(b.N), "octets/reader")
}

// held returns the octets of heap and stacks in use.
func held() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools kept
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}
