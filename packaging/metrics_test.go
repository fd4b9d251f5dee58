package packaging_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// metrics are the names that the admin listener serves, each with its labels.
var metrics = map[string]string{
	"milepost_http_requests_total":           "format client status",
	"milepost_http_request_seconds_bucket":   "format le",
	"milepost_http_limited_total":            "reason",
	"milepost_lookups_total":                 "result",
	"milepost_tls_handshakes_total":          "result",
	"milepost_acme_orders_total":             "result",
	"milepost_certificates":                  "",
	"milepost_certificate_expiry_seconds":    "",
	"milepost_dns_responses_total":           "type rcode transport",
	"milepost_catalogue_providers":           "",
	"milepost_catalogue_domains":             "",
	"milepost_catalogue_rejected_entries":    "",
	"milepost_reloads_total":                 "result",
	"milepost_last_reload_success":           "",
	"milepost_last_reload_timestamp_seconds": "",
	"milepost_log_lines_dropped_total":       "",
	"milepost_connections":                   "",
	"milepost_build_info":                    "version goversion",
	"go_goroutines":                          "",
	"go_memstats_heap_inuse_bytes":           "",
	"process_cpu_seconds_total":              "",
	"process_max_fds":                        "",
	"process_open_fds":                       "",
	"process_resident_memory_bytes":          "",
}

var (
	metric = regexp.MustCompile(`\b(?:milepost|go|process)_\w+`)
	by     = regexp.MustCompile(`by \(([a-z, ]*)\)`)
)

// known complains of names and labels in an expression that nothing serves.
func known(t *testing.T, where, expr string) (names []string) {
	t.Helper()
	names = metric.FindAllString(expr, -1)
	labels := []string{"instance"}
	for _, name := range names {
		served, ok := metrics[name]
		if !ok {
			t.Errorf("%s: there is no %s", where, name)
		}
		labels = append(labels, strings.Fields(served)...)
	}
	for _, m := range by.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(label)) {
				t.Errorf("%s: no metric of %s has the label %s", where, expr, label)
			}
		}
	}
	return names
}

func TestAlerts(t *testing.T) {
	text := read(t, "prometheus/alerts.yml")
	names := known(t, "alerts.yml", text)
	if len(names) < 12 {
		t.Errorf("%q", names)
	}
	for m := range strings.SplitSeq(text, "- alert: ") {
		name, _, _ := strings.Cut(m, "\n")
		if tests := read(t, "prometheus/alerts_test.yml"); strings.HasPrefix(name, "Milepost") && !strings.Contains(tests, `alertname="`+name+`"`) {
			t.Errorf("no test lets %s fire", name)
		}
	}
	promtool := fixture.Tool(t, "promtool", "prometheus")
	succeed(t, promtool, "check", "rules", "prometheus/alerts.yml")
	succeed(t, promtool, "test", "rules", "prometheus/alerts_test.yml")
}

// The dashboard asks only for what is served, and for all of it that is ours.
func TestDashboard(t *testing.T) {
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana/milepost.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	var shown []string
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			shown = append(shown, known(t, p.Title, target.Expr)...)
		}
	}
	for name := range metrics {
		if strings.HasPrefix(name, "milepost_") && !slices.Contains(shown, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
