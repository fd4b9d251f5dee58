//go:build linux

package main

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// The figures of docs/scale.md are of a million domains and of a minute of changes; every
// run of all benchmarks is content with fewer.
var (
	hosterDomains = flag.Int("domains", 100_000, "how many domains a hoster's database has")
	hosterChanges = flag.Duration("changes", 3*time.Second, "how long they change")
)

// hoster is a database with so many domains, and how milepost is to read it.
type hoster struct {
	program  string
	postgres *fixture.DatabaseServer
	db       *sql.DB
	dir      string // of the configuration
	insert   string // a statement with a new domain's name
}

// hosters are how a new domain is noticed: by NOTIFY from the tables that import makes,
// and in a mail system's own by asking every second, for which an index helps.
var hosters = []string{"NOTIFY", "asking", "asking-index"}

func newHoster(b *testing.B, program, how string) *hoster {
	b.Helper()
	h := &hoster{program: program, postgres: fixture.StartPostgres(b), dir: b.TempDir()}
	dsn := h.postgres.Database(b)
	var err error
	if h.db, err = sql.Open("pgx", dsn); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { h.db.Close() })
	catalogue, source := "providers = [\"hosted.toml\"]", "preset = \"postfixadmin\"\nprovider = \"hosted\""
	h.writeProvider(b, "mail.example.net")
	switch how {
	case "NOTIFY":
		catalogue, source = "", "preset = \"milepost\""
		file := strings.Replace(h.provider("mail.example.net"), "display_name", "domains_from = \"some.txt\"\ndisplay_name", 1)
		dir := fixture.Directory(b, "hosted.toml", file, "some.txt", "customer-0.example\n")
		if out, err := exec.Command(h.program, "import", "-to", dsn, filepath.Join(dir, "hosted.toml")).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		h.sql(b, "ALTER TABLE milepost.domain DISABLE TRIGGER USER")
		h.sql(b, `INSERT INTO milepost.domain SELECT 'customer-' || i || '.example', 'hosted', '', '', true,
			now() - interval '30 days' * i / $1::int FROM generate_series(1, $1::int) AS i`, *hosterDomains)
		h.sql(b, "ALTER TABLE milepost.domain ENABLE TRIGGER USER")
		h.insert = "INSERT INTO milepost.domain (domain, provider) VALUES ($1, 'hosted')"
	case "asking", "asking-index":
		page, err := os.ReadFile("../../internal/directory/testdata/presets/postfixadmin.txtar")
		if err != nil {
			b.Fatal(err)
		}
		_, schema, _ := strings.Cut(string(page), "\n-- postgres --\n")
		schema, _, _ = strings.Cut(schema, "\n-- ")
		for _, s := range strings.Split(schema, ";") {
			h.sql(b, s)
		}
		h.sql(b, `INSERT INTO domain (domain, transport, modified) SELECT 'customer-' || i || '.example', 'virtual',
			now() - interval '30 days' * i / $1::int FROM generate_series(1, $1::int) AS i`, *hosterDomains)
		if how == "asking-index" {
			h.sql(b, "CREATE INDEX ON domain (modified)")
			h.sql(b, "CREATE INDEX ON alias_domain (modified)")
		}
		h.insert = "INSERT INTO domain (domain, transport, modified) VALUES ($1, 'virtual', now())"
	}
	h.sql(b, "VACUUM ANALYZE")
	h.sql(b, "CHECKPOINT")
	fixture.Write(b, h.config(), fmt.Sprintf(`[http]
listen = ["127.0.0.1:0"]
[service]
host = "setup.example.net"
addresses = ["192.0.2.1"]
[catalogue]
check_every = "0s"
%s
[[source]]
name = "customers"
kind = "postgres"
dsn = %q
%s
[dns]
rate_limit = 0
[limits]
rate = 0
connections_per_client = 100000
`, catalogue, dsn, source))
	return h
}

func (h *hoster) config() string { return filepath.Join(h.dir, "milepost.toml") }

func (h *hoster) provider(host string) string {
	return strings.NewReplacer("domains = [\"example.com\"]\n", "", "mail.example.com", host).Replace(fixture.Family)
}

// writeProvider writes the provider file that is not in the database.
func (h *hoster) writeProvider(b *testing.B, host string) {
	fixture.Write(b, filepath.Join(h.dir, "hosted.toml"), h.provider(host))
}

func (h *hoster) sql(b *testing.B, statement string, args ...any) {
	b.Helper()
	if _, err := h.db.Exec(statement, args...); err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
}

// start starts a milepost with a disk of its own, and waits for its first right answers.
func (h *hoster) start(b *testing.B, disk string, args ...string) (s started, stop func()) {
	b.Helper()
	s, stop = startProgram(b, h.program, append([]string{"-config", h.config(), "-set", "catalogue.state=" + filepath.Join(h.dir, disk)}, args...)...)
	if err := s.overHTTP("customer-1.example"); err != nil {
		b.Fatal(err)
	}
	if s.dns != "" {
		if err := s.overDNS("customer-1.example"); err != nil {
			b.Fatal(err)
		}
	}
	return s, stop
}

func (s started) overHTTP(domain string) error {
	_, body, err := fetchFrom(s.http, "http", "autoconfig."+domain, "/mail/config-v1.1.xml")
	if err == nil && !strings.Contains(body, "<domain>"+domain+"</domain>") {
		err = errors.New(body)
	}
	return err
}

func (s started) overDNS(domain string) error {
	reply, err := query(s.dns, "_imaps._tcp."+domain+".", dns.TypeSRV, false)
	if err == nil && len(reply.Answer) != 1 {
		err = fmt.Errorf("%v", reply)
	}
	return err
}

// BenchmarkHosterStart is the time from the start of the process to its first answers,
// and its memory: out of the database, and out of what is on the disk while that is down.
func BenchmarkHosterStart(b *testing.B) {
	h := newHoster(b, fixture.Build(b), "NOTIFY")
	kept := filepath.Join(h.dir, "disk", "customers.domains")
	for _, bm := range []struct {
		name string
		down bool
		args []string
	}{{"database", false, nil}, {"database-DNS", false, []string{"-dns", "127.0.0.1:0"}}, {"disk", true, nil}, {"disk-DNS", true, []string{"-dns", "127.0.0.1:0"}}} {
		b.Run(bm.name, func(b *testing.B) {
			isKept := func() bool { _, err := os.Stat(kept); return !errors.Is(err, fs.ErrNotExist) }
			if bm.down {
				_, stop := h.start(b, "disk")
				fixture.Await(b, "nothing is kept on the disk", isKept)
				stop()
				h.postgres.Stop(b)
				defer h.postgres.Start(b)
			}
			var took, peaks, idle []float64
			for b.Loop() {
				if !bm.down {
					os.Remove(kept)
				}
				begun := time.Now()
				s, stop := h.start(b, "disk", bm.args...)
				took = append(took, time.Since(begun).Seconds())
				fixture.Await(b, "nothing is kept on the disk", isKept)
				time.Sleep(2*time.Second + time.Duration(*hosterDomains)*time.Microsecond/2) // what the start has left behind is given back
				peaks = append(peaks, float64(fixture.Peak(b, s.Process.Pid))/1e6)
				idle = append(idle, float64(fixture.Resident(b, s.Process.Pid))/1e6)
				stop()
			}
			b.ReportMetric(slices.Min(took), "s/fastest-start")
			b.ReportMetric(slices.Max(took), "s/slowest-start")
			b.ReportMetric(slices.Max(peaks), "MB-at-most")
			b.ReportMetric(slices.Max(idle), "MB-idle")
		})
	}
}

// BenchmarkHosterNewDomain is the time from just before a new domain is committed until
// the last of three replicas has answered for it, over HTTP and over DNS; and what it
// costs the database that the three ask whether there is one.
func BenchmarkHosterNewDomain(b *testing.B) {
	program := fixture.Build(b)
	for _, how := range hosters {
		b.Run(how, func(b *testing.B) {
			h := newHoster(b, program, how)
			var replicas []started
			for i := range 3 {
				s, _ := h.start(b, fmt.Sprint("disk-", i), "-dns", "127.0.0.1:0")
				replicas = append(replicas, s)
			}
			time.Sleep(3 * time.Second) // they listen, and have kept what they read
			pid := h.postmaster(b)
			before, begun := processorTime(b, pid), time.Now()
			time.Sleep(*hosterChanges)
			share := (processorTime(b, pid) - before).Seconds() / time.Since(begun).Seconds() / float64(len(replicas))
			var http, names []float64
			for b.Loop() {
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond) // at any moment between two questions
				domain := fmt.Sprintf("new-%d.example", len(http))
				begun := time.Now()
				h.sql(b, h.insert, domain)
				until := func(answer func(started) func(string) error) func() float64 {
					took := make(chan float64, len(replicas))
					for _, r := range replicas {
						go func() {
							for answer(r)(domain) != nil && time.Since(begun) < time.Minute {
								time.Sleep(5 * time.Millisecond)
							}
							took <- time.Since(begun).Seconds()
						}()
					}
					return func() (last float64) {
						for range replicas {
							last = max(last, <-took)
						}
						return last
					}
				}
				overHTTP := until(func(s started) func(string) error { return s.overHTTP })
				overDNS := until(func(s started) func(string) error { return s.overDNS })
				http, names = append(http, overHTTP()), append(names, overDNS())
			}
			b.ReportMetric(middle(http), "s/median-HTTP")
			b.ReportMetric(slices.Max(http), "s/slowest-HTTP")
			b.ReportMetric(middle(names), "s/median-DNS")
			b.ReportMetric(slices.Max(names), "s/slowest-DNS")
			b.ReportMetric(100*share, "%-of-a-core-of-the-database-per-replica")
		})
	}
}
