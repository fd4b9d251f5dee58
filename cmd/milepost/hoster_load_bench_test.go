//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// waits is how long requests took, in milliseconds, and by how much the machine woke
// somebody too late who asked for nothing.
type waits struct{ http, dns, machine []float64 }

func (w *waits) report(b *testing.B, when string) {
	for _, of := range []struct {
		name string
		took []float64
	}{{"HTTP", w.http}, {"DNS", w.dns}, {"machine", w.machine}} {
		slices.Sort(of.took)
		b.ReportMetric(of.took[len(of.took)*99/100], "ms/p99-"+of.name+"-"+when)
		b.ReportMetric(of.took[len(of.took)-1], "ms/slowest-"+of.name+"-"+when)
	}
	b.ReportMetric(float64(len(w.http)), "requests-"+when)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func milliseconds(t time.Duration) float64 { return float64(t.Microseconds()) / 1000 }

// load begins to ask about domains all the time, and returns what ends that.
func (s started) load(b *testing.B, into *waits) (end func()) {
	stop := make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	loop := func(to *[]float64, once func() (time.Duration, error)) {
		all.Go(func() {
			var took []float64
			defer func() {
				mu.Lock()
				*to = append(*to, took...)
				mu.Unlock()
			}()
			for {
				t, err := once()
				if err != nil {
					b.Error(err)
					return
				}
				took = append(took, milliseconds(t))
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
			}
		})
	}
	for range 2 {
		conn, err := net.Dial("tcp", s.http)
		if err != nil {
			b.Fatal(err)
		}
		all.Go(func() { <-stop; conn.SetDeadline(time.Now().Add(time.Minute)) })
		r := bufio.NewReader(conn)
		loop(&into.http, func() (time.Duration, error) {
			domain := anyCustomer()
			begun := time.Now()
			fmt.Fprintf(conn, "GET /mail/config-v1.1.xml HTTP/1.1\r\nHost: autoconfig.%s\r\n\r\n", domain)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			took := time.Since(begun)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s: %s", domain, resp.Status)
			}
			return took, err
		})
		names, err := dns.Dial("udp", s.dns)
		if err != nil {
			b.Fatal(err)
		}
		client := dns.Client{Timeout: 5 * time.Second}
		loop(&into.dns, func() (time.Duration, error) {
			domain := anyCustomer()
			reply, took, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion("_imaps._tcp."+domain+".", dns.TypeSRV), names)
			if err == nil && len(reply.Answer) != 1 {
				err = fmt.Errorf("%s: %v", domain, reply)
			}
			return took, err
		})
	}
	loop(&into.machine, func() (time.Duration, error) {
		begun := time.Now()
		time.Sleep(time.Millisecond)
		return time.Since(begun) - time.Millisecond, nil
	})
	return func() { close(stop); all.Wait() }
}

// anyCustomer is one whose row no benchmark changes so that it has other answers: those in
// the first half.
func anyCustomer() string {
	return fmt.Sprintf("customer-%d.example", 1+rand.IntN(*hosterDomains/2))
}

// change changes a row: one is new, gone, no longer active, or another brand's.
func (h *hoster) change(b *testing.B, n int) {
	b.Helper()
	half := *hosterDomains / 2
	other := fmt.Sprintf("customer-%d.example", half+1+rand.IntN(half))
	switch n % 4 {
	case 0:
		h.sql(b, h.insert, fmt.Sprintf("added-%d.example", n))
	case 1:
		h.sql(b, "UPDATE milepost.domain SET name = $2 WHERE domain = $1", anyCustomer(), fmt.Sprint("Brand ", rand.IntN(20)))
	case 2:
		h.sql(b, "UPDATE milepost.domain SET active = NOT active WHERE domain = $1", other)
	case 3:
		h.sql(b, "DELETE FROM milepost.domain WHERE domain = $1", fmt.Sprintf("added-%d.example", n-3))
	}
}

// BenchmarkHosterChanges is how long requests take while rows change a hundred times a
// second, and in turn with that while nothing does.
func BenchmarkHosterChanges(b *testing.B) {
	h := newHoster(b, fixture.Build(b), "NOTIFY")
	s, _ := h.start(b, "disk", "-dns", "127.0.0.1:0")
	time.Sleep(3 * time.Second) // it has kept what it read
	const turns, pause = 3, 10 * time.Millisecond
	var quiet, changing waits
	n, took := 0, time.Duration(0)
	for b.Loop() {
		for range turns {
			end := s.load(b, &quiet)
			time.Sleep(*hosterChanges / turns)
			end()
			end = s.load(b, &changing)
			begun := time.Now()
			for next := begun; time.Since(begun) < *hosterChanges/turns; n++ {
				h.change(b, n)
				next = next.Add(pause)
				time.Sleep(time.Until(next))
			}
			took += time.Since(begun)
			end()
		}
	}
	h.sql(b, h.insert, "last.example")
	fixture.Await(b, "the last change is not served", func() bool { return s.overHTTP("last.example") == nil })
	b.ReportMetric(float64(n)/took.Seconds(), "changes/s")
	b.ReportMetric(float64(fixture.Peak(b, s.Process.Pid))/1e6, "MB-at-most")
	quiet.report(b, "quiet")
	changing.report(b, "changing")
}

// BenchmarkHosterReload is the time from SIGHUP until what a provider file has now is
// served, how long requests take meanwhile, and the memory that it takes.
func BenchmarkHosterReload(b *testing.B) {
	h := newHoster(b, fixture.Build(b), "asking")
	s, _ := h.start(b, "disk", "-dns", "127.0.0.1:0")
	time.Sleep(3 * time.Second)
	var quiet, reloading waits
	var took []float64
	most := 0
	for b.Loop() {
		end := s.load(b, &quiet)
		time.Sleep(time.Second)
		end()
		host := fmt.Sprintf("mail-%d.example.net", len(took))
		h.writeProvider(b, host)
		fixture.ForgetPeak(b, s.Process.Pid)
		end = s.load(b, &reloading)
		begun := time.Now()
		if err := s.Process.Signal(syscall.SIGHUP); err != nil {
			b.Fatal(err)
		}
		fixture.Await(b, "it does not reload", func() bool {
			_, body, err := fetchFrom(s.http, "http", "autoconfig.customer-1.example", "/mail/config-v1.1.xml")
			return err == nil && strings.Contains(body, host)
		})
		took = append(took, time.Since(begun).Seconds())
		time.Sleep(time.Second) // what is left behind is collected under load too
		end()
		most = max(most, fixture.Peak(b, s.Process.Pid))
	}
	b.ReportMetric(slices.Min(took), "s/fastest-reload")
	b.ReportMetric(slices.Max(took), "s/slowest-reload")
	b.ReportMetric(float64(most)/1e6, "MB-at-most")
	quiet.report(b, "quiet")
	reloading.report(b, "reloading")
}

// postmaster is the process whose children answer.
func (h *hoster) postmaster(b *testing.B) (pid string) {
	b.Helper()
	var own string
	if err := h.db.QueryRow("SELECT pg_backend_pid()::text").Scan(&own); err != nil {
		b.Fatal(err)
	}
	return processStat(own)[1]
}

// processStat is what the kernel says of a process, from its state on; nil: it is gone.
func processStat(pid string) []string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
}

// processorTime is what a process and its children have taken, those that are gone too.
func processorTime(b *testing.B, pid string) time.Duration {
	b.Helper()
	ticks := 0
	add := func(fields []string) {
		for _, f := range fields {
			n, err := strconv.Atoi(f)
			if err != nil {
				b.Fatal(err)
			}
			ticks += n
		}
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range all {
		switch stat := processStat(filepath.Base(path)); {
		case stat == nil:
		case filepath.Base(path) == pid:
			add(stat[11:15]) // with those that it has waited for
		case stat[1] == pid:
			add(stat[11:13])
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
