package packaging_test

import (
	"encoding/json"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/metrics"
	"milepost/internal/useragent"
)

// series are the metrics that are served once everything has happened: the values of
// each label, by the name of the metric and of the label.
type series map[string]map[string][]string

var (
	sample = regexp.MustCompile(`(?m)^(\w+)(?:\{(.*)\})? \S+$`)
	pair   = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

// served lets everything happen that is counted, and scrapes.
func served(t *testing.T) series {
	t.Helper()
	m := metrics.New(metrics.Sources{
		Version: "1", Commit: "c",
		Catalogue:       func() (providers, domains, rejected int) { return 1, 2, 3 },
		Certificates:    func() (held int, soonest time.Time) { return 1, time.Unix(1, 0) },
		Directories:     func() (open, failing int) { return 2, 1 },
		LogLinesDropped: func() uint64 { return 1 },
		Domains: func() []metrics.DomainSource {
			return []metrics.DomainSource{{Name: "hosting", Domains: 1, Fetched: time.Unix(1, 0)}}
		},
	})
	for client := range useragent.Names() {
		for _, status := range append(metrics.Statuses(), 0) {
			m.Format("autoconfig").Answered(useragent.Class(client), status, time.Millisecond)
		}
	}
	for qtype := range uint16(300) {
		for rcode := range 30 {
			m.Responded(qtype, rcode, qtype%2 == 0)
		}
	}
	m.LoginLookedUp(metrics.LoginFound, time.Millisecond)
	m.Reloaded(true, time.Unix(1, 0))
	for _, listener := range []string{"http", "https", "dns"} {
		m.Connections(listener, func() int { return 1 })
	}
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	all := make(series)
	for _, found := range sample.FindAllStringSubmatch(answer.Body.String(), -1) {
		labels := all[found[1]]
		if labels == nil {
			labels = make(map[string][]string)
			all[found[1]] = labels
		}
		for _, p := range pair.FindAllStringSubmatch(found[2], -1) {
			labels[p[1]] = append(labels[p[1]], p[2])
		}
	}
	return all
}

var (
	metric  = regexp.MustCompile(`\b((?:milepost|go|process)_\w+)(?:\{([^}]*)\})?`)
	matcher = regexp.MustCompile(`(\w+)(=~|!=|=|!~)"([^"]*)"`)
	by      = regexp.MustCompile(`by \(([a-z, ]*)\)`)
)

// known complains of names, labels and values in an expression that nothing serves, and
// returns the names.
func (all series) known(t *testing.T, where, expr string) (names []string) {
	t.Helper()
	labels := []string{"instance", "job"} // of Prometheus itself
	for _, m := range metric.FindAllStringSubmatch(expr, -1) {
		has, ok := all[m[1]]
		if !ok {
			t.Errorf("%s: there is no %s", where, m[1])
		}
		names = append(names, m[1])
		labels = slices.AppendSeq(labels, maps.Keys(has))
		for _, c := range matcher.FindAllStringSubmatch(m[2], -1) {
			if c[1] == "instance" || c[1] == "job" {
				continue
			}
			alternatives := []string{regexp.QuoteMeta(c[3])}
			if strings.HasSuffix(c[2], "~") {
				alternatives = strings.Split(c[3], "|")
			}
			for _, a := range alternatives {
				if re := regexp.MustCompile("^(?:" + a + ")$"); !slices.ContainsFunc(has[c[1]], re.MatchString) {
					t.Errorf("%s: %s has no %s %q", where, m[1], c[1], a)
				}
			}
		}
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
	text, all := read(t, "prometheus/alerts.yml"), served(t)
	names := all.known(t, "alerts.yml", text)
	for line := range strings.Lines(read(t, "prometheus/alerts_test.yml")) {
		if strings.Contains(line, "{series: ") {
			all.known(t, "alerts_test.yml", line)
		}
	}
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
	all := served(t)
	var shown []string
	ids := make(map[int]bool)
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.X+p.GridPos.W > 24 || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			shown = append(shown, all.known(t, p.Title, target.Expr)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		histogram := strings.HasSuffix(name, "_seconds_sum") || strings.HasSuffix(name, "_seconds_count") // its buckets are shown
		if strings.HasPrefix(name, "milepost_") && !histogram && !slices.Contains(shown, name) {
			t.Errorf("no panel shows %s", name)
		}
	}
}
