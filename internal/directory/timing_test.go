package directory_test

import (
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkTiming asks about addresses that exist and about as many that do not, 20,000
// in all, in random order, with a login name as long as the fallback. It reports how far
// the medians of the two are apart, on average over 40 rounds, and the noise: twice the
// standard error of that.
func BenchmarkTiming(b *testing.B) {
	const requests, rounds = 20_000, 40
	var table [][3]string
	for i := range requests {
		table = append(table, [3]string{fmt.Sprintf("user%05d@example.com", i), fmt.Sprintf("login%05d.example.co", i), ""})
	}
	for _, e := range engines {
		b.Run(string(e.kind), func(b *testing.B) {
			d := e.byAddress(e.users(b, table...))
			h := handler(b, newLogins(b, d))
			ask := func(local string) float64 {
				r := httptest.NewRequest(http.MethodGet, "/mail/config-v1.1.xml?emailaddress="+local+"@example.com", nil)
				r.TLS = new(tls.ConnectionState)
				w := httptest.NewRecorder()
				start := time.Now()
				h.ServeHTTP(w, r)
				return float64(time.Since(start))
			}
			for i := range 2000 { // caches of all kinds, and the connections
				ask(fmt.Sprintf("user%05d", i))
			}
			random := rand.New(rand.NewPCG(1, 2))
			var known, unknown, differences []float64
			for b.Loop() {
				for range rounds {
					var times [2][]float64
					for range requests / rounds {
						kind, local := random.IntN(2), fmt.Sprintf("user%05d", random.IntN(requests))
						if kind == 1 {
							local = fmt.Sprintf("nobo%05d", random.IntN(requests))
						}
						times[kind] = append(times[kind], ask(local))
					}
					k, u := median(times[0]), median(times[1])
					known, unknown, differences = append(known, k), append(unknown, u), append(differences, k-u)
				}
			}
			difference, squares := mean(differences), 0.0
			for _, d := range differences {
				squares += (d - difference) * (d - difference)
			}
			n := float64(len(differences))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(mean(known), "ns/known")
			b.ReportMetric(mean(unknown), "ns/unknown")
			b.ReportMetric(difference, "ns-difference")
			b.ReportMetric(2*math.Sqrt(squares/(n-1)/n), "ns-noise")
		})
	}
}

func mean(of []float64) (sum float64) {
	for _, v := range of {
		sum += v / float64(len(of))
	}
	return sum
}
