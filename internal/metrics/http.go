package metrics

import (
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"milepost/internal/useragent"
)

// statuses are the codes that the server sends. Another one is counted as "other".
var statuses = []int{
	0: 0, // other
	1: http.StatusOK, 2: http.StatusMovedPermanently, 3: http.StatusFound, 4: http.StatusNotModified, 5: http.StatusPermanentRedirect,
	6: http.StatusBadRequest, 7: http.StatusForbidden, 8: http.StatusNotFound, 9: http.StatusMethodNotAllowed, 10: http.StatusRequestEntityTooLarge,
	11: http.StatusMisdirectedRequest, 12: http.StatusUnprocessableEntity, 13: http.StatusTooManyRequests,
	14: http.StatusInternalServerError, 15: http.StatusServiceUnavailable, 16: http.StatusTemporaryRedirect, 17: http.StatusNoContent, 18: http.StatusSeeOther,
}

var statusNames = func() (names []string) {
	for _, s := range statuses {
		names = append(names, strconv.Itoa(s))
	}
	names[0] = "other"
	return names
}()

// statusAt are the indexes of statuses.
var statusAt = func() (at [600]uint8) {
	for i, s := range statuses {
		at[s] = uint8(i)
	}
	return at
}()

// Statuses are the codes that have a series of their own.
func Statuses() []int { return slices.Clone(statuses[1:]) }

// buckets are the upper bounds of the histogram: an answer that is kept takes some
// 20 µs, one that is rendered 100, a signed profile 2 ms.
var buckets = [...]time.Duration{
	50 * time.Microsecond, 200 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	25 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second,
}

var (
	took       = prometheus.NewDesc(namespace+"http_request_seconds", "How long HTTP requests took, from their header to the end of the answer.", []string{"format"}, nil)
	loginsTook = prometheus.NewDesc(namespace+"login_lookup_seconds", "How long look-ups of a login name in a directory took, those that failed or had no time left included.", nil, nil)
)

// Format counts the requests for one format, or for one page.
type Format struct {
	requests counter
	name     string
	took     histogram
}

// histogram counts times in buckets.
type histogram struct {
	in  [len(buckets) + 1]atomic.Uint64 // the last one has no bound
	sum atomic.Int64                    // nanoseconds
}

func (h *histogram) add(took time.Duration) {
	bucket := 0
	for bucket < len(buckets) && took > buckets[bucket] {
		bucket++
	}
	h.in[bucket].Add(1)
	h.sum.Add(int64(took))
}

// collect sends it, unless it is empty.
func (h *histogram) collect(to chan<- prometheus.Metric, desc *prometheus.Desc, labels ...string) {
	sum := time.Duration(h.sum.Load())
	cumulative, count := make(map[float64]uint64, len(buckets)), uint64(0)
	for i, bound := range buckets {
		count += h.in[i].Load()
		cumulative[bound.Seconds()] = count
	}
	count += h.in[len(buckets)].Load()
	if count > 0 {
		to <- prometheus.MustNewConstHistogram(desc, count, sum.Seconds(), cumulative, labels...)
	}
}

// Format returns what counts under a name, which must be one of the program's own.
func (m *Metrics) Format(name string) *Format {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.formats {
		if f.name == name {
			return f
		}
	}
	f := &Format{name: name, requests: newCounter("http_requests_total", "HTTP requests that were answered.",
		label{"format", []string{name}}, label{"client", useragent.Names()}, label{"status", statusNames})}
	m.formats = append(m.formats, f)
	return f
}

// Answered counts a request.
func (f *Format) Answered(client useragent.Class, status int, after time.Duration) {
	if f == nil {
		return
	}
	at := 0
	if uint(status) < uint(len(statusAt)) {
		at = int(statusAt[status])
	}
	f.requests.add(int(client)*len(statusNames) + at)
	f.took.add(after)
}

func (f *Format) collect(to chan<- prometheus.Metric) {
	f.requests.collect(to, false)
	f.took.collect(to, took, f.name)
}
