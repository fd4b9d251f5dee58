package httpd_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/metrics"

	"github.com/google/go-cmp/cmp"
)

const thunderbird = "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.4.2"

// logged are requests, and what the log says of them.
var logged = []struct {
	name, method, target, from, agent      string
	route, format, domain, client, ip, how string
	status, octets                         int
}{
	{"a document", "GET", "/mail/config-v1.1.xml?emailaddress=fred@example.com", "192.0.2.1:5", thunderbird,
		"/mail/config-v1.1.xml", "autoconfig", "example.com", "thunderbird", "192.0.2.1", "GET", 200, 1},
	{"of the ISP database, by IPv6", "GET", "/v1.1/example.com", "[2001:db8::1]:5", "",
		"/v1.1/:domain", "autoconfig", "example.com", "none", "2001:db8::1", "GET", 200, 1},
	{"a zone that is no name", "GET", "/v1.1/example.com", `[fe80::1%"} x=]:5`, "curl/8",
		"/v1.1/:domain", "autoconfig", "example.com", "script", "fe80::1", "GET", 200, 1},
	{"JSON of a proxy without address", "GET", "/autodiscover/autodiscover.json/v1.0/fred@example.com?Protocol=AutodiscoverV1", "@", "Outlook-iOS/1",
		"/autodiscover/autodiscover.json/v1.0/*", "autodiscover-json", "example.com", "outlook-mobile", "", "GET", 200, 1},
	{"a row without a name", "GET", "/autodiscover/autodiscover.xml", "192.0.2.1:5", "\"x\n=",
		"/autodiscover/autodiscover.xml", "autodiscover", "", "other", "192.0.2.1", "GET", 404, 1},
	{"a page", "GET", "/providers/none", "192.0.2.1:5", "Mozilla/5.0",
		"/providers/:id", "/providers/:id", "", "browser", "192.0.2.1", "GET", 404, 1},
	{"HEAD", "HEAD", "/robots.txt", "192.0.2.1:5", "kube-probe/1.29", "/robots.txt", "/robots.txt", "", "monitoring", "192.0.2.1", "HEAD", 200, 0},
	{"nothing", "GET", "/wp-login.php", "192.0.2.1:5", "", "none", "none", "", "none", "192.0.2.1", "GET", 404, 1},
	{"a method of nobody's", "FRED", "/", "192.0.2.1:5", "", "/", "/", "", "none", "192.0.2.1", "other", 405, 1},
}

var idAtEnd = regexp.MustCompile(`"?id"?[=:]"?([0-9a-f]{8})"?}?\n$`)

// The lines are what slog's handlers make of the same attributes, octet for octet.
func TestLogLines(t *testing.T) {
	c := familyCatalogue(t)
	for _, form := range []struct {
		name    string
		handler func(*bytes.Buffer) slog.Handler
	}{
		{"text", func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }},
		{"JSON", func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }},
	} {
		var out bytes.Buffer
		now := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
		h := httpd.Handler(httpd.Options{Current: current(t, c, ""), Requests: &out, JSON: form.name == "JSON", Log: slog.New(slog.NewTextHandler(&out, nil)),
			Now: func() time.Time { now = now.Add(1_500_500); return now }})
		ids := make(map[string]bool)
		for _, tc := range logged {
			t.Run(form.name+"/"+tc.name, func(t *testing.T) {
				out.Reset()
				r := httptest.NewRequest(tc.method, tc.target, nil)
				r.Host, r.RemoteAddr = "192.0.2.9", tc.from
				if tc.agent != "" {
					r.Header.Set("User-Agent", tc.agent)
				}
				w := httptest.NewRecorder()
				before := now
				h.ServeHTTP(w, r)
				got := out.String()
				m := idAtEnd.FindStringSubmatch(got)
				if m == nil || ids[m[1]] {
					t.Fatalf("no id of its own: %s", got)
				}
				ids[m[1]] = true
				if (w.Body.Len() > 0) != (tc.octets > 0) {
					t.Errorf("%d octets", w.Body.Len())
				}
				var addr netip.Addr
				if tc.ip != "" {
					addr = netip.MustParseAddr(tc.ip)
				}
				var want bytes.Buffer
				record := slog.NewRecord(now, slog.LevelInfo, "http", 0)
				record.Add("method", tc.how, "route", tc.route, "domain", tc.domain, "status", tc.status, "octets", w.Body.Len(),
					"took", now.Sub(before)-1_500_500, "from", addr, "client", tc.client, "format", tc.format, "id", m[1])
				if err := form.handler(&want).Handle(t.Context(), record); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want.String(), got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// Each request and each look-up is counted, and no label is what a stranger wrote.
func TestCounts(t *testing.T) {
	m := metrics.New(metrics.Sources{})
	family := strings.Replace(family, `domains = ["example.com"]`, `domains = ["example.com", "*"]`, 1)
	ask := func(toml string, requests ...string) {
		h := httpd.Handler(httpd.Options{Current: current(t, fixture.Catalogue(t, "example.com.toml", toml), ""), Log: slog.New(slog.DiscardHandler), Metrics: m})
		for _, request := range requests {
			method, target, _ := strings.Cut(request, " ")
			r := httptest.NewRequest(method, target, nil)
			r.Host = "192.0.2.9"
			r.Header.Set("User-Agent", thunderbird)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	ask(family,
		"GET /mail/config-v1.1.xml?emailaddress=fred@example.com",
		"GET /mail/config-v1.1.xml?emailaddress=fred@example.org", // the default provider's
		"GET /mail/config-v1.1.xml",                               // names nobody
		"GET /setup?emailaddress=fred",
		"SECRET /setup",
		"GET /secret")
	ask(strings.Replace(family, `, "*"`, "", 1), "GET /v1.1/example.org")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if strings.Contains(strings.ToLower(w.Body.String()), "secret") {
		t.Error("a stranger names a series")
	}
	var got []string
	for line := range strings.Lines(w.Body.String()) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "milepost_http_requests_total{") || strings.HasPrefix(line, "milepost_lookups_total{") || strings.HasPrefix(line, "milepost_http_request_seconds_count") {
			got = append(got, strings.TrimPrefix(line, "milepost_"))
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{
		`http_request_seconds_count{format="/setup"} 2`,
		`http_request_seconds_count{format="autoconfig"} 4`,
		`http_request_seconds_count{format="none"} 1`,
		`http_requests_total{client="thunderbird",format="/setup",status="400"} 1`,
		`http_requests_total{client="thunderbird",format="/setup",status="405"} 1`,
		`http_requests_total{client="thunderbird",format="autoconfig",status="200"} 2`,
		`http_requests_total{client="thunderbird",format="autoconfig",status="404"} 2`,
		`http_requests_total{client="thunderbird",format="none",status="404"} 1`,
		`lookups_total{result="default"} 1`,
		`lookups_total{result="known"} 1`,
		`lookups_total{result="mx"} 0`,
		`lookups_total{result="refused"} 1`,
		`lookups_total{result="unknown"} 1`,
	}, got); diff != "" {
		t.Error(diff)
	}
}
