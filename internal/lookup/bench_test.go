package lookup_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
	"milepost/internal/lookup"
	"milepost/internal/mx"
)

// BenchmarkByMX is a domain whose MX host is in memory, beside one that the catalogue
// names.
func BenchmarkByMX(b *testing.B) {
	c := fixture.Shipped(b)
	addr := fixture.NameServer(b, fixture.FreePort(b, "127.0.0.1"), func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = append(m.Answer, fixture.Record(b, q.Question[0].Name+" 86400 IN MX 1 aspmx.l.google.com."))
		w.WriteMsg(m)
	})
	resolver := mx.New(mx.Options{Server: netip.MustParseAddrPort(addr), Rate: 10, Waiting: 8})
	batch := func(domain string) time.Duration {
		q := question(b, "fred@"+domain, "")
		start := time.Now()
		for range 100 {
			if _, err := lookup.Accounts(b.Context(), c, resolver, nil, q); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	batch("company.example")
	var named, byMX time.Duration
	n := 0
	for b.Loop() {
		named += batch("gmail.com")
		byMX += batch("company.example")
		n += 100
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(named)/float64(n), "ns/named")
	b.ReportMetric(float64(byMX)/float64(n), "ns/by-mx")
}
