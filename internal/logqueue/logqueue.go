// Package logqueue keeps a log's reader who is slow, asleep or gone from holding up
// those who write to it.
package logqueue

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// retry is how long nothing is written after an error: a full disk or a reader that
// is gone is not asked again for every line.
const retry = time.Second

// Queue is an io.Writer of whole lines that never blocks. What its destination does
// not take in time is dropped, and a line of its own says how many lines that were.
type Queue struct {
	to     io.Writer
	max    int
	wake   chan struct{}
	closed chan struct{}
	done   chan struct{} // closed when the last line is written

	mu      sync.Mutex
	waiting batch
	dropped int // lines of which the log does not tell yet
	writing int // lines that are being written, and dropped ones that are being told of
}

// batch is what is written at once.
type batch struct {
	text  []byte
	lines int
}

// New starts a queue in which so many octets may wait. Close ends it.
func New(to io.Writer, octets int) *Queue {
	q := &Queue{to: to, max: octets, wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues lines. It returns no error.
func (q *Queue) Write(text []byte) (int, error) {
	lines := bytes.Count(text, newline)
	q.mu.Lock()
	// Once one is dropped all are, until there is room: the log has one gap, not many.
	if q.dropped > 0 || len(q.waiting.text)+len(text) > q.max {
		q.dropped += lines
	} else {
		q.waiting.text = append(q.waiting.text, text...)
		q.waiting.lines += lines
	}
	q.mu.Unlock()
	q.signal()
	return len(text), nil
}

// Close writes what waits, for so long at most. Its error says how many lines were
// lost at the end.
func (q *Queue) Close(atMost time.Duration) error {
	close(q.closed)
	select {
	case <-q.done:
	case <-time.After(atMost):
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if lost := q.waiting.lines + q.writing + q.dropped; lost > 0 {
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
			runtime.Gosched() // whoever is about to log does so, and one write takes all of it
		case <-q.closed:
			closing = true
		}
		b, dropped := q.take(spare, torn)
		if len(b.text) > 0 {
			n, err := q.to.Write(b.text)
			q.count(b, n, dropped)
			if n > 0 {
				torn = b.text[n-1] != newline[0]
			}
			if err != nil {
				q.pause()
			}
		}
		spare = b.text[:0]
	}
}

// take returns what waits, and how many dropped lines its last line reports.
func (q *Queue) take(spare []byte, torn bool) (b batch, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, dropped = q.waiting, q.dropped
	q.waiting, q.dropped, q.writing = batch{text: spare}, 0, b.lines+dropped
	if dropped > 0 {
		var told bytes.Buffer
		slog.New(slog.NewTextHandler(&told, nil)).Warn("log lines dropped", "count", dropped)
		b.text = append(b.text, told.Bytes()...)
	}
	if torn && len(b.text) > 0 {
		b.text = append([]byte("\n"), b.text...)
	}
	return b, dropped
}

// count notes what became of a batch of which n octets were written.
func (q *Queue) count(b batch, n, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = 0
	if n < len(b.text) {
		whole := bytes.TrimPrefix(b.text[:n], newline) // which ends a torn line
		q.dropped += dropped + max(0, b.lines-bytes.Count(whole, newline))
	}
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
