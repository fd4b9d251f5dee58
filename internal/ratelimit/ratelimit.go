// Package ratelimit has token buckets for strangers, whose number nobody knows.
//
// A bucket belongs to a hash for as long as its table lives, and those whose hashes
// meet share one. So a table does not grow, nothing is evicted, and nobody wins
// tokens by coming in many names. The price is that a flood may use up the tokens of
// somebody who shares a bucket with it; nobody can aim at one if the hash is seeded.
package ratelimit

import (
	"sync/atomic"
	"time"
)

// Table holds the buckets of one rate. A bucket is the time at which it is full
// again: each token that is taken moves that time on by an interval, and a bucket that
// is a whole burst away from full is empty. Times are since a start that the caller
// chooses; a clock that is set back gives no tokens.
type Table struct {
	buckets         []atomic.Int64
	interval, burst time.Duration
}

// New makes a table of so many buckets, of 8 octets each. A bucket holds atOnce tokens
// and gets another one each interval.
func New(buckets int, interval time.Duration, atOnce int) Table {
	return Table{make([]atomic.Int64, buckets), interval, time.Duration(atOnce) * interval}
}

// Wait returns how long it is until there is a token in the bucket of a hash; 0: there
// is one.
func (t *Table) Wait(hash uint64, now time.Duration) time.Duration {
	return max(t.after(t.bucket(hash).Load(), now)-now-t.burst, 0)
}

// Take takes a token out of the bucket of a hash, if there is one.
func (t *Table) Take(hash uint64, now time.Duration) bool {
	b := t.bucket(hash)
	for {
		full := b.Load()
		next := t.after(full, now)
		if next > now+t.burst {
			return false
		}
		if b.CompareAndSwap(full, int64(next)) {
			return true
		}
	}
}

// after says when a bucket is full again if a token is taken out of it now.
func (t *Table) after(full int64, now time.Duration) time.Duration {
	return max(time.Duration(full), now) + t.interval
}

func (t *Table) bucket(hash uint64) *atomic.Int64 { return &t.buckets[hash%uint64(len(t.buckets))] }
