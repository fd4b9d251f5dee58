package mx

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/internal/metrics"
)

// servers returns what is sent back to an attempt at a question; over TCP the first
// message alone.
type servers func(attempt int, network string, q *dns.Msg) [][]byte

// inBubble makes a resolver whose servers are a function and no network, so that time is
// the test's own.
func inBubble(o Options, s servers) *Resolver {
	r := New(o)
	var mu sync.Mutex
	attempts := map[string]int{}
	r.dial = func(_ context.Context, network, _ string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			packet := make([]byte, maxUDP)
			n, err := server.Read(packet)
			if network == "tcp" {
				packet = packet[2:]
				n -= 2
			}
			q := new(dns.Msg)
			if err != nil || q.Unpack(packet[:n]) != nil {
				return
			}
			mu.Lock()
			attempts[q.Question[0].Name]++
			attempt := attempts[q.Question[0].Name]
			mu.Unlock()
			for _, m := range s(attempt, network, q) {
				if network == "tcp" {
					m = append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
				}
				if _, err := server.Write(m); err != nil || network == "tcp" {
					break
				}
			}
			io.Copy(io.Discard, server) // until the client goes
		}()
		return client, nil
	}
	return r
}

// reply answers a question with lines of a zone; a line behind ";" is of the authority
// section.
func reply(q *dns.Msg, lines ...string) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for _, line := range lines {
		authority := strings.HasPrefix(line, ";")
		rr, err := dns.NewRR(strings.TrimPrefix(line, ";"))
		if err != nil {
			panic(line)
		}
		if authority {
			m.Ns = append(m.Ns, rr)
		} else {
			m.Answer = append(m.Answer, rr)
		}
	}
	return m
}

func packed(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// good is the answer to any question: mx1.hoster.example.
func good(q *dns.Msg) *dns.Msg {
	return reply(q, q.Question[0].Name+" 300 IN MX 10 mx1.hoster.example.")
}

func names(hosts []address.Domain) string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.ASCII)
	}
	return strings.Join(all, " ")
}

var ample = Options{Rate: 1000, Waiting: 800}

// A look-up takes exactly as long as it must, and never longer than its time. While it
// lasts, another domain's takes none.
func TestTime(t *testing.T) {
	changed := func(q *dns.Msg, change func(*dns.Msg)) []byte {
		m := good(q)
		m.Answer[0].(*dns.MX).Mx = "forged.example."
		change(m)
		return packed(m)
	}
	wrongID := func(m *dns.Msg) { m.Id++ }
	one := func(m *dns.Msg) [][]byte { return [][]byte{packed(m)} }
	const found = "mx1.hoster.example"
	for _, tc := range []struct {
		name    string
		servers servers
		want    string
		after   time.Duration
	}{
		{"at once", func(_ int, _ string, q *dns.Msg) [][]byte { return one(good(q)) }, found, 0},
		{"never", func(int, string, *dns.Msg) [][]byte { return nil }, "", 2 * time.Second},
		{"the first question lost", func(attempt int, _ string, q *dns.Msg) [][]byte {
			if attempt == 1 {
				return nil
			}
			return one(good(q))
		}, found, patience},
		{"all of UDP lost", func(_ int, network string, q *dns.Msg) [][]byte {
			if network == "udp" {
				return nil
			}
			return one(good(q))
		}, found, 2 * patience},
		{"late", func(attempt int, _ string, q *dns.Msg) [][]byte {
			if attempt > 1 {
				return nil
			}
			time.Sleep(Timeout - time.Millisecond)
			return one(good(q))
		}, found, Timeout - time.Millisecond},
		{"too late", func(_ int, _ string, q *dns.Msg) [][]byte {
			time.Sleep(Timeout + time.Millisecond)
			return one(good(q))
		}, "", Timeout},
		{"SERVFAIL", func(_ int, _ string, q *dns.Msg) [][]byte {
			return one(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
		}, "", 0},
		{"REFUSED, then good", func(attempt int, _ string, q *dns.Msg) [][]byte {
			if attempt == 1 {
				return one(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
			}
			return one(good(q))
		}, found, 0},
		{"truncated", func(_ int, network string, q *dns.Msg) [][]byte {
			m := good(q)
			if network == "udp" {
				m.Truncated, m.Answer = true, nil
			}
			return one(m)
		}, found, 0},
		{"truncated over TCP too", func(_ int, _ string, q *dns.Msg) [][]byte {
			m := good(q)
			m.Truncated = true
			return one(m)
		}, "", 0},
		{"forged: another id", func(_ int, _ string, q *dns.Msg) [][]byte { return [][]byte{changed(q, wrongID), packed(good(q))} }, found, 0},
		{"forged: another name", func(_ int, _ string, q *dns.Msg) [][]byte {
			return [][]byte{changed(q, func(m *dns.Msg) { m.Question[0].Name = "other.example." }), packed(good(q))}
		}, found, 0},
		{"forged: another type", func(_ int, _ string, q *dns.Msg) [][]byte {
			return [][]byte{changed(q, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }), packed(good(q))}
		}, found, 0},
		{"forged: no question", func(_ int, _ string, q *dns.Msg) [][]byte {
			return [][]byte{changed(q, func(m *dns.Msg) { m.Question = nil }), packed(good(q))}
		}, found, 0},
		{"the question sent back", func(_ int, _ string, q *dns.Msg) [][]byte { return [][]byte{packed(q), packed(good(q))} }, found, 0},
		{"half a header", func(_ int, _ string, q *dns.Msg) [][]byte { return [][]byte{packed(good(q))[:11], packed(good(q))} }, found, 0},
		{"a flood of guesses", func(_ int, network string, q *dns.Msg) [][]byte {
			if network == "tcp" {
				return one(good(q))
			}
			forged := slices.Repeat([][]byte{changed(q, wrongID)}, maxUnwanted)
			return append(forged, changed(q, func(*dns.Msg) {})) // the id at last
		}, found, 0},
		{"a loop", func(_ int, _ string, q *dns.Msg) [][]byte {
			return one(reply(q, q.Question[0].Name+" 300 IN CNAME a.example.", "a.example. 300 IN CNAME "+q.Question[0].Name))
		}, "", 0},
		{"a giant", func(_ int, network string, q *dns.Msg) [][]byte {
			m := good(q)
			for i := range 600 {
				m.Answer = append(m.Answer, fixture.Record(t, fmt.Sprintf("%s 300 IN MX 10 mx%d.hoster.example.", q.Question[0].Name, i)))
			}
			if m.Truncated = network == "udp"; m.Truncated {
				m.Answer = nil
			}
			return one(m)
		}, "", 0},
		{"rubbish", func(_ int, _ string, q *dns.Msg) [][]byte { return [][]byte{packed(good(q))[:40]} }, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := inBubble(ample, func(attempt int, network string, q *dns.Msg) [][]byte {
					if q.Question[0].Name == "honest.example." {
						return one(good(q))
					}
					return tc.servers(attempt, network, q)
				})
				start := time.Now()
				go func() {
					if got := names(r.MX(t.Context(), fixture.Domain(t, "honest.example"))); got != found || time.Since(start) != 0 {
						t.Errorf("another domain's: %q after %s", got, time.Since(start))
					}
				}()
				if got := names(r.MX(t.Context(), fixture.Domain(t, "customer.example"))); got != tc.want || time.Since(start) != tc.after {
					t.Errorf("%q after %s, want %q after %s", got, time.Since(start), tc.want, tc.after)
				}
				time.Sleep(2 * Timeout) // nothing may go on longer
			})
		})
	}
}

// An answer is kept for its TTL, within bounds.
func TestKept(t *testing.T) {
	const soa = ";example. %d IN SOA ns.example. hostmaster.example. 1 2 3 4 %d"
	for _, tc := range []struct {
		name  string
		rcode int
		lines []string
		kept  time.Duration
	}{
		{"five minutes", 0, []string{"customer.example. 300 IN MX 10 mx1.hoster.example."}, 5 * time.Minute},
		{"not at all", 0, []string{"customer.example. 0 IN MX 10 mx1.hoster.example."}, leastTTL},
		{"for ever", 0, []string{"customer.example. 2147483647 IN MX 10 mx1.hoster.example."}, mostTTL},
		{"a TTL with its first bit", 0, []string{"customer.example. 4294967295 IN MX 10 mx1.hoster.example."}, leastTTL},
		{"the alias is the shortest", 0, []string{"customer.example. 60 IN CNAME a.example.", "a.example. 300 IN MX 10 mx1.hoster.example."}, time.Minute},
		{"the lowest of several", 0, []string{"customer.example. 300 IN MX 10 mx1.hoster.example.", "customer.example. 40 IN MX 20 mx2.hoster.example."}, 40 * time.Second},
		{"no MX", 0, []string{fmt.Sprintf(soa, 3600, 60)}, time.Minute},
		{"no MX for an hour", 0, []string{fmt.Sprintf(soa, 3600, 3600)}, mostNegTTL},
		{"no MX, the SOA ends before", 0, []string{fmt.Sprintf(soa, 70, 3600)}, 70 * time.Second},
		{"no MX, nobody's SOA", 0, []string{strings.Replace(fmt.Sprintf(soa, 300, 300), "example.", "other.", 1)}, leastTTL},
		{"no such name", dns.RcodeNameError, []string{fmt.Sprintf(soa, 120, 120)}, 2 * time.Minute},
		{"null MX", 0, []string{"customer.example. 86400 IN MX 0 ."}, mostNegTTL},
		{"a failure", dns.RcodeServerFailure, nil, failureKept},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int32
				r := inBubble(ample, func(_ int, _ string, q *dns.Msg) [][]byte {
					asked.Add(1)
					m := reply(q, tc.lines...)
					m.Rcode = tc.rcode
					return [][]byte{packed(m)}
				})
				ask := func() string { return names(r.MX(t.Context(), fixture.Domain(t, "customer.example"))) }
				first, before := ask(), asked.Load()
				time.Sleep(tc.kept - 1)
				if again := ask(); again != first || asked.Load() != before {
					t.Errorf("asked again too early: %d, %q", asked.Load(), again)
				}
				time.Sleep(time.Nanosecond)
				if again := ask(); again != first || asked.Load() == before {
					t.Errorf("not asked again: %q", again)
				}
			})
		})
	}
}

// What strangers can cause is bounded; whoever is over a bound is answered at once.
func TestBounds(t *testing.T) {
	silent := func(int, string, *dns.Msg) [][]byte { return nil }
	// many asks for so many domains at once, so many times each, and returns how many
	// were answered at once.
	many := func(t *testing.T, r *Resolver, domains, each int) (atOnce int32) {
		var count atomic.Int32
		var all sync.WaitGroup
		start := time.Now()
		for i := range domains * each {
			d := fixture.Domain(t, fmt.Sprintf("d%d.example", i%domains))
			all.Go(func() {
				r.MX(context.Background(), d)
				if time.Since(start) == 0 {
					count.Add(1)
				} else if time.Since(start) != Timeout {
					t.Errorf("after %s", time.Since(start))
				}
			})
		}
		all.Wait()
		return count.Load()
	}
	for _, tc := range []struct {
		name          string
		o             Options
		domains, each int
		atOnce        int32
	}{
		{"one look-up for all who ask about a domain", Options{Rate: 1, Waiting: 800}, 1, 100, 0},
		{"waiting for one", ample, 1, 150, 50},
		{"waiting for all", Options{Rate: 1000, Waiting: 80}, 20, 10, 120},
		{"under way", ample, 100, 1, 100 - maxUnderWay},
		{"a second", Options{Rate: 10, Waiting: 800}, 50, 1, 40},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tc.o.Metrics = metrics.New(metrics.Sources{})
				r := inBubble(tc.o, silent)
				if got := many(t, r, tc.domains, tc.each); got != tc.atOnce {
					t.Errorf("%d were answered at once, want %d", got, tc.atOnce)
				}
				synctest.Wait()
				if r.waiting != 0 || len(r.underWay) != 0 {
					t.Errorf("%d wait, %d are under way", r.waiting, len(r.underWay))
				}
				scrape := httptest.NewRecorder()
				tc.o.Metrics.Handler().ServeHTTP(scrape, httptest.NewRequest("GET", "/", nil))
				if want := fmt.Sprintf("\nmilepost_mx_lookups_total{result=\"limited\"} %d\n", tc.atOnce); !strings.Contains(scrape.Body.String(), want) {
					t.Errorf("the metrics lack %s", want)
				}
				time.Sleep(failureKept)
				if got := many(t, r, 1, 5); got != 0 {
					t.Error("later there is no place")
				}
			})
		})
	}
	t.Run("what is kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := inBubble(Options{Rate: 1_000_000, Waiting: 8}, func(_ int, _ string, q *dns.Msg) [][]byte { return [][]byte{packed(good(q))} })
			for i := range maxKept + 100 {
				r.MX(t.Context(), fixture.Domain(t, fmt.Sprintf("d%d.example", i)))
				r.MX(t.Context(), fixture.Domain(t, "d0.example"))
			}
			_, first := r.kept["d0.example"]
			_, second := r.kept["d1.example"]
			if len(r.kept) != maxKept || r.recent.Len() != maxKept || !first || second {
				t.Errorf("%d, %d; the one in use: %t, the other: %t", len(r.kept), r.recent.Len(), first, second)
			}
		})
	})
	t.Run("a client that leaves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := inBubble(ample, silent)
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			start := time.Now()
			if r.MX(ctx, fixture.Domain(t, "customer.example")); time.Since(start) != time.Second || r.waiting != 0 {
				t.Errorf("after %s, %d wait", time.Since(start), r.waiting)
			}
			time.Sleep(Timeout)
		})
	})
}

// No resolver hears of names that are not of the public DNS.
func TestSpecial(t *testing.T) {
	r := New(ample)
	r.dial = func(context.Context, string, string) (net.Conn, error) {
		t.Error("asked")
		return nil, io.EOF
	}
	for _, name := range []string{"localhost", "fred", "mail.localhost", "printer.local", "intranet.internal", "a.test", "a.invalid",
		"abc.onion", "a.alt", "1.2.0.192.in-addr.arpa", "home.arpa"} {
		if got := r.MX(t.Context(), fixture.Domain(t, name)); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if special("local.example") || special("test.org") {
		t.Error("an ordinary name is special")
	}
}

// BenchmarkKept is the cost of a domain whose answer is in memory.
func BenchmarkKept(b *testing.B) {
	r := New(ample)
	d := fixture.Domain(b, "customer.example")
	r.keep(&entry{d.ASCII, []address.Domain{fixture.Domain(b, "mx1.hoster.example")}, time.Now().Add(time.Hour)})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if r.MX(ctx, d) == nil {
			b.Fatal("not kept")
		}
	}
}
