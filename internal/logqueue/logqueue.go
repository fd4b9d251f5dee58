// Package logqueue keeps a log's reader who is slow, asleep or gone from holding up
// those who write to it.
package logqueue

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// retry is how long nothing is written after an error: a full disk or a reader that
// is gone is not asked again for every line.
const retry = time.Second

// gather is how long lines are gathered for one write: at saturation a write for each
// few of them would cost more than making them. Nobody who reads along sees it.
const gather = time.Millisecond

// Queue is an io.Writer of whole lines that never blocks. What its destination does
// not take in time is dropped, and a line of its own says how many lines that were.
type Queue struct {
	to     io.Writer
	max    int
	format Format
	wake   chan struct{}
	closed chan struct{}
	done   chan struct{} // closed when the last line is written

	mu      sync.Mutex
	waiting []byte
	dropped int // lines of which the log does not tell yet
	writing int // lines that are being written, and dropped ones that are being told of
	telling int // of these, the dropped ones
	lost    uint64
}

// New starts a queue in which at most that many octets wait. Its own lines have a
// format. Close ends it.
func New(to io.Writer, octets int, format Format) *Queue {
	q := &Queue{to: to, max: octets, format: format, wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues lines. It returns no error.
func (q *Queue) Write(text []byte) (int, error) {
	q.mu.Lock()
	// Once one is dropped all are, until there is room: the log has one gap, not many.
	if q.dropped > 0 || len(q.waiting)+len(text) > q.max {
		n := bytes.Count(text, newline)
		q.dropped += n
		q.lost += uint64(n)
	} else {
		q.waiting = append(q.waiting, text...)
	}
	q.mu.Unlock()
	q.signal()
	return len(text), nil
}

// Dropped returns how many lines were lost since the start.
func (q *Queue) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// Close writes what waits, but gives up after a time. Its error says how many lines
// were lost at the end.
func (q *Queue) Close(atMost time.Duration) error {
	close(q.closed)
	select {
	case <-q.done:
	case <-time.After(atMost):
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if lost := bytes.Count(q.waiting, newline) + q.writing + q.dropped; lost > 0 {
		return fmt.Errorf("the last %d lines of the log were lost", lost)
	}
	return nil
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // a signal is on its way
	}
}

func (q *Queue) run() {
	defer close(q.done)
	var spare []byte
	torn := false // the last write ended within a line
	for closing := false; !closing; {
		select {
		case <-q.wake:
			time.Sleep(gather)
		case <-q.closed:
			closing = true
		}
		text := q.take(spare, torn)
		if len(text) > 0 {
			n, err := q.to.Write(text)
			q.count(text, n)
			if n > 0 {
				torn = text[n-1] != newline[0]
			}
			if err != nil {
				q.pause()
			}
		}
		spare = text[:0]
	}
}

// take returns what waits, and behind it a line about those that were dropped.
func (q *Queue) take(spare []byte, torn bool) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	text, dropped := q.waiting, q.dropped
	q.waiting, q.dropped, q.telling, q.writing = spare, 0, dropped, bytes.Count(text, newline)+dropped
	if dropped > 0 {
		var told bytes.Buffer
		slog.New(q.format.Handler(&told, slog.LevelWarn)).Warn("log lines dropped", "count", dropped)
		text = append(text, told.Bytes()...)
	}
	if torn && len(text) > 0 {
		text = slices.Insert(text, 0, newline...)
	}
	return text
}

// count notes what became of a text of which n octets were written.
func (q *Queue) count(text []byte, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n < len(text) {
		whole := bytes.TrimPrefix(text[:n], newline) // which ends a torn line
		lost := q.writing - bytes.Count(whole, newline)
		q.dropped += lost
		q.lost += uint64(lost - q.telling) // these are counted
	}
	q.writing = 0
}

// pause waits after an error, and then lets the lines that were dropped be told of.
func (q *Queue) pause() {
	select {
	case <-time.After(retry):
	case <-q.closed:
	}
	q.signal()
}

var newline = []byte("\n")
