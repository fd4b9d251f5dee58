package directory_test

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// BenchmarkTiming asks about addresses that exist and about as many that do not, 20,000
// in all, in random order, with a login name as long as the fallback. It reports how far
// the medians of the two are apart, and for comparison, how far those of two halves of the
// addresses that exist are: the noise.
func BenchmarkTiming(b *testing.B) {
	const requests = 20_000
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
			var known, unknown, half [2]float64
			for b.Loop() {
				var times [4][]float64 // known and unknown, each in two halves
				for range requests {
					kind := random.IntN(4)
					local := fmt.Sprintf("user%05d", random.IntN(requests))
					if kind >= 2 {
						local = fmt.Sprintf("nobo%05d", random.IntN(requests))
					}
					times[kind] = append(times[kind], ask(local))
				}
				known[0] += median(append(append([]float64{}, times[0]...), times[1]...))
				unknown[0] += median(append(append([]float64{}, times[2]...), times[3]...))
				half[0] += median(times[0])
				half[1] += median(times[1])
			}
			n := float64(b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(known[0]/n, "ns/known")
			b.ReportMetric(unknown[0]/n, "ns/unknown")
			b.ReportMetric((known[0]-unknown[0])/n, "ns-difference")
			b.ReportMetric((half[0]-half[1])/n, "ns-noise")
		})
	}
}
