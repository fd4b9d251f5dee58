//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"milepost/internal/fixture"
)

// answers makes sure that a process still answers, every way.
func (p *process) answers(t *testing.T) {
	t.Helper()
	all := p.askers()
	all["DNS"] = resolver{p.dns}
	for name, a := range all {
		if status, body, err := a.get("/v1.1/example.com"); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %.100s %v", name, status, body, err)
		}
		a.close()
	}
	if status, body := get(t, "http://"+p.admin+"/healthz"); status != http.StatusOK {
		t.Error(status, body)
	}
}

var goroutines = regexp.MustCompile(`goroutine profile: total (\d+)`)

// holds counts the goroutines and the descriptors of a process. What the question itself
// takes is in it.
func (p *process) holds(t *testing.T) (routines, descriptors int) {
	t.Helper()
	_, body := get(t, "http://"+p.admin+"/debug/pprof/goroutine?debug=1")
	if found := goroutines.FindStringSubmatch(body); found != nil {
		fmt.Sscan(found[1], &routines)
	}
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
	if err != nil || routines == 0 {
		t.Fatal(routines, err)
	}
	return routines, len(all)
}

// wantNoMore waits until a process holds no more than before. A connection of the test's
// own may be in each count.
func (p *process) wantNoMore(t *testing.T, routines, descriptors int) {
	t.Helper()
	fixture.Await(t, fmt.Sprintf("it had %d goroutines and %d descriptors, and has more since", routines, descriptors), func() bool {
		http.DefaultClient.CloseIdleConnections()
		r, d := p.holds(t)
		return r <= routines+4 && d <= descriptors+2
	})
}

// watched collects the log, and wants no panic and a good end at the end.
func (p *process) watched(t *testing.T) (stop func() (log string)) {
	t.Helper()
	all := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(p.stderr)
		all <- string(text)
	}()
	return func() string {
		t.Helper()
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		log := <-all
		if err := p.Wait(); err != nil || strings.Contains(log, "panic") || strings.Contains(log, "level=ERROR") {
			t.Errorf("%v\n%.4000s", err, log)
		}
		return log
	}
}

// Whatever a client of HTTP/2 does wrong, it ends or holds its own connection alone, and
// leaves nothing behind.
func TestHostileStreams(t *testing.T) {
	p := serving(t, site(t, everything+"[log]\nlevel = \"warn\"\n"))
	stop := p.watched(t)
	p.answers(t)
	routines, descriptors := p.holds(t)

	const many = 5000
	var open sync.WaitGroup
	for _, attack := range []struct {
		name  string
		send  func(f *framed) error // until it has sent enough, or can send no more
		ended bool                  // the server ends the connection, however fast anybody is
	}{
		{"streams that are reset at once", func(f *framed) error { // CVE-2023-44487
			for i := range uint32(many) {
				if err := f.headers(2*i+1, "/v1.1/example.com"); err != nil {
					return err
				}
				if err := f.WriteRSTStream(2*i+1, http2.ErrCodeCancel); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"200 streams at a time", func(f *framed) error {
			for i := range uint32(200) {
				if err := f.headers(2*i+1, "/v1.1/example.com"); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"a header of a megabyte", func(f *framed) error {
			block := f.fragment(":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/", "x", strings.Repeat("~", 1<<20))
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:16000], EndStream: true}); err != nil {
				return err
			}
			for rest := block[16000:]; len(rest) > 0; {
				n := min(len(rest), 16000)
				if err := f.WriteContinuation(1, n == len(rest), rest[:n]); err != nil {
					return err
				}
				rest = rest[n:]
			}
			return nil
		}, true},
		{"a header without end", func(f *framed) error { // CVE-2023-45288
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fragment(":method", "GET"), EndStream: true}); err != nil {
				return err
			}
			for range many {
				if err := f.WriteContinuation(1, false, f.fragment("x", strings.Repeat("~", 1000))); err != nil {
					return err
				}
			}
			return nil
		}, true},
		{"empty parts of a header without end", func(f *framed) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.fragment(":method", "GET"), EndStream: true}); err != nil {
				return err
			}
			for range many {
				if err := f.WriteContinuation(1, false, nil); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"settings, and no answer is read", func(f *framed) error { // CVE-2019-9515
			for range 20 * many {
				if err := f.WriteSettings(); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"pings, and no answer is read", func(f *framed) error { // CVE-2019-9512
			for range 20 * many {
				if err := f.WritePing(false, [8]byte{}); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"no window for answers", func(f *framed) error { // CVE-2019-9517
			for i := range uint32(100) {
				if err := f.headers(2*i+1, "/v1.1/example.com"); err != nil {
					return err
				}
			}
			return nil
		}, false},
		{"a window that overflows", func(f *framed) error { return f.WriteWindowUpdate(0, 1<<31-1) }, true},
		{"a window that opens by nothing", func(f *framed) error { return f.WriteWindowUpdate(0, 0) }, true},
		{"a stream with an even number", func(f *framed) error { return f.headers(2, "/") }, true},
		{"no stream", func(f *framed) error { return f.headers(0, "/") }, true},
		{"data without a stream", func(f *framed) error { return f.WriteData(7, true, []byte("x")) }, true},
		{"a frame that is too long", func(f *framed) error { return f.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 1<<20)) }, true},
		{"a header that cannot be decoded", func(f *framed) error {
			return f.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, bytes.Repeat([]byte{0xff}, 100))
		}, true},
		{"a stream that depends on itself", func(f *framed) error { return f.WritePriority(1, http2.PriorityParam{StreamDep: 1}) }, false},
		{"a push to the server", func(f *framed) error { return f.WriteRawFrame(http2.FramePushPromise, 4, 1, make([]byte, 8)) }, true},
		{"nothing", func(*framed) error { return nil }, false},
	} {
		open.Go(func() {
			var settings []http2.Setting
			if attack.name == "no window for answers" {
				settings = []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}
			}
			f := dialFrames(t, p.https, settings...)
			defer f.conn.Close()
			f.conn.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a server that takes no more has not ended it
			err := attack.send(f)
			quiet := 300 * time.Millisecond
			if attack.ended {
				quiet = 20 * time.Second
			}
			if !f.ended(quiet) && attack.ended {
				t.Errorf("%s: the connection has not ended; sending: %v", attack.name, err)
			}
		})
	}
	open.Wait()
	p.answers(t)
	p.wantNoMore(t, routines, descriptors)
	if log := stop(); log != "" {
		t.Errorf("strangers can write warnings:\n%.2000s", log)
	}
}

// Over HTTP and HTTPS, a request leads to the same place whatever form it has, and none
// leads a client to a host that a request names.
func TestForms(t *testing.T) {
	p := serving(t, site(t, everything))
	stop := p.watched(t)
	const path = "/mail/config-v1.1.xml"
	for _, tc := range []struct {
		name, target, host string
		status             int
	}{
		{"as usual", path, "autoconfig.example.com", 200},
		{"a URL, whose host counts (RFC 9112 §3.2.2)", "http://autoconfig.example.com" + path, "evil.example", 200},
		{"a URL of somebody else", "https://evil.example" + path, "autoconfig.example.com", 404},
		{"a URL with a name of a person", "https://fred@autoconfig.example.com" + path, "autoconfig.example.com", 200},
		{"a URL without a slash", "http:.evil.example" + path, "autoconfig.example.com", 404},
		{"a port", path, "autoconfig.example.com:8443", 200},
		{"capitals", path, "AUTOCONFIG.EXAMPLE.COM", 200},
		{"a trailing dot", path, "autoconfig.example.com.", 200},
		{"a trailing dot and a port", path, "autoconfig.example.com.:443", 200},
		{"an address", path, "127.0.0.1", 404},
		{"an address of IPv6", path, "[::1]:443", 404},
		{"two hosts", path, "autoconfig.example.com\r\nHost: autoconfig.example.com", 400},
		{"no host", path, "", 404},
		{"a space", path, "autoconfig.example.com x", 400},
		{"a slash", path, "autoconfig.example.com/x", 400},
		{"a person", path, "fred@autoconfig.example.com", 400},
		{"a page", "/help", "evil.example", 0},
		{"a page with slashes", "//evil.example/help", "evil.example", 0},
		{"a page with backslashes", `/\evil.example/help`, "evil.example", 0},
		{"a page by a URL", "http://evil.example/help", "evil.example", 0},
		{"a page on the way up", "/..//evil.example", "evil.example", 0},
		{"a profile", "/mobileconfig?emailaddress=fred@example.com", "evil.example", 0},
		{"Autodiscover", "/autodiscover/autodiscover.json?Email=fred@example.com&Protocol=AutodiscoverV1", "autodiscover.example.com", 0},
		{"a well-known address", "/.well-known/caldav", "evil.example", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range []*client{{addr: p.addr}, {addr: p.https, tls: true}} {
				if err := c.dial(); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example;proto=http\r\nX-Forwarded-Proto: http\r\n\r\n", tc.target, tc.host)
				resp, err := http.ReadResponse(c.r, nil)
				if err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(resp.Body)
				c.close()
				if tc.status != 0 && resp.StatusCode != tc.status || resp.StatusCode == 200 && tc.status == 200 && !bytes.Contains(body, []byte("<domain>example.com</domain>")) {
					t.Errorf("TLS %v: %s, want %d\n%.200s", c.tls, resp.Status, tc.status, body)
				}
				if to := resp.Header.Get("Location"); to != "" && !strings.HasPrefix(to, "https://mail.example.net/") {
					t.Errorf("TLS %v: a redirect to %s", c.tls, to)
				}
				if resp.Header.Get("Strict-Transport-Security") != "" {
					t.Errorf("TLS %v: %s says that it has HTTPS only", c.tls, tc.host)
				}
			}
		})
	}
	stop()
}

// A PROXY header that is none, or comes from somebody else, ends in no request.
func TestHostileProxies(t *testing.T) {
	p := serving(t, site(t, everything))
	stop := p.watched(t)
	routines, descriptors := p.holds(t)
	const request = "GET /v1.1/example.com HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	v2 := func(command, family byte, length int, body string) string {
		return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family}) + string(binary.BigEndian.AppendUint16(nil, uint16(length))) + body
	}
	const addresses = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\x00\x01\xbb"
	for _, tc := range []struct {
		name, from, header string
		status             string // of the answer to the request behind it; empty: there is none
	}{
		{"a header", proxyAddress, "PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n", "200"},
		{"none", proxyAddress, "", ""},
		{"two", proxyAddress, strings.Repeat("PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n", 2), "400"},
		{"from a stranger", "127.0.0.1", "PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n", "400"},
		{"cut", proxyAddress, "PROXY TCP4 192.0.2.1", ""},
		{"too long", proxyAddress, "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", ""},
		{"without end", proxyAddress, "PROXY " + strings.Repeat("x", 100_000), ""},
		{"a port that is none", proxyAddress, "PROXY TCP4 192.0.2.1 192.0.2.2 99999 443\r\n", ""},
		{"an address of the other family", proxyAddress, "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", ""},
		{"version 2", proxyAddress, v2(1, 0x11, 12, addresses), "200"},
		{"version 2, by the proxy itself", proxyAddress, v2(0, 0, 0, ""), "200"},
		{"version 2, shorter than its addresses", proxyAddress, v2(1, 0x11, 4, "\xc0\x00\x02\x01"), ""},
		{"version 2, longer than what comes", proxyAddress, v2(1, 0x11, 65535, addresses), ""},
		{"version 2, an extension that is cut", proxyAddress, v2(1, 0x11, 14, addresses+"\x20\xff"), ""},
		{"version 2, no command", proxyAddress, v2(9, 0x11, 12, addresses), ""},
		{"version 2 from a stranger", "127.0.0.1", v2(1, 0x11, 12, addresses), "400"},
	} {
		got := say(t, p.addr, tc.from, tc.header+request)
		if tc.status == "" && got != "" || !strings.HasPrefix(got, strings.TrimSpace("HTTP/1.1 "+tc.status)) && tc.status != "" {
			t.Errorf("%s: %.100q", tc.name, got)
		}
	}
	p.answers(t)
	p.wantNoMore(t, routines, descriptors)
	stop()
}
