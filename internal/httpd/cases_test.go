package httpd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// TestCases plays the pages under testdata/cases: each holds provider files
// (none: the shipped catalogue), and requests with their responses as wire text.
// Responses have the headers that stand in shown; headers.txtar has all of them, and nothing
// that depends on a body.
func TestCases(t *testing.T) {
	fixture.Pages(t, "../../testdata/cases/*.txtar", func(t *testing.T, p *fixture.Page) {
		t.Parallel()
		c := fixture.Shipped(t)
		if slices.ContainsFunc(p.Files, func(f txtar.File) bool { return filepath.Ext(f.Name) == ".toml" }) {
			c = fixture.Catalogue(t, p.List()...)
		}
		addr := startOptions(t, httpd.Options{Current: current(t, c, ""), Proxies: httpd.Proxies{Trusted: httpd.Loopback()}}, io.Discard)
		for i := 0; i < len(p.Files); i++ { // the list grows
			name, ok := strings.CutSuffix(p.Files[i].Name, ".request")
			if !ok {
				continue
			}
			if i+1 == len(p.Files) || p.Files[i+1].Name != name+".response" {
				p.Files = slices.Insert(p.Files, i+1, txtar.File{Name: name + ".response"})
			}
			request := string(p.Files[i].Data)
			if strings.HasSuffix(t.Name(), "/headers") {
				resp, _ := ask(t, addr, strings.ReplaceAll(request, "STYLE", stylePath(t, addr)))
				p.Expect(t, name+".response", ofBody.ReplaceAllString(head(resp, nil), "$1…"))
			} else {
				p.Expect(t, name+".response", exchange(t, addr, request))
			}
		}
	})
}

// shown are the headers that pages are about. A header that every response gets is
// reviewed in headers.txtar, and rewrites no other page.
var shown = []string{"Access-Control-Allow-Origin", "Allow", "Cache-Control", "Content-Disposition", "Content-Length",
	"Content-Security-Policy", "Content-Type", "Cross-Origin-Opener-Policy", "Etag", "Location", "Referrer-Policy", "Vary",
	"X-Content-Type-Options", "X-Robots-Tag"}

// ofBody are the values that change with every word of a body.
var ofBody = regexp.MustCompile(`(?m)^(Content-Length: |Etag: ).*$`)

// stylePath is the path of the style sheet, which changes with its content.
func stylePath(t *testing.T, addr string) string {
	_, home := ask(t, addr, "GET / HTTP/1.1\nHost: x\n\n")
	_, after, _ := strings.Cut(home, `<link rel="stylesheet" href="`)
	path, _, _ := strings.Cut(after, `"`)
	return path
}

// start serves a catalogue on a free port until the test ends.
func start(t testing.TB, c *catalogue.Catalogue, logTo io.Writer) (addr string) {
	t.Helper()
	return startOptions(t, httpd.Options{Current: current(t, c, "")}, logTo)
}

func startOptions(t testing.TB, o httpd.Options, logTo io.Writer) (addr string) {
	t.Helper()
	o.Requests, o.Log = logTo, slog.New(slog.NewTextHandler(logTo, nil))
	return startHandler(t, httpd.Handler(o), o.Log)
}

// current makes a snapshot that stays.
func current(t testing.TB, c *catalogue.Catalogue, publicURL string) func() *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.New(c, pages.Branding{}, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	return func() *snapshot.Snapshot { return s }
}

// serve answers on one listener, without TLS.
func serve(ctx context.Context, l net.Listener, h http.Handler, proxies httpd.Proxies, log *slog.Logger, drain time.Duration) error {
	return httpd.Serve(ctx, httpd.Service{
		Listeners: []httpd.Listener{{Listener: l, Handler: h}}, Limit: httpd.NewLimit(8192, 256, proxies, log), Proxies: proxies, Log: log, Drain: drain})
}

func startHandler(t testing.TB, h http.Handler, log *slog.Logger) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener, h, httpd.Proxies{}, log, 5*time.Second) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// clock is what differs from one error document to the next.
var clock = regexp.MustCompile(`Time="\d\d:\d\d:\d\d\.\d{7}"`)

// exchange sends wire text and returns the response as wire text, without the clock.
func exchange(t testing.TB, addr, request string) string {
	t.Helper()
	resp, body := ask(t, addr, request)
	body = clock.ReplaceAllString(body, `Time="HH:MM:SS.fraction"`)
	if !strings.HasSuffix(body, "\n") {
		body += "\n"
	}
	return head(resp, shown) + "\n" + body
}

// head is status and headers as wire text, sorted: those that are named, or all but
// the date.
func head(resp *http.Response, names []string) string {
	if names == nil {
		resp.Header.Del("Date")
		names = slices.Sorted(maps.Keys(resp.Header))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %s\n", resp.Status)
	for _, name := range names {
		if values := resp.Header[name]; len(values) > 0 {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	return b.String()
}

// ask sends wire text, with the length of its body added.
func ask(t testing.TB, addr, request string) (*http.Response, string) {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute)) // a broken server ends the test, not CI
	if body != "" && !strings.Contains(head, "Content-Length:") {
		head += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	wire := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	if _, err := io.WriteString(conn, wire); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}
