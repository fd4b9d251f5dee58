package directory_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/lookup"
)

// mailboxes is how many different addresses are asked about.
const mailboxes = 100_000

// BenchmarkLogins asks for autoconfig documents of 100,000 addresses over 64 connections,
// with look-ups and without, in turn. wrk and the database run on the same processors.
func BenchmarkLogins(b *testing.B) {
	wrk := fixture.Tool(b, "wrk", "wrk")
	script := fixture.Write(b, filepath.Join(b.TempDir(), "random.lua"), fmt.Sprintf(`
math.randomseed(os.time())
request = function()
  return wrk.format("GET", "/mail/config-v1.1.xml?emailaddress=user" .. math.random(0, %d) .. "@example.com")
end
`, mailboxes-1))
	var table [][3]string
	for i := range mailboxes {
		table = append(table, [3]string{fmt.Sprintf("user%d@example.com", i), fmt.Sprintf("web%dp1", i), "Somebody"})
	}
	without := serve(b, nil)
	for _, e := range engines {
		b.Run(string(e.kind), func(b *testing.B) {
			d := e.byAddress(e.users(b, table...))
			d.AllowHTTP = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
			logins := newLogins(b, d)
			with := serve(b, logins)
			load(b, wrk, script, with, 1)
			var asked, unasked, ratio []float64
			for b.Loop() {
				u, a := load(b, wrk, script, without, 1), load(b, wrk, script, with, 1)
				asked, unasked, ratio = append(asked, a), append(unasked, u), append(ratio, a/u)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(asked), "asked/s")
			b.ReportMetric(median(unasked), "unasked/s")
			b.ReportMetric(median(ratio), "ratio")
		})
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

var perSecond = regexp.MustCompile(`Requests/sec: +([0-9.]+)`)

// load is how many requests a second were answered, all with 200.
func load(b *testing.B, wrk, script, addr string, seconds int) float64 {
	b.Helper()
	out, err := exec.Command(wrk, "-t1", "-c64", "-d"+strconv.Itoa(seconds)+"s", "-s", script, "http://"+addr).CombinedOutput()
	m := perSecond.FindSubmatch(out)
	if err != nil || m == nil || regexp.MustCompile(`Non-2xx|Socket errors`).Match(out) {
		b.Fatalf("%v\n%s", err, out)
	}
	n, _ := strconv.ParseFloat(string(m[1]), 64)
	return n
}

// serve answers on a free port, as milepost does.
func serve(b *testing.B, logins lookup.Logins) (addr string) {
	b.Helper()
	return serveHandler(b, handler(b, logins))
}

func serveHandler(b *testing.B, h http.Handler) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- httpd.Serve(ctx, httpd.Service{Listeners: []httpd.Listener{{Listener: l, Handler: h}}, Limit: httpd.NewLimit(1024, 1024, httpd.Proxies{}, log), Log: log})
	}()
	b.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}
