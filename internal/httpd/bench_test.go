package httpd_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/httpd"
)

// BenchmarkGET asks for a document that is the same for everybody in its
// domain, and for one that must be rendered for the address.
func BenchmarkGET(b *testing.B) {
	b.Run("same-for-all", func(b *testing.B) { benchmarkGET(b, "orange.fr") })
	b.Run("rendered", func(b *testing.B) { benchmarkGET(b, "laposte.net") })
}

// benchmarkGET sends GETs over connections that stay open, in turn to the whole
// stack and to a bare Echo handler that writes the same headers and bytes, and
// reports how many of the bare handler's requests a second the stack reaches.
func benchmarkGET(b *testing.B, domain string) {
	request := "GET /mail/config-v1.1.xml?emailaddress=fred%40" + domain + " HTTP/1.1\r\nHost: autoconfig." + domain + "\r\n\r\n"
	c, err := catalogue.Load(catalogue.Source{FS: data.Providers()})
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	addr := startHandler(b, httpd.Handler(httpd.Options{Catalogue: func() *catalogue.Catalogue { return c }, Log: log}), log)

	stack := dial(b, addr, request)
	header, body := stack.get(b)
	header.Del("Date")

	e := echo.New()
	e.GET("/mail/config-v1.1.xml", func(c echo.Context) error {
		for name, values := range header {
			c.Response().Header()[name] = values
		}
		return c.Blob(http.StatusOK, header.Get("Content-Type"), body)
	})
	bare := dial(b, startHandler(b, e, log), request)
	bareHeader, bareBody := bare.get(b)
	bareHeader.Del("Date")
	if diff := cmp.Diff(header, bareHeader) + cmp.Diff(string(body), string(bareBody)); diff != "" {
		b.Fatal("the bare handler answers something else: ", diff)
	}

	// In turn, so that whatever else the machine does falls on both.
	const batch = 50
	var stackTime, bareTime time.Duration
	for b.Loop() {
		stackTime += stack.time(b, batch)
		bareTime += bare.time(b, batch)
	}
	requests := float64(b.N * batch)
	b.ReportMetric(stackTime.Seconds()*1e9/requests, "ns/GET")
	b.ReportMetric(bareTime.Seconds()*1e9/requests, "ns/bare-GET")
	b.ReportMetric(bareTime.Seconds()/stackTime.Seconds(), "of-bare-Echo")
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

func (c client) get(b *testing.B) (http.Header, []byte) {
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
	return resp.Header, body
}

func (c client) time(b *testing.B, n int) time.Duration {
	start := time.Now()
	for range n {
		c.get(b)
	}
	return time.Since(start)
}
