package directory

import (
	"context"
	"sync"
	"time"
)

// period is the time between two beats.
const period = time.Millisecond

// beat lets answers go at whole milliseconds of the clock. To read a row takes some
// microseconds more than to find none; as nobody knows when within a millisecond his
// request comes, that goes under.
type beat struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next beat; nil: nobody waits
}

// wait waits for the next beat.
func (b *beat) wait(ctx context.Context) {
	b.mu.Lock()
	if b.next == nil {
		b.next = make(chan struct{})
		go b.strike()
	}
	next := b.next
	b.mu.Unlock()
	select {
	case <-next:
	case <-ctx.Done():
	}
}

func (b *beat) strike() {
	now := time.Now()
	sleep(now.Truncate(period).Add(period).Sub(now.Round(0))) // not until then: the clock may be set back
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = nil
}
