package directory

import (
	"sync"
	"time"
)

const (
	failuresToOpen = 5               // in a row
	openFor        = 5 * time.Second // until one look-up tries again
)

// breaker keeps requests from waiting for a directory that does not answer: after some
// failures in a row nobody asks it for a while, and then one at a time tries.
type breaker struct {
	mu       sync.Mutex
	failures int
	open     bool
	next     time.Time // when it may be tried again, if it is open
}

// enter tells whether the directory may be asked. If it is not answering, whoever enters
// tries for all.
func (b *breaker) enter(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true
	}
	if now.Before(b.next) {
		return false
	}
	b.next = now.Add(openFor)
	return true
}

// leave notes how asking has ended, and tells whether that has opened or closed the
// breaker.
func (b *breaker) leave(ok bool, now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ok:
		b.failures = 0
		changed, b.open = b.open, false
	case !b.open:
		if b.failures++; b.failures == failuresToOpen {
			changed, b.open, b.next = true, true, now.Add(openFor)
		}
	default:
		b.next = now.Add(openFor)
	}
	return changed
}

func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}
