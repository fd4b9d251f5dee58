package certs

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// DefaultNewOrdersPerHour keeps below Let's Encrypt's 300 new orders an account in
// three hours: with a full allowance at the start it makes at most 240 in any three.
const DefaultNewOrdersPerHour = 60

// A name whose order failed waits, three times as long each time. Let's Encrypt takes
// 5 failed authorizations of a name in an hour. An attempt may make two, for a second
// order tries the other challenge; no hour has more than two attempts.
const (
	firstWait   = 20 * time.Minute
	shortWait   = time.Minute // what was not the name's fault
	longestWait = 24 * time.Hour
)

// maxFailed bounds the names whose failures are remembered.
const maxFailed = 10_000

var errLimit = errors.New("the limit of new orders an hour is reached")

// orders says which names may be ordered now: how many in an hour, and which must
// wait because their last order failed.
type orders struct {
	perHour float64
	now     func() time.Time

	mu      sync.Mutex
	left    float64 // at most perHour
	counted time.Time
	failed  map[string]failure
}

type failure struct {
	wait  time.Duration // after its last order; 0: no order failed by its fault
	until time.Time
	why   error
}

func newOrders(perHour int, now func() time.Time) *orders {
	return &orders{perHour: float64(perHour), now: now, left: float64(perHour), counted: now(), failed: make(map[string]failure)}
}

// waits returns why a name must wait for its next order, and until when.
func (o *orders) waits(name string) (time.Time, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, ok := o.failed[name]
	if now := o.now(); !ok || !now.Before(f.until) || f.until.Sub(now) > longestWait { // a clock set back ends a wait
		return time.Time{}, nil
	}
	return f.until, fmt.Errorf("its last order failed; the next one is made after %s: %w", date(f.until), f.why)
}

// take takes one new order from what is left of this hour. A name that has failed
// before leaves half of them to others, so that many such names cannot use them up.
// The first name, the service's own, may have the last one.
func (o *orders) take(name string, first bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	need := 1.0
	if o.failed[name].wait > 0 && !first {
		need = max(1, o.perHour/2)
	}
	if !first && o.perHour >= 2 {
		need++ // one is the service's
	}
	if o.refill(); o.left < need {
		return errLimit
	}
	o.left--
	return nil
}

// empty says whether there is nothing left for a name that has not failed.
func (o *orders) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refill()
	return o.left < min(2, max(1, o.perHour))
}

func (o *orders) refill() {
	now := o.now()
	// A clock set back gives nothing, and takes nothing.
	o.left = min(o.perHour, o.left+max(0, now.Sub(o.counted).Hours())*o.perHour)
	o.counted = now
}

// fail makes a name wait, and returns until when. It also counts the second order of
// the attempt.
func (o *orders) fail(name string, why error) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	wait := firstWait
	if f := o.failed[name]; f.wait > 0 {
		wait = min(3*f.wait, longestWait)
	}
	o.refill()
	o.left = max(0, o.left-1)
	return o.note(name, failure{wait, o.now().Add(wait), why})
}

// postpone makes a name wait shortly for what is not its fault, such as an ACME server
// that cannot be reached. An order that was taken for it is given back.
func (o *orders) postpone(name string, why error, giveBack bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	if giveBack {
		o.refill()
		o.left = min(o.perHour, o.left+1)
	}
	return o.note(name, failure{o.failed[name].wait, o.now().Add(shortWait), why})
}

func (o *orders) note(name string, f failure) time.Time {
	if _, ok := o.failed[name]; !ok && len(o.failed) >= maxFailed {
		o.forgetOne()
	}
	o.failed[name] = f
	return f.until
}

// forgetOne forgets the name that may be ordered soonest.
func (o *orders) forgetOne() {
	var soonest string
	for name, f := range o.failed {
		if soonest == "" || f.until.Before(o.failed[soonest].until) {
			soonest = name
		}
	}
	delete(o.failed, soonest)
}

func (o *orders) succeed(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.failed, name)
}
