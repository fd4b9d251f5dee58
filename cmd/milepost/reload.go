package main

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/snapshot"
	"milepost/internal/storage"
	"milepost/internal/textfile"
)

// settle is how long files must stay as they are before they are taken over without a
// signal: half of one may be written.
const settle = 200 * time.Millisecond

// pace is how much time passes between two snapshots for rows that have changed, so that
// many changes cost no more than some.
const pace = 100 * time.Millisecond

// sources are where domains come from beside the files.
type sources interface {
	snapshot.Sources
	// Confirm takes over what seemed to have lost most of its domains.
	Confirm()
	// Changed receives when there is something to take.
	Changed() <-chan struct{}
	// Take returns the tables as they are, in the order of the sources, and the domains
	// whose rows have changed since the last time, in A-labels.
	Take() (tables []*catalogue.Table, changed []string)
}

// reloader makes another snapshot at every signal, and when a file or a row of a source
// has changed. A mistake in it changes nothing.
type reloader struct {
	*services
	options snapshot.Options
	serials *storage.Serials // nil: they are this server's alone
	sources sources          // nil: none
	refused int              // the edition of provider files in sources that was refused, and is not tried again
	stderr  io.Writer
}

func (r *reloader) run(ctx context.Context, signals <-chan os.Signal) {
	var ticks <-chan time.Time // none, if files are not looked at
	if every := r.conf.Catalogue.CheckEvery; every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		ticks = ticker.C
	}
	var changed <-chan struct{}  // none, if there are no sources, or it is too early
	var paced <-chan time.Time   // when it no longer is
	var stuck *snapshot.Snapshot // that has lapsed, and none could be made in its place
	if r.sources != nil {
		changed = r.sources.Changed()
	}
	var raised <-chan struct{} // none, if no other server raises serials
	if every := r.conf.Catalogue.CheckEvery; r.serials != nil && every > 0 {
		raised = r.serials.Changed()
		go r.serials.Run(ctx, every)
	}
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
			if s != syscall.SIGHUP && r.sources != nil {
				r.sources.Confirm()
			}
			r.reload(ctx, s != syscall.SIGHUP, 0)
		case <-lapse:
			if r.remake(ctx) {
				r.log.Info("a change of PACC documents went a step on")
			} else {
				stuck = s
			}
		case <-raised:
			r.remake(ctx)
		case <-changed:
			r.refresh(ctx)
			changed, paced = nil, time.After(pace)
		case <-paced:
			changed, paced = r.sources.Changed(), nil
		case <-ticks:
			if r.options.Seen.Changed() {
				r.reload(ctx, false, settle)
			}
		}
	}
}

// refresh serves what follows from rows that have changed: nothing else is made anew,
// unless provider files in a source have changed too.
func (r *reloader) refresh(ctx context.Context) {
	tables, changed := r.sources.Take()
	if edition := r.options.Edition(); edition != r.current.Load().Edition() && edition != r.refused && r.reload(ctx, false, 0) {
		return
	}
	next := r.current.Load().Refresh(r.options, tables, changed)
	r.serve(ctx, next)
	r.log.Debug("domains taken over", "changed", len(changed), "domains", next.Catalogue.Domains())
}

// remake serves what follows from the time, or from what other servers agree on: no file
// of a provider is read.
func (r *reloader) remake(ctx context.Context) bool {
	next, err := r.current.Load().Lapsed(r.options)
	if err != nil {
		complainBuild(r.stderr, err)
		return false
	}
	r.serve(ctx, next)
	return true
}

// serve puts another snapshot in place of the present one.
func (r *reloader) serve(ctx context.Context, next *snapshot.Snapshot) {
	previous := r.current.Load()
	warn(r.stderr, append(next.Warnings, next.KeepSerial(previous)...))
	r.current.Store(next)
	if err := r.logins.Use(next.Config.Directories); err != nil { // Build has checked them
		r.log.Error("login names are not asked for anew", "err", err)
	}
	boundMemory(r.conf, next)
	if !next.Follows(previous) {
		releaseMemory()
	}
	if r.names != nil {
		r.names.Notify(ctx, previous)
	}
}

// reload builds a snapshot and serves it, unless it has mistakes, or what it is made of
// has changed again before some time is over: then the next look builds another one. It
// tells whether that is served.
func (r *reloader) reload(ctx context.Context, takeShrunk bool, unchanged time.Duration) bool {
	r.unit.Reloading()
	status := ""
	defer func() { r.unit.Ready(size(r.current.Load().Catalogue) + status) }()
	o, previous := r.options, r.current.Load()
	o.TakeShrunk, o.Seen = takeShrunk, new(textfile.Seen)
	next, err := snapshot.Build(ctx, o, previous)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(unchanged):
	}
	if unchanged > 0 && o.Seen.Changed() {
		return false
	}
	r.options.Seen = o.Seen
	r.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		complainBuild(r.stderr, err)
		status = "; the last reload was refused"
		if o.Sources != nil { // a list of sources that is not served is not watched either
			o.Sources.Tables(ctx, previous.Config.Sources)
		}
		r.log.Error("reload refused; what was served before stays")
		r.refused = r.options.Edition()
		return false
	}
	r.serve(ctx, next)
	if late := config.NeedRestart(r.conf, next.Config); len(late) > 0 {
		r.log.Warn("some settings need a restart", "settings", strings.Join(late, ","))
	}
	r.log.Info("reloaded", "providers", len(next.Catalogue.Providers()), "domains", next.Catalogue.Domains())
	return true
}
