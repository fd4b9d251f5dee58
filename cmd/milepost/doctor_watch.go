package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"milepost/internal/doctor"
)

// watch examines a domain again and again.
type watch struct {
	world          worldOptions
	asked          doctor.Asked
	every          time.Duration
	stdout, stderr io.Writer

	metrics atomic.Pointer[[]byte] // of the last report
}

// run prints what changes until the context ends, and the whole at the start.
func (w *watch) run(ctx context.Context, metrics string) int {
	if metrics != "" {
		l, err := net.Listen("tcp", metrics)
		if err != nil {
			complain(w.stderr, "doctor: -metrics: %s", err)
			return exitNo
		}
		complain(w.stderr, "metrics at http://%s/metrics", l.Addr())
		server := &http.Server{Handler: http.HandlerFunc(w.answer), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
		go server.Serve(l)
		defer server.Close()
	}
	var before doctor.Report
	for next := time.NewTimer(0); ; next.Reset(w.every) {
		select {
		case <-ctx.Done():
			if before.AllWork() {
				return exitOK
			}
			return exitNo
		case <-next.C:
		}
		report := diagnose(ctx, w.world, w.asked, w.stderr)
		if ctx.Err() != nil {
			continue
		}
		now := time.Now()
		text := report.Metrics(now.Unix())
		w.metrics.Store(&text)
		for _, line := range changed(before, report) {
			if _, err := fmt.Fprintf(w.stdout, "%s %s %s\n", now.UTC().Format(time.RFC3339), report.Domain, line); err != nil {
				complain(w.stderr, "doctor: %s", err)
				return exitNo
			}
		}
		before = report
	}
}

func (w *watch) answer(out http.ResponseWriter, r *http.Request) {
	text := w.metrics.Load()
	switch {
	case r.URL.Path != "/metrics":
		http.NotFound(out, r)
	case text == nil:
		http.Error(out, "the first examination is under way", http.StatusServiceUnavailable)
	default:
		out.Header().Set("Content-Type", "text/plain; version=0.0.4")
		out.Write(*text)
	}
}
