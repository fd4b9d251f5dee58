//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/http2"
)

var soak = flag.Duration("soak", 3*time.Second, "how long TestSoak lasts")

// TestSoak sends noise and spoilt requests to all listeners of one process, asks for an
// answer to a good one of each kind again and again, and wants nothing to be left at
// the end.
func TestSoak(t *testing.T) {
	p := serving(t, site(t, everything+"[log]\nlevel = \"error\"\n"))
	stop := p.watched(t)
	p.answers(t)
	routines, descriptors := p.holds(t)
	end := time.Now().Add(*soak)
	var sent, good atomic.Int64
	var clients sync.WaitGroup
	for seed, send := range []func(*testing.T, *process, *rand.Rand){
		func(t *testing.T, p *process, r *rand.Rand) { say(t, p.addr, "", spoiltRequest(r)) },
		func(t *testing.T, p *process, r *rand.Rand) { say(t, p.admin, "", spoiltRequest(r)) },
		func(t *testing.T, p *process, r *rand.Rand) { say(t, p.https, "", spoiltHello(r)) },
		func(t *testing.T, p *process, r *rand.Rand) {
			say(t, p.addr, proxyAddress, string(spoil(r, []byte("PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n")))+spoiltRequest(r))
		},
		spoilTLS, spoilStreams, spoilDNS,
	} {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			for i := 1; time.Now().Before(end) && !t.Failed(); i++ {
				send(t, p, r)
				sent.Add(1)
				if i%20 == 0 {
					p.answers(t)
					good.Add(1)
				}
			}
		})
	}
	time.Sleep(*soak / 4)
	early := p.heap(t)
	clients.Wait()
	p.answers(t)
	late := p.heap(t)
	if late > early+8<<20 {
		t.Errorf("the heap grew from %.0f to %.0f octets", early, late)
	}
	p.wantNoMore(t, routines, descriptors)
	if log := stop(); log != "" {
		t.Errorf("strangers can write errors:\n%.2000s", log)
	}
	t.Logf("%d pieces of noise; %d times all was asked, and answered; heap %.0f kB at a quarter, %.0f kB at the end", sent.Load(), good.Load(), early/1024, late/1024)
}

// heap is what a process holds after garbage was collected, in octets.
func (p *process) heap(t *testing.T) (octets float64) {
	t.Helper()
	get(t, "http://"+p.admin+"/debug/pprof/heap?gc=1")
	line := p.metric(t, "go_memstats_heap_alloc_bytes ")
	if _, err := fmt.Sscanf(line, "go_memstats_heap_alloc_bytes %g", &octets); err != nil {
		t.Fatal(line, err)
	}
	return octets
}

// spoil changes, cuts or lengthens something, or leaves it.
func spoil(r *rand.Rand, text []byte) []byte {
	text = bytes.Clone(text)
	switch r.IntN(5) {
	case 0:
		return text[:r.IntN(len(text)+1)]
	case 1:
		for range 1 + r.IntN(4) {
			text[r.IntN(len(text))] = byte(r.Uint32())
		}
	case 2:
		at := r.IntN(len(text))
		return append(text[:at:at], append(noise(r, r.IntN(2000)), text[at:]...)...)
	case 3:
		return noise(r, r.IntN(5000))
	}
	return text
}

func noise(r *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

var soakRequests = append(secretRequests(), "GET /v1.1/example.com HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")

func spoiltRequest(r *rand.Rand) string {
	return string(spoil(r, []byte(soakRequests[r.IntN(len(soakRequests))])))
}

// spoiltHello is what a client of TLS says first, or nearly.
func spoiltHello(r *rand.Rand) string {
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	go dialHello(theirs)
	hello := make([]byte, 16<<10)
	n, _ := ours.Read(hello)
	return string(spoil(r, hello[:n]))
}

// spoilTLS sends a spoilt request by good TLS.
func spoilTLS(t *testing.T, p *process, r *rand.Rand) {
	conn := dialTLS(t, p.https, "http/1.1")
	defer conn.Close()
	io.WriteString(conn, spoiltRequest(r))
	conn.CloseWrite()
	io.Copy(io.Discard, conn)
}

// spoilStreams sends frames of HTTP/2 of which some are right.
func spoilStreams(t *testing.T, p *process, r *rand.Rand) {
	f := dialFrames(t, p.https)
	defer f.conn.Close()
	for i := range uint32(20) {
		stream := 2*i + 1
		var err error
		switch r.IntN(4) {
		case 0:
			err = f.headers(stream, "/v1.1/example.com")
		case 1:
			err = f.WriteRawFrame(http2.FrameType(r.IntN(12)), http2.Flags(r.Uint32()), r.Uint32N(8), noise(r, r.IntN(100)))
		case 2:
			err = f.headers(stream, string(noise(r, r.IntN(100))), strings.ToLower(fmt.Sprintf("%x", noise(r, 3))), string(noise(r, 50)))
		case 3:
			err = f.WriteRSTStream(r.Uint32N(stream+1), http2.ErrCode(r.Uint32()))
		}
		if err != nil {
			return
		}
	}
	f.conn.CloseWrite()
	f.ended(5 * time.Second)
}

// spoilDNS sends spoilt questions over UDP and TCP.
func spoilDNS(t *testing.T, p *process, r *rand.Rand) {
	packet, err := new(dns.Msg).SetQuestion("_imaps._tcp.example.com.", dns.TypeSRV).Pack()
	if err != nil {
		t.Fatal(err)
	}
	spoilt := spoil(r, packet)
	if udp, err := net.Dial("udp", p.dns); err == nil {
		udp.Write(spoilt)
		udp.Close()
	}
	say(t, p.dns, "", string([]byte{byte(len(spoilt) >> 8), byte(len(spoilt))})+string(spoilt))
}
