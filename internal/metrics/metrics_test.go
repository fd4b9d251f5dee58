package metrics_test

import (
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/internal/metrics"
	"milepost/internal/useragent"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// scrape returns what Prometheus gets, without the comments.
func scrape(t testing.TB, m *metrics.Metrics) (lines []string, text string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "milepost_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, w.Body.String()
}

var all = metrics.Sources{
	Version: "1.2.3", Commit: "abc",
	Catalogue:       func() (int, int, int) { return 3, 40, 2 },
	Certificates:    func() (int, time.Time) { return 7, time.Unix(1_900_000_000, 0) },
	LogLinesDropped: func() uint64 { return 11 },
	Domains: func() []metrics.DomainSource {
		return []metrics.DomainSource{{Name: "sql", Domains: 5, Lost: 1, Fetched: time.Unix(1_800_000_000, 0), Down: true}, {Name: "ldap", Down: false}}
	},
}

// Each event is one series, with values that stand in a table.
func TestCounted(t *testing.T) {
	m := metrics.New(all)
	f := m.Format("autoconfig")
	if f != m.Format("autoconfig") {
		t.Error("a format is counted twice")
	}
	f.Answered(useragent.Thunderbird, 200, 30*time.Microsecond)
	f.Answered(useragent.Thunderbird, 200, 50*time.Microsecond)
	f.Answered(useragent.None, 404, 2*time.Second)
	f.Answered(useragent.None, 418, time.Minute)
	f.Answered(useragent.None, -1, 0)
	f.Answered(useragent.None, 1000, 0)
	m.Limited(metrics.Overload)
	m.LookedUp(metrics.Default)
	m.Handshaken(metrics.HandshakeName)
	m.Ordered(metrics.OrderLimited)
	m.Responded(33, 0, false)
	m.Responded(0, 1, true)
	m.Responded(257, 23, true)
	m.Responded(65535, 22, false)
	m.Responded(258, 99999, false)
	m.Responded(1, -7, false)
	m.DNSLimited(metrics.Dropped)
	m.Connections("https", func() int { return 5 })
	m.Reloaded(true, time.Unix(1_800_000_000, 0))
	m.Reloaded(false, time.UnixMilli(1_800_000_100_250))
	got, _ := scrape(t, m)
	got = slices.DeleteFunc(got, func(line string) bool {
		return strings.HasSuffix(line, " 0") || strings.HasPrefix(line, "milepost_build_info{")
	})
	want := strings.Fields(strings.ReplaceAll(`
milepost_acme_orders_total{result="limited"} 1
milepost_catalogue_domains 40
milepost_catalogue_providers 3
milepost_catalogue_rejected_entries 2
milepost_certificate_expiry_seconds 1.9e+09
milepost_certificates 7
milepost_connections{listener="https"} 5
milepost_dns_limited_total{result="dropped"} 1
milepost_dns_responses_total{rcode="BADCOOKIE",transport="tcp",type="CAA"} 1
milepost_dns_responses_total{rcode="FORMERR",transport="tcp",type="none"} 1
milepost_dns_responses_total{rcode="NOERROR",transport="udp",type="SRV"} 1
milepost_dns_responses_total{rcode="other",transport="udp",type="A"} 1
milepost_dns_responses_total{rcode="other",transport="udp",type="other"} 2
milepost_http_limited_total{reason="overload"} 1
milepost_http_request_seconds_bucket{format="autoconfig",le="5e-05"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="0.0002"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="0.001"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="0.005"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="0.025"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="0.1"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="1"} 4
milepost_http_request_seconds_bucket{format="autoconfig",le="5"} 5
milepost_http_request_seconds_bucket{format="autoconfig",le="+Inf"} 6
milepost_http_request_seconds_sum{format="autoconfig"} 62.00008
milepost_http_request_seconds_count{format="autoconfig"} 6
milepost_http_requests_total{client="none",format="autoconfig",status="404"} 1
milepost_http_requests_total{client="none",format="autoconfig",status="other"} 3
milepost_http_requests_total{client="thunderbird",format="autoconfig",status="200"} 2
milepost_last_reload_timestamp_seconds 1.80000010025e+09
milepost_log_lines_dropped_total 11
milepost_lookups_total{result="default"} 1
milepost_reloads_total{result="ok"} 1
milepost_reloads_total{result="refused"} 1
milepost_snapshot_timestamp_seconds 1.8e+09
milepost_source_domains{source="sql"} 5
milepost_source_fetched_seconds{source="sql"} 1.8e+09
milepost_source_rejected_rows{source="sql"} 1
milepost_source_up{source="ldap"} 1
milepost_tls_handshakes_total{result="refused_name"} 1
`, " ", "·"))
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "·", " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Prometheus's own rules for names and help hold, and what an alert compares with is
// there before anything happens.
func TestForm(t *testing.T) {
	m := metrics.New(all)
	m.Format("autoconfig").Answered(useragent.None, 200, 0)
	m.Responded(1, 0, true)
	m.Reloaded(true, time.Unix(1_800_000_000, 0))
	lines, text := scrape(t, m)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	for _, line := range []string{
		"milepost_last_reload_success 1", `milepost_reloads_total{result="refused"} 0`, `milepost_tls_handshakes_total{result="failed"} 0`,
		`milepost_lookups_total{result="unknown"} 0`, `milepost_mx_lookups_total{result="timeout"} 0`, `milepost_http_limited_total{reason="rate"} 0`, `milepost_acme_orders_total{result="failed"} 0`,
	} {
		if !slices.Contains(lines, line) {
			t.Errorf("%s is missing", line)
		}
	}
	for _, part := range []string{`milepost_build_info{commit="abc",goversion="go1.`, "\ngo_goroutines ", "\nprocess_open_fds "} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is missing", part)
		}
	}
}

// A server without metrics needs none.
func TestNil(t *testing.T) {
	var m *metrics.Metrics
	m.Format("x").Answered(useragent.None, 200, 0)
	m.Limited(metrics.Rate)
	m.LookedUp(metrics.Known)
	m.Handshaken(metrics.HandshakeOK)
	m.Ordered(metrics.OrderOK)
	m.Responded(1, 0, false)
	m.DNSLimited(metrics.Truncated)
	m.Reloaded(true, time.Now())
	m.Connections("http", nil)
	// What has no source is not said to be 0.
	if lines, _ := scrape(t, metrics.New(metrics.Sources{})); strings.Contains(strings.Join(lines, ""), "catalogue") {
		t.Error(lines)
	}
}

// Nothing is lost when many count and one scrapes.
func TestAtOnce(t *testing.T) {
	m := metrics.New(all)
	var counting sync.WaitGroup
	for range 4 {
		counting.Go(func() {
			for range 1000 {
				m.Format("home").Answered(useragent.Browser, 200, time.Millisecond)
				m.Responded(33, 0, false)
			}
		})
	}
	scrape(t, m)
	counting.Wait()
	lines, _ := scrape(t, m)
	for _, want := range []string{
		`milepost_http_requests_total{client="browser",format="home",status="200"} 4000`,
		`milepost_http_request_seconds_count{format="home"} 4000`,
		`milepost_dns_responses_total{rcode="NOERROR",transport="udp",type="SRV"} 4000`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is missing", want)
		}
	}
}

// BenchmarkRequest is what a request and a DNS response cost.
func BenchmarkRequest(b *testing.B) {
	m := metrics.New(all)
	f := m.Format("autoconfig")
	agent := "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.4.2"
	b.Run("http", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Answered(useragent.ClassOf(agent), 200, 70*time.Microsecond)
			m.LookedUp(metrics.Known)
		}
	})
	b.Run("dns", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Responded(33, 0, false)
		}
	})
	b.Run("dns-parallel", func(b *testing.B) {
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				m.Responded(33, 0, false)
			}
		})
	})
	b.Run("scrape", func(b *testing.B) {
		for b.Loop() {
			w := httptest.NewRecorder()
			m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
			io.Copy(io.Discard, w.Body)
		}
	})
}
