package main

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"milepost/internal/config"
	"milepost/internal/snapshot"
	"milepost/internal/textfile"
)

// settle is how long files must stay as they are before they are taken over without a
// signal: half of one may be written.
const settle = 200 * time.Millisecond

// reloader makes another snapshot at every signal, and when a file has changed. A
// mistake in it changes nothing.
type reloader struct {
	*services
	options snapshot.Options
	stderr  io.Writer
}

func (r *reloader) run(ctx context.Context, signals <-chan os.Signal) {
	var ticks <-chan time.Time // none, if files are not looked at
	if every := r.conf.Catalogue.CheckEvery; every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		ticks = ticker.C
	}
	var stuck *snapshot.Snapshot // that has lapsed, and none could be made in its place
	for {
		var lapse <-chan time.Time // none, if nothing of what is served will lapse
		s := r.current.Load()
		if at := s.Zones.Lapses(); !at.IsZero() && s != stuck {
			lapse = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			r.reload(ctx, s != syscall.SIGHUP, 0)
		case <-lapse:
			if !r.lapse(ctx) {
				stuck = s
			}
		case <-ticks:
			if r.options.Seen.Changed() {
				r.reload(ctx, false, settle)
			}
		}
	}
}

// lapse serves what follows from the time alone: no file of a provider is read.
func (r *reloader) lapse(ctx context.Context) bool {
	next, err := r.current.Load().Lapsed(time.Now)
	if err != nil {
		complainBuild(r.stderr, err)
		return false
	}
	r.serve(ctx, next)
	r.log.Info("a change of PACC documents went a step on")
	return true
}

// serve puts another snapshot in place of the present one.
func (r *reloader) serve(ctx context.Context, next *snapshot.Snapshot) {
	previous := r.current.Load()
	warn(r.stderr, append(next.Warnings, next.KeepSerial()...))
	r.current.Store(next)
	if err := r.logins.Use(next.Config.Directories); err != nil { // Build has checked them
		r.log.Error("login names are not asked for anew", "err", err)
	}
	boundMemory(r.conf, next)
	if r.names != nil {
		r.names.Notify(ctx, previous)
	}
}

// reload builds a snapshot and serves it, unless it has mistakes, or what it is made of
// has changed again before some time is over: then the next look builds another one.
func (r *reloader) reload(ctx context.Context, takeShrunk bool, unchanged time.Duration) {
	r.unit.Reloading()
	defer func() { r.unit.Ready(size(r.current.Load().Catalogue)) }()
	o, previous := r.options, r.current.Load()
	o.TakeShrunk, o.Seen = takeShrunk, new(textfile.Seen)
	next, err := snapshot.Build(ctx, o, previous)
	select {
	case <-ctx.Done():
		return
	case <-time.After(unchanged):
	}
	if unchanged > 0 && o.Seen.Changed() {
		return
	}
	r.options.Seen = o.Seen
	r.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		complainBuild(r.stderr, err)
		r.log.Error("reload refused; what was served before stays")
		return
	}
	r.serve(ctx, next)
	if late := config.NeedRestart(r.conf, next.Config); len(late) > 0 {
		r.log.Warn("some settings need a restart", "settings", strings.Join(late, ","))
	}
	r.log.Info("reloaded", "providers", len(next.Catalogue.Providers()), "domains", next.Catalogue.Domains())
}
