package nameserver

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// limiter bounds how many responses go to one network, of one kind and of all
// kinds together: over UDP the sender's address may be forged, to flood whoever
// has it.
//
// Every network, and every kind of a network, has one token bucket, found by its
// hash, for as long as the limiter lives. Buckets have no owner: those whose hashes
// meet share one. So the tables do not grow, nothing is evicted, and nobody wins
// tokens by asking for many names or in the name of many networks. The price is that
// a flood may use up the tokens of a network that shares a bucket with it. Nobody can
// aim at one, as the hash is seeded; 150,000 queries a second keep about 2 of 100
// buckets empty at 50 responses a second. Whoever is hit gets truncated answers, and
// then asks over TCP or with a cookie, which are not limited.
type limiter struct {
	seed     maphash.Seed
	start    time.Time
	kinds    table
	networks table
	refused  atomic.Uint64
}

// table holds token buckets of one rate. A bucket is the time, since the limiter's
// start, at which it is full again: each response moves that time on by an interval,
// and a bucket that is a whole burst away from full is empty.
type table struct {
	buckets         []atomic.Int64
	interval, burst time.Duration
}

const (
	kindBuckets    = 1 << 18
	networkBuckets = 1 << 16
	slip           = 2  // every second response over the limit is sent truncated
	allKinds       = 20 // how many times the rate of one kind all kinds together may have
)

// newLimiter makes a limiter of rate responses a second of one kind; nil: no limit.
func newLimiter(rate int, now time.Time) *limiter {
	if rate == 0 {
		return nil
	}
	return &limiter{
		seed:     maphash.MakeSeed(),
		start:    now,
		kinds:    newTable(kindBuckets, rate),
		networks: newTable(networkBuckets, rate*allKinds),
	}
}

// newTable makes buckets that let no more than rate responses pass in any second:
// half of them at once, and the others one by one.
func newTable(buckets, rate int) table {
	atOnce := (rate + 1) / 2
	refills := time.Duration(rate - atOnce + 1) // the last of them comes when the second is over
	interval := (time.Second + refills - 1) / refills
	return table{make([]atomic.Int64, buckets), interval, time.Duration(atOnce) * interval}
}

// kind says what a response is: its code, and the name, or the zone of a name that
// does not exist.
func (l *limiter) kind(rcode int, name string) uint64 {
	if l == nil {
		return 0
	}
	return maphash.String(l.seed, name) + uint64(rcode)
}

type verdict int

const (
	pass     verdict = iota
	truncate         // so that a real client asks again over TCP
	drop
)

// allow says what becomes of a response.
func (l *limiter) allow(client netip.Addr, kind uint64, now time.Time) verdict {
	client = client.Unmap()
	if l == nil || client.IsLoopback() { // a kernel lets nobody claim loopback; a proxy on this machine speaks for many
		return pass
	}
	elapsed := now.Sub(l.start)
	network := maphash.Comparable(l.seed, networkOf(client))
	// A flood of one kind must not use up what the network has for the others, nor
	// one of many kinds what other networks have in the buckets of these kinds.
	if l.kinds.available(network+kind, elapsed) && l.networks.take(network, elapsed) && l.kinds.take(network+kind, elapsed) {
		return pass
	}
	if l.refused.Add(1)%slip == 0 {
		return truncate
	}
	return drop
}

// after says when a bucket is full again if a response is taken out of it now, and
// whether there is one in it.
func (t *table) after(full int64, now time.Duration) (next int64, ok bool) {
	next = max(full, int64(now)) + int64(t.interval)
	return next, next <= int64(now+t.burst)
}

func (t *table) bucket(hash uint64) *atomic.Int64 { return &t.buckets[hash%uint64(len(t.buckets))] }

// available tells whether there is a response in the bucket of a hash.
func (t *table) available(hash uint64, now time.Duration) bool {
	_, ok := t.after(t.bucket(hash).Load(), now)
	return ok
}

// take takes a response out of the bucket of a hash, if there is one.
func (t *table) take(hash uint64, now time.Duration) bool {
	b := t.bucket(hash)
	for {
		full := b.Load()
		next, ok := t.after(full, now)
		if !ok || b.CompareAndSwap(full, next) {
			return ok
		}
	}
}
