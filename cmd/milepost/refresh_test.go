package main

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/fixture"
	"milepost/internal/metrics"
	"milepost/internal/snapshot"
	"milepost/internal/systemd"
	"milepost/internal/textfile"
)

// tellingSources are sources that a test changes.
type tellingSources struct {
	mu      sync.Mutex
	table   *catalogue.Table
	files   fs.FS
	edition int
	changed []string
	signal  chan struct{}
}

func (s *tellingSources) Tables(context.Context, []config.Source) ([]*catalogue.Table, textfile.Errors, textfile.Errors) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []*catalogue.Table{s.table}, nil, nil
}

func (s *tellingSources) Files() (map[string]fs.FS, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]fs.FS{"sql": s.files}, s.edition
}

func (s *tellingSources) Confirm() {}

func (s *tellingSources) Changed() <-chan struct{} { return s.signal }

func (s *tellingSources) Take() ([]*catalogue.Table, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.changed
	s.changed = nil
	return []*catalogue.Table{s.table}, changed
}

// change adds a domain, and takes other files unless they are nil.
func (s *tellingSources) change(d string, files fs.FS) {
	s.mu.Lock()
	if files != nil {
		s.files = files
		s.edition++
	}
	s.table = s.table.With([]catalogue.Change{{Row: catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: catalogue.Belonging{Provider: "hosted"}}}})
	s.changed = append(s.changed, d)
	s.mu.Unlock()
	s.signal <- struct{}{}
}

// Rows that change are served without a reload; other provider files in a source are one.
// If those have a mistake, rows are served all the same, and the mistake is told once.
func TestRowsAreTakenOver(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", "[catalogue]\ncheck_every = \"0s\"\n"))
	hosted := strings.Replace(fixture.Family, `domains = ["example.com"]`, "", 1)
	good, bad := fixture.FS("hosted.toml", hosted), fixture.FS("hosted.toml", hosted+"nonsense = 1\n")
	other := fixture.FS("hosted.toml", strings.ReplaceAll(hosted, "mail.example", "other.example"))
	s := &tellingSources{files: good, signal: make(chan struct{}), table: catalogue.NewTable("sql", slices.Values([]catalogue.Row{
		{Domain: fixture.Domain(t, "a.example"), Belonging: catalogue.Belonging{Provider: "hosted"}}}))}
	o := snapshot.Options{Inputs: config.Inputs{File: "milepost.toml"}, Now: time.Now, Sources: s}
	o.Seen = new(textfile.Seen)
	first, err := snapshot.Build(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(first)
	var log bytes.Buffer // written by the reloader alone, and read when it has ended
	r := reloader{options: o, sources: s, stderr: &log, services: &services{
		conf: first.Config, unit: new(systemd.Service), current: &current, metrics: metrics.New(metrics.Sources{}),
		logins: directory.NewLogins(slog.New(slog.DiscardHandler)),
		log:    slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.run(ctx, nil); close(ended) }()
	for _, tc := range []struct {
		name, domain, host string
		files              fs.FS
		reloaded           bool
	}{
		{"a row", "b.example", "mail.example.com", nil, false},
		{"files with a mistake", "c.example", "mail.example.com", bad, false},
		{"a row after that", "d.example", "mail.example.com", nil, false},
		{"other files", "e.example", "other.example.com", other, true},
		{"a row behind them", "f.example", "other.example.com", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := current.Load()
			s.change(tc.domain, tc.files)
			for until := time.Now().Add(time.Minute); current.Load() == before; time.Sleep(time.Millisecond) {
				if time.Now().After(until) {
					t.Fatal("nothing is taken over")
				}
			}
			now := current.Load()
			if p, ok := now.Catalogue.Lookup(fixture.Domain(t, tc.domain)); !ok || string(p.Incoming[0].Hostname) != tc.host {
				t.Error(p)
			}
			if now.Follows(before) == tc.reloaded {
				t.Errorf("a reload: %v", !tc.reloaded)
			}
		})
	}
	cancel()
	<-ended
	if n := strings.Count(log.String(), "reload refused"); n != 1 || strings.Count(log.String(), `level=DEBUG msg="domains taken over" changed=1 domains=`) != 4 || strings.Contains(log.String(), "b.example") {
		t.Errorf("%d refusals:\n%s", n, log.String())
	}
}
