package httpd_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/snapshot"
	"milepost/pacc"
)

// family has a document that depends on the address.
var family = strings.Replace(fixture.Family, "[[outgoing]]", "username = \"%EMAILLOCALPART%\"\n[[outgoing]]", 1)

func familyCatalogue(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	return fixture.Catalogue(t, "example.com.toml", family)
}

// logBuffer is written by the server and read by the test.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Nothing of a local part reaches the log, wherever a client puts the address.
func TestLogHoldsNoLocalPart(t *testing.T) {
	var log logBuffer
	addr := start(t, familyCatalogue(t), &log)
	targets := []string{
		"/mail/config-v1.1.xml?emailaddress=secretname@example.com",
		"/mail/config-v1.1.xml?emailaddress=secretname%40example.com;x",
		"/mail/config-v1.1.xml?emailaddress=%22secretname%0d%40example.com",
		"/v1.1/secretname@example.com",
		"/autoconfig/v1.1/secretname%40example.com",
		"/autodiscover/autodiscover.json?Email=secretname@example.com&Protocol=secretname",
		"/Autodiscover/autodiscover.json/v1.0/secretname@example.com?Protocol=Ews",
		"/autodiscover/autodiscover.json/v2.0/secretname@example.com",
		"/unknown/secretname@example.com?q=secretname",
		"//secretname@example.com/",
		"http://secretname@autoconfig.example.com/mail/config-v1.1.xml",
	}
	for _, target := range targets {
		exchange(t, addr, "GET "+target+" HTTP/1.1\nHost: autoconfig.example.com\nReferer: http://x/secretname\nUser-Agent: secretname\n\n")
		exchange(t, addr, "POST /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\nAuthorization: Basic secretname\n\n<Autodiscover><Request><EMailAddress>secretname@example.com</EMailAddress></Request></Autodiscover>")
		exchange(t, addr, "SECRETNAME "+target+" HTTP/1.1\nHost: autoconfig.example.com\n\n")
	}
	if n := strings.Count(log.String(), "msg=http "); n != 3*len(targets) {
		t.Errorf("%d lines for %d requests:\n%s", n, 3*len(targets), log.String())
	}
	if strings.Contains(strings.ToLower(log.String()), "secretname") {
		t.Errorf("the log names a person:\n%s", log.String())
	}
	if !strings.Contains(log.String(), "domain=example.com status=200") {
		t.Errorf("the log lacks the domain:\n%s", log.String())
	}
}

// Requests that are too large get an answer, and the server stays up.
func TestSizes(t *testing.T) {
	addr := start(t, familyCatalogue(t), io.Discard)
	long := strings.Repeat("a", 10_000)
	for _, tc := range []struct{ name, request, status string }{
		{"10 kB address, Host known", "GET /mail/config-v1.1.xml?emailaddress=" + long + "@example.com HTTP/1.1\nHost: autoconfig.example.com", "200 OK"},
		{"10 kB domain, Host known", "GET /mail/config-v1.1.xml?emailaddress=fred@" + long + " HTTP/1.1\nHost: autoconfig.example.com", "200 OK"},
		{"10 kB domain, Host unknown", "GET /mail/config-v1.1.xml?emailaddress=fred@" + long + " HTTP/1.1\nHost: 127.0.0.1", "404 Not Found"},
		{"10 kB in the path", "GET /v1.1/" + long + " HTTP/1.1\nHost: 127.0.0.1", "404 Not Found"},
		{"300 bytes of Host", "GET /mail/config-v1.1.xml HTTP/1.1\nHost: autoconfig." + strings.Repeat("a.", 150) + "com", "404 Not Found"},
		{"40 kB of header", "GET /mail/config-v1.1.xml HTTP/1.1\nHost: autoconfig.example.com\nX: " + strings.Repeat(long, 4), "431 Request Header Fields Too Large"},
		{"a body", "POST /mail/config-v1.1.xml HTTP/1.1\nHost: autoconfig.example.com\nContent-Length: 5\n\nhello", "405 Method Not Allowed"},
		{"65 KiB for Autodiscover", "POST /autodiscover/autodiscover.xml HTTP/1.1\nHost: x\nContent-Length: 66560\n\n" + strings.Repeat("a", 65<<10), "413 Request Entity Too Large"},
		{"no HTTP", "hello", "400 Bad Request"},
		{"after all that", "GET /mail/config-v1.1.xml HTTP/1.1\nHost: autoconfig.example.com", "200 OK"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(tc.request, "\n\n") {
				tc.request += "\n\n"
			}
			got, _, _ := strings.Cut(exchange(t, addr, tc.request), "\n")
			if got != "HTTP/1.1 "+tc.status {
				t.Errorf("%s, want %s", got, tc.status)
			}
		})
	}
}

// A mistake of ours is a 500 in plain text, and ends no other request.
func TestPanic(t *testing.T) {
	var log logBuffer
	addr := startOptions(t, httpd.Options{Current: broken(t)}, &log)
	resp, got := ask(t, addr, "GET /v1.1/example.com HTTP/1.1\nHost: x\n\n")
	if resp.StatusCode != 500 || !strings.HasPrefix(got, "500 internal server error: the server made a mistake; its log says more under id=") {
		t.Error(got)
	}
	// The log has it under the same id, in the line of the mistake and in that of the request.
	_, id, _ := strings.Cut(strings.TrimSuffix(got, "\n"), " under id=")
	if strings.Count(log.String(), " id="+id) != 2 || len(id) != 8 || resp.Header.Get("X-Request-Id") != id {
		t.Errorf("id %q: %s\n%s", id, got, log.String())
	}
	if !strings.Contains(log.String(), "level=ERROR msg=panic id="+id+" route=/v1.1/:domain") || strings.Contains(log.String(), "fred") {
		t.Error(log.String())
	}
}

// broken has no catalogue, so that every look-up panics.
func broken(t *testing.T) func() *snapshot.Snapshot {
	s := *current(t, familyCatalogue(t), "")()
	s.Catalogue = nil
	return func() *snapshot.Snapshot { return &s }
}

// Serve returns once its context ends, and lets the request under way finish.
func TestServeStops(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	entered := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-ctx.Done()
		io.WriteString(w, "done")
	})
	stopped := make(chan error, 1)
	go func() {
		stopped <- serve(ctx, listener, h, httpd.Proxies{}, slog.New(slog.DiscardHandler), 5*time.Second)
	}()
	go func() { <-entered; cancel() }()
	if got := exchange(t, listener.Addr().String(), "GET / HTTP/1.1\nHost: x\n\n"); !strings.HasSuffix(got, "\ndone\n") {
		t.Error(got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A new snapshot is used from the next request on.
func TestSnapshotIsSwapped(t *testing.T) {
	other := fixture.Catalogue(t, "a.toml", strings.Replace(family, "example.com", "example.org", 1))
	var now atomic.Pointer[snapshot.Snapshot]
	now.Store(current(t, other, "")())
	addr := startOptions(t, httpd.Options{Current: now.Load}, io.Discard)
	const request = "GET /v1.1/example.com HTTP/1.1\nHost: x\n\n"
	if got := exchange(t, addr, request); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Error(got)
	}
	now.Store(current(t, familyCatalogue(t), "")())
	if got := exchange(t, addr, request); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Error(got)
	}
}

// With a public address, Autodiscover by plain HTTP is sent there; behind a
// proxy that speaks HTTPS it is answered. What the request says is in no URL.
func TestPublicURL(t *testing.T) {
	proxies := httpd.Proxies{Trusted: httpd.Loopback()}
	addr := startOptions(t, httpd.Options{Current: current(t, familyCatalogue(t), "https://mail.example.net"), Proxies: proxies}, io.Discard)
	const location = "\nLocation: https://mail.example.net/autodiscover/autodiscover.xml\n"
	for _, tc := range []struct{ name, request, status, contains string }{
		{"plain HTTP", "GET /Autodiscover/Autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\n\n", "302 Found", location},
		{"HEAD", "HEAD /autodiscover/autodiscover.xml HTTP/1.1\nHost: AUTODISCOVER.example.com\n\n", "302 Found", location},
		{"unknown domain", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.org\n\n", "302 Found", location},
		{"behind a proxy", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\nX-Forwarded-Proto: https\n\n", "200 OK", "<Action>settings</Action>"},
		{"behind two proxies", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\nX-Forwarded-For: 203.0.113.9, 127.0.0.2\nX-Forwarded-Proto: https, http\n\n", "200 OK", "<Action>settings</Action>"},
		{"the proxy got it plain", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\nX-Forwarded-Proto: https, http\n\n", "302 Found", location},
		{"Forwarded", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: autodiscover.example.com\nForwarded: for=203.0.113.9;proto=https\n\n", "200 OK", "<Action>settings</Action>"},
		{"another host", "GET /autodiscover/autodiscover.xml HTTP/1.1\nHost: example.com\n\n", "200 OK", "<Action>settings</Action>"},
		{"JSON", "GET /autodiscover/autodiscover.json?Email=fred@example.com&Protocol=AutodiscoverV1 HTTP/1.1\nHost: evil.example\n\n", "200 OK", `"Url":"https://mail.example.net/autodiscover/autodiscover.xml"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := exchange(t, addr, tc.request)
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+"\n") || !strings.Contains(got, tc.contains) {
				t.Error(got)
			}
		})
	}
}

// A digest stays in DNS as long as caches may keep its document.
func TestDigestOutlivesDocument(t *testing.T) {
	addr := startOptions(t, httpd.Options{Current: current(t, fixture.Catalogue(t, "example.com.toml", fixture.Family), ""), Proxies: httpd.Proxies{Trusted: httpd.Loopback()}}, io.Discard)
	resp, _ := ask(t, addr, "GET "+pacc.Path+" HTTP/1.1\nHost: ua-auto-config.example.com\nX-Forwarded-Proto: https\n\n")
	if got, want := resp.Header.Get("Cache-Control"), fmt.Sprintf("public, max-age=%d", pacc.MaxAge); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
