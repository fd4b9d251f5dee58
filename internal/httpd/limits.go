package httpd

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"milepost/internal/answer"
	"milepost/internal/metrics"
	"milepost/internal/ratelimit"
)

// Limits bound how much one client may ask, and what all may ask at once. Zero fields
// bound nothing. A client is an address of IPv4, or a /64 of IPv6: what one household
// has.
//
// The defaults of milepost.toml (50, 2000, 2048) are for an office, or the customers of
// a mobile network, behind one address. 300 people whose mail programs start in the same
// second send up to 1800 requests: a program asks for two or three documents, some by HTTP
// and by HTTPS, and a page comes with three files. After that, somebody new can come every
// 120 ms. So one address may have half of all connections, too: when the machine is busy,
// hundreds of such handshakes are under way at a time. Whoever asks for 50 documents a
// second for long takes a thousandth of a processor, and for 50 profiles signed with RSA
// 4 % (docs/performance.md). 2048 requests whose clients do not read hold 65 to 115 MB.
type Limits struct {
	Rate  int // requests a second of one client, for long
	Burst int // requests of one client at once, after a pause; 1 at least if there is a Rate
	// AtOnce is how many requests may be under way. One holds up to 56 KiB.
	AtOnce int
	// MXRate is how many domains a second one client may have looked up in DNS, for long,
	// and ShareMX times as many at once. More are answered as if there were no DNS.
	MXRate int

	// Refused hears of each request that is refused; nil: nobody does.
	Refused func(Excess)
}

// ShareMX is how many clients it takes to use up the look-ups of all, if each may have
// MXRate of them.
const ShareMX = 8

// Excess says why a request is refused.
type Excess string

const (
	TooFast Excess = "rate" // its client asks too much: 429
	TooMany Excess = "load" // all clients do: 503
)

// limiter holds the requests to the limits.
type limiter struct {
	Limits
	proxies  Proxies // whose own addresses speak for many, as loopback does
	seed     maphash.Seed
	start    time.Time
	clients  ratelimit.Table
	mx       ratelimit.Table
	doctor   ratelimit.Table
	underWay atomic.Int64
}

// buckets take half a megabyte. An address of TCP cannot be forged, so it takes as many
// clients as there are to empty a bucket that is somebody else's too.
const buckets = 1 << 16

func newLimiter(l Limits, proxies Proxies, now time.Time) *limiter {
	out := &limiter{Limits: l, proxies: proxies, seed: maphash.MakeSeed(), start: now}
	if l.Rate > 0 {
		out.clients = ratelimit.New(buckets, time.Second/time.Duration(l.Rate), max(l.Burst, 1))
	}
	if l.MXRate > 0 {
		out.mx = ratelimit.New(buckets, time.Second/time.Duration(l.MXRate), ShareMX*l.MXRate)
	}
	out.doctor = ratelimit.New(fewBuckets, diagnosisEvery, diagnosesAtOnce)
	return out
}

// fewBuckets are for what is begun seldom.
const fewBuckets = 1 << 12

// mayDiagnose tells whether a client may have one more domain examined.
func (l *limiter) mayDiagnose(client netip.Addr, now time.Time) bool {
	bucket, bounded := l.bucket(client)
	return !bounded || l.doctor.Take(bucket, now.Sub(l.start))
}

// wait returns how long a client has to wait for its next request; 0: this one may
// pass.
func (l *limiter) wait(client netip.Addr, now time.Time) time.Duration {
	bucket, bounded := l.bucket(client)
	elapsed := now.Sub(l.start)
	if l.Rate == 0 || !bounded || l.clients.Take(bucket, elapsed) {
		return 0
	}
	return max(l.clients.Wait(bucket, elapsed), 1) // another request may have come between
}

// mayLookUp tells whether a client may have one more domain looked up in DNS.
func (l *limiter) mayLookUp(client netip.Addr, now time.Time) bool {
	bucket, bounded := l.bucket(client)
	return l.MXRate == 0 || !bounded || l.mx.Take(bucket, now.Sub(l.start))
}

// bucket returns whose tokens a client takes; false: it is one that has no bounds of its
// own.
func (l *limiter) bucket(client netip.Addr) (hash uint64, bounded bool) {
	if !client.IsValid() || client.IsLoopback() || l.proxies.trusts(client) {
		return 0, false
	}
	octets := client.As16()
	network := octets[:8]
	if client.Unmap().Is4() {
		network = octets[12:]
	}
	return maphash.Bytes(l.seed, network), true
}

// enter counts a request in; false: there are too many. One that is in leaves.
func (l *limiter) enter() bool {
	if n := l.underWay.Add(1); l.AtOnce == 0 || n <= int64(l.AtOnce) {
		return true
	}
	l.leave()
	return false
}

func (l *limiter) leave() { l.underWay.Add(-1) }

// admitted answers a request that is within the limits.
func (s *server) admitted(answer echo.HandlerFunc, x *exchange, now time.Time) error {
	if wait := s.limits.wait(x.client, now); wait > 0 {
		return s.excess(x, TooFast, wait)
	}
	if !s.limits.enter() {
		return s.excess(x, TooMany, time.Second)
	}
	defer s.limits.leave()
	return s.recovered(answer, x)
}

// excess refuses a request in few words, which cost less than what was asked for. The
// connection stays: a handshake would cost more than the next request (RFC 6585 §4,
// RFC 9110 §15.6.4).
func (s *server) excess(x *exchange, why Excess, wait time.Duration) error {
	if s.limits.Refused != nil {
		s.limits.Refused(why)
	}
	reason := metrics.Rate
	if why == TooMany {
		reason = metrics.Overload
	}
	s.Metrics.Limited(reason)
	seconds := int((wait + time.Second - 1) / time.Second)
	x.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(seconds))
	if why == TooMany {
		return answerProgram(x, answer.StatusProblem(http.StatusServiceUnavailable, fmt.Sprintf("the server is busy; ask again in %d s", seconds)))
	}
	return answerProgram(x, answer.StatusProblem(http.StatusTooManyRequests, fmt.Sprintf("this address asks too much; ask again in %d s", seconds)))
}
