package observe

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
)

// Each world has one cause, which the doctor names first; -update writes what it says of
// the programs.
func TestWorlds(t *testing.T) {
	fixture.Pages(t, "testdata/worlds/*.txtar", func(t *testing.T, p *fixture.Page) {
		t.Parallel()
		report := diagnose(t, fixture.OpenWorld(t, p), p)
		cause, ok := p.Text("cause")
		if !ok {
			t.Fatal("the page has no cause")
		}
		first := "none"
		if len(report.Findings) > 0 {
			first = string(report.Findings[0].ID)
		}
		if want := strings.TrimSpace(cause); first != want {
			t.Errorf("named first: %s, want %s", first, want)
		}
		p.Expect(t, "want", summary(report))
		if text := string(report.Text()); strings.Contains(text, "fred") {
			t.Errorf("the report has the local part:\n%s", text)
		}
	})
}

func diagnose(t *testing.T, w *fixture.World, p *fixture.Page) doctor.Report {
	t.Helper()
	who := "fred@example.com"
	if text, ok := p.Text("asked"); ok {
		who = strings.TrimSpace(text)
	}
	patience := time.Minute // where all answer, a busy machine must not matter
	if text, ok := p.Text("patience"); ok {
		var err error
		if patience, err = time.ParseDuration(strings.TrimSpace(text)); err != nil {
			t.Fatal(err)
		}
	}
	world := NewInternet(Options{Resolvers: []string{w.Resolver}, Roots: w.Roots, Dial: w.Dial, Patience: patience})
	t.Cleanup(world.Close)
	return Run(context.Background(), world, doctor.Asked{Address: fixture.Address(t, who)}, 5*time.Minute, nil)
}

// summary is a report without what is the same in all.
func summary(r doctor.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "grade %s\n", r.Grade)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s\n", f.Severity, f.ID)
		for line := range strings.Lines(f.Seen) {
			fmt.Fprintf(&b, "\t%s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, c := range r.Clients {
		var found, because []string
		for _, s := range c.Found {
			found = append(found, fmt.Sprintf("%s %s:%d %s", s.Protocol, s.Hostname, s.Port, s.SocketType))
		}
		for _, id := range c.Because {
			because = append(because, string(id))
		}
		line := fmt.Sprintf("%s: %s; %s; %s", c.Name, c.Verdict, strings.Join(found, ", "), strings.Join(because, ", "))
		b.WriteString(strings.TrimRight(line, "; ") + "\n")
	}
	return b.String()
}
