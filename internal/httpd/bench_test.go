package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/metrics"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
)

// get is a GET as Thunderbird sends it.
func get(domain string) string {
	return "GET /mail/config-v1.1.xml?emailaddress=fred%40" + domain + " HTTP/1.1\r\nHost: autoconfig." + domain + "\r\n\r\n"
}

// post is a POST as Outlook sends it.
func post(domain string) string {
	const body = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">` +
		`<Request><EMailAddress>fred@orange.fr</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`
	return fmt.Sprintf("POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: autodiscover.%s\r\nContent-Length: %d\r\n\r\n%s", domain, len(body), body)
}

// BenchmarkGET asks for a document that is the same for everybody in its
// domain, and for one that must be rendered for the address, each beside a bare
// Echo handler that writes the same headers and bytes.
func BenchmarkGET(b *testing.B) {
	addr := startShipped(b)
	for _, bm := range []struct{ name, domain string }{{"same-for-all", "orange.fr"}, {"rendered", "laposte.net"}} {
		b.Run(bm.name, func(b *testing.B) {
			stack := dial(b, addr, get(bm.domain))
			header, body := stack.exchange(b)
			e := echo.New()
			e.GET("/mail/config-v1.1.xml", func(c echo.Context) error {
				for name, values := range header {
					c.Response().Header()[name] = values
				}
				return c.Blob(http.StatusOK, header.Get("Content-Type"), body)
			})
			bare := dial(b, startHandler(b, e, slog.New(slog.DiscardHandler)), get(bm.domain))
			bareHeader, bareBody := bare.exchange(b)
			if diff := cmp.Diff(header, bareHeader) + cmp.Diff(string(body), string(bareBody)); diff != "" {
				b.Fatal("the bare handler answers something else: ", diff)
			}
			compare(b, stack, "ns/GET", bare, "ns/bare-GET", "of-bare-Echo")
		})
	}
}

// BenchmarkPOST sends Autodiscover requests, beside an autoconfig GET for the
// same address.
func BenchmarkPOST(b *testing.B) {
	addr := startShipped(b)
	compare(b, dial(b, addr, post("orange.fr")), "ns/POST", dial(b, addr, get("orange.fr")), "ns/GET", "of-autoconfig-GET")
}

func startShipped(b *testing.B) (addr string) {
	return start(b, fixture.Shipped(b), io.Discard)
}

// compare sends small batches in turn, so that whatever else the machine does
// falls on both, and reports how many of the second client's requests a second
// the first reaches.
func compare(b *testing.B, one client, oneUnit string, two client, twoUnit, ratioUnit string) {
	const batch = 50
	var oneTime, twoTime time.Duration
	for b.Loop() {
		oneTime += one.time(b, batch)
		twoTime += two.time(b, batch)
	}
	requests := float64(b.N * batch)
	b.ReportMetric(oneTime.Seconds()*1e9/requests, oneUnit)
	b.ReportMetric(twoTime.Seconds()*1e9/requests, twoUnit)
	b.ReportMetric(twoTime.Seconds()/oneTime.Seconds(), ratioUnit)
}

type client struct {
	conn    net.Conn
	r       *bufio.Reader
	request string
}

func dial(b *testing.B, addr, request string) client {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return client{conn, bufio.NewReader(conn), request}
}

// exchange sends the request and returns the answer without its date.
func (c client) exchange(b *testing.B) (http.Header, []byte) {
	if _, err := io.WriteString(c.conn, c.request); err != nil {
		b.Fatal(err)
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(fmt.Sprint(resp.Status, err))
	}
	resp.Header.Del("Date")
	return resp.Header, body
}

func (c client) time(b *testing.B, n int) time.Duration {
	start := time.Now()
	for range n {
		c.exchange(b)
	}
	return time.Since(start)
}

// BenchmarkSeen asks a handler that counts and logs for a document, and one that does
// neither, in turn: what it costs to be seen. Of each the fastest batch counts, which
// nobody else on the machine has disturbed.
func BenchmarkSeen(b *testing.B) {
	plain := httpd.Options{Current: current(b, fixture.Shipped(b), ""), Log: slog.New(slog.DiscardHandler)}
	logging, counting := plain, plain
	logging.Requests = io.Discard
	counting.Metrics = metrics.New(metrics.Sources{})
	r := httptest.NewRequest(http.MethodGet, "/mail/config-v1.1.xml?emailaddress=fred%40orange.fr", nil)
	r.Header.Set("User-Agent", thunderbird)
	handlers := []struct {
		unit string
		http.Handler
	}{{"ns/plain", httpd.Handler(plain)}, {"ns/logged", httpd.Handler(logging)}, {"ns/counted", httpd.Handler(counting)}}
	const batch = 200
	took := make([]time.Duration, len(handlers))
	for b.Loop() {
		for i, h := range handlers {
			start := time.Now()
			for range batch {
				h.ServeHTTP(unread{make(http.Header, 8)}, r)
			}
			if t := time.Since(start); took[i] == 0 || t < took[i] {
				took[i] = t
			}
		}
	}
	for i, h := range handlers {
		b.ReportMetric(float64(took[i].Nanoseconds())/batch, h.unit)
	}
}

// unread takes an answer that nobody reads.
type unread struct{ header http.Header }

func (u unread) Header() http.Header       { return u.header }
func (unread) Write(p []byte) (int, error) { return len(p), nil }
func (unread) WriteHeader(int)             {}
