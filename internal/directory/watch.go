package directory

import (
	"context"
	"errors"
	"time"
)

const (
	pollEvery   = time.Second           // without a word from the source: a new domain is answered within two
	listenEvery = 30 * time.Second      // behind the source's own word
	mostWait    = 30 * time.Second      // until a source that is down is tried again
	leastPause  = 50 * time.Millisecond // between two looks
	mostPause   = 10 * time.Second
	keepEvery   = 5 * time.Minute
)

// watch follows a source in the background. The caller holds the lock.
func (s *Sources) watch(n *source) {
	ctx, stop := context.WithCancel(s.running)
	n.stop, n.done = stop, make(chan struct{})
	w := watcher{Sources: s, source: n, unkept: n.unkept, down: n.state.Err != nil, lost: n.state.Lost}
	go func() {
		defer close(n.done)
		defer stop()
		w.follow(ctx)
	}()
}

// watcher is what following one source remembers.
type watcher struct {
	*Sources
	*source

	listening bool          // the source's word comes through
	failed    time.Duration // the last wait after a failure; 0: the last look went well
	down      bool          // that was said
	lost      int           // rows that were said to be lost
	unkept    bool          // the disk has not what there is
	keptAt    time.Time     // when it was written; zero: never
}

func (w *watcher) follow(ctx context.Context) {
	heard := make(chan bool, 1)
	if l, ok := w.reading.reader.(listener); ok {
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.listen(ctx, l, heard)
		}()
		defer func() { <-done }()
	}
	keeping, kept := false, make(chan bool, 1)
	begun := time.Now()
	for {
		if ctx.Err() == nil && !keeping && w.unkept && time.Since(w.keptAt) >= keepEvery {
			// Beside the next looks: for a million domains it takes about a second.
			k := w.toKeep()
			keeping, w.keptAt, w.unkept = true, time.Now(), false
			go func() { kept <- w.keep(k) }()
		}
		select {
		case <-ctx.Done():
			w.unkept = keeping && !<-kept || w.unkept
			if w.unkept && !w.isGone() {
				w.keep(w.toKeep())
			}
			return
		case ok := <-kept:
			keeping, w.unkept = false, w.unkept || !ok
			continue
		case w.listening = <-heard:
			continue
		case <-w.wake:
		case <-time.After(time.Until(begun.Add(w.wait()))):
		}
		begun = time.Now()
		w.once(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(min(max(leastPause, time.Since(begun)/2), pollEvery)): // many words are one
		}
	}
}

// wait is how long from one look to the next, which is never so soon that looking is most of
// what the database does; one that was slow for once does not count.
func (w *watcher) wait() time.Duration {
	if w.failed > 0 {
		return w.failed
	}
	every := w.reading.config.Every
	if every == 0 {
		if every = pollEvery; w.listening {
			every = listenEvery
		}
	}
	return max(every, min(seldom*min(w.reading.asking[0], w.reading.asking[1]), mostPause))
}

// once looks at the source and tells what it brought.
func (w *watcher) once(ctx context.Context) {
	w.mu.Lock()
	confirmed := w.confirmed
	w.confirmed = false
	w.mu.Unlock()
	u, err := w.reading.look(ctx, confirmed)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	tell := w.publish(u, err)
	if u.files {
		w.edition++
	}
	state := w.state
	w.mu.Unlock()
	if tell {
		w.unkept = true
		w.tell()
	}
	_, refused := errors.AsType[lostMost](err)
	switch {
	case err == nil:
		w.failed = 0
	case !refused:
		w.failed = min(max(2*w.failed, pollEvery), mostWait)
	}
	if u.warnings != nil && u.whole && u.lost != w.lost {
		w.options.Log.Warn("rows of a source are not understood; their domains are not served", "source", state.Name, "rows", u.lost, "first", u.warnings[0].Error())
	}
	if u.whole {
		w.lost = u.lost
	}
	switch {
	case refused && !w.down:
		w.options.Log.Error("a source is not taken over; what it said before is served", "source", state.Name, "err", err)
	case err != nil && !w.down:
		w.options.Log.Error("a source is down; what it said last is served", "source", state.Name, "err", err, "domains", state.Rows)
	case err == nil && w.down:
		w.options.Log.Info("a source is served as it is again", "source", state.Name, "domains", state.Rows)
	}
	w.down = err != nil
}

// listen hears the source's own word, and connects again when that is lost.
func (w *watcher) listen(ctx context.Context, l listener, heard chan<- bool) {
	say := func(listening bool) {
		select {
		case heard <- listening:
		case <-ctx.Done():
		}
	}
	wait := time.Duration(0)
	for ctx.Err() == nil {
		began := false
		err := l.listen(ctx, func() {
			if !began {
				began, wait = true, 0
				say(true)
			}
			w.rouse()
		})
		if ctx.Err() != nil {
			return
		}
		if wait == 0 {
			w.options.Log.Warn("a source cannot be listened to; it is asked instead", "source", w.reading.config.Name, "err", err)
		}
		say(false)
		wait = min(max(2*wait, pollEvery), mostWait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (w *watcher) isGone() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gone
}

// toKeep is what there is now.
func (w *watcher) toKeep() kept {
	w.mu.Lock()
	defer w.mu.Unlock()
	return kept{table: w.table, texts: w.texts, fetched: w.state.Fetched}
}

// keep writes it to the disk. It is false if that has to be tried again.
func (w *watcher) keep(k kept) bool {
	if w.options.State == "" || k.fetched.IsZero() {
		return true
	}
	err := keep(w.options.State, w.reading.config, k)
	if err != nil {
		w.options.Log.Error("a source cannot be kept on the disk; if it is down at the next start, its domains are missing", "source", w.reading.config.Name, "err", err)
	}
	return err == nil
}
