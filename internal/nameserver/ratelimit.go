package nameserver

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiter bounds how many responses of one kind go to one network, since over UDP
// the address may be somebody else's who is to be flooded. Each network and kind
// has a bucket that holds a second's worth of responses.
type limiter struct {
	rate    int // responses a second; 0: no limit
	seed    maphash.Seed
	buckets []bucket
}

// bucket is shared by those whose hashes meet; the newcomer takes it over, so a
// flood of networks cannot grow the table.
type bucket struct {
	mu     sync.Mutex
	key    uint64
	filled time.Time
	tokens float64
	over   uint // responses since it was empty
}

const (
	buckets  = 1 << 16
	slip     = 2  // every second response over the limit is sent truncated
	allKinds = 20 // how many times the rate of one kind all kinds together may have
)

func newLimiter(rate int) *limiter {
	l := &limiter{rate: rate, seed: maphash.MakeSeed()}
	if rate > 0 {
		l.buckets = make([]bucket, buckets)
	}
	return l
}

// kind says what a response is: its code, and the name, or the zone of a name that
// does not exist.
func (l *limiter) kind(rcode int, name string) uint64 {
	return maphash.String(l.seed, name) + uint64(rcode) + 1
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
	if l.rate == 0 || client.IsLoopback() { // a kernel lets nobody claim loopback; a proxy on this machine speaks for many
		return pass
	}
	network := networkOf(client)
	if v := l.take(network, kind, float64(l.rate), now); v != pass {
		return v
	}
	return l.take(network, 0, float64(l.rate*allKinds), now)
}

// take takes a response out of a bucket that gets rate of them a second.
func (l *limiter) take(network netip.Prefix, kind uint64, rate float64, now time.Time) verdict {
	key := maphash.Comparable(l.seed, struct {
		netip.Prefix
		kind uint64
	}{network, kind})
	b := &l.buckets[key%buckets]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.key != key {
		b.key, b.filled, b.tokens, b.over = key, now, rate, 0
	}
	b.tokens = min(rate, b.tokens+max(0, now.Sub(b.filled).Seconds())*rate)
	b.filled = now
	if b.tokens >= 1 {
		b.tokens--
		return pass
	}
	if b.over++; b.over%slip == 0 {
		return truncate
	}
	return drop
}
