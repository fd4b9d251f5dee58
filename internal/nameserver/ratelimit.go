package nameserver

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"

	"milepost/internal/ratelimit"
)

// limiter bounds how many responses go to one network, of one kind and of all
// kinds together: over UDP the sender's address may be forged, to flood whoever
// has it.
//
// Every network, and every kind of a network, has a bucket in a table that never
// forgets. 150,000 queries a second keep about 2 of 100 buckets empty at 50 responses a
// second. Whoever shares one of those gets truncated answers, and then asks over TCP or
// with a cookie, which are not limited.
type limiter struct {
	seed     maphash.Seed
	start    time.Time
	kinds    ratelimit.Table
	networks ratelimit.Table
	refused  atomic.Uint64
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
func newTable(buckets, rate int) ratelimit.Table {
	atOnce := (rate + 1) / 2
	refills := time.Duration(rate - atOnce + 1) // the last of them comes when the second is over
	interval := (time.Second + refills - 1) / refills
	return ratelimit.New(buckets, interval, atOnce)
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
	if l.kinds.Wait(network+kind, elapsed) == 0 && l.networks.Take(network, elapsed) && l.kinds.Take(network+kind, elapsed) {
		return pass
	}
	if l.refused.Add(1)%slip == 0 {
		return truncate
	}
	return drop
}
