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
	buckets = 1 << 16
	slip    = 2 // every second response over the limit is sent truncated
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
	if l.rate == 0 || client.IsLoopback() { // a kernel lets nobody claim loopback; a proxy on this machine speaks for many
		return pass
	}
	key := maphash.Comparable(l.seed, struct {
		netip.Prefix
		kind uint64
	}{networkOf(client), kind})
	b := &l.buckets[key%buckets]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.key != key {
		b.key, b.filled, b.tokens, b.over = key, now, float64(l.rate), 0
	}
	b.tokens = min(float64(l.rate), b.tokens+max(0, now.Sub(b.filled).Seconds())*float64(l.rate))
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
