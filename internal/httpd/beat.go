package httpd

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// period is the time between two beats, and the least that an answer takes for which a
// directory was asked.
const period = time.Millisecond

// beat lets answers go at whole milliseconds of the clock, the first one that is a period
// after the directory was asked. To read a row takes some microseconds more than to find
// none, and that must not tell when the answer goes. It does only if the directory takes
// longer than a period; then the next beat leaves as little of it as there is chance in
// when requests come.
//
// Answers of one beat go in random order: of two requests that came in one packet, the
// order of their answers would tell, whatever the network does.
type beat struct {
	mu       sync.Mutex
	waiting  []waiter
	striking bool
}

type waiter struct {
	earliest time.Time
	gone     chan struct{} // closed when it may go
}

// begin is for who asks a directory now. What it returns waits until the answer may go.
func (b *beat) begin(ctx context.Context) (wait func()) {
	earliest := time.Now().Add(period)
	return func() {
		w := waiter{earliest, make(chan struct{})}
		b.mu.Lock()
		b.waiting = append(b.waiting, w)
		if !b.striking {
			b.striking = true
			go b.strike()
		}
		b.mu.Unlock()
		select {
		case <-w.gone:
		case <-ctx.Done():
		}
	}
}

// strike beats as long as somebody waits.
func (b *beat) strike() {
	for more := true; more; {
		now := time.Now()
		sleep(now.Truncate(period).Add(period).Sub(now.Round(0)))
		var going []waiter
		going, more = b.due(time.Now())
		rand.Shuffle(len(going), func(i, j int) { going[i], going[j] = going[j], going[i] })
		for _, w := range going {
			close(w.gone)
		}
	}
}

// due takes out who may go now, and tells whether somebody stays.
func (b *beat) due(now time.Time) (going []waiter, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	staying := b.waiting[:0]
	for _, w := range b.waiting {
		if now.Before(w.earliest) {
			staying = append(staying, w)
		} else {
			going = append(going, w)
		}
	}
	clear(b.waiting[len(staying):])
	b.waiting, b.striking = staying, len(staying) > 0
	return going, b.striking
}
