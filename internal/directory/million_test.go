package directory

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

const million = 1_000_000

// filled is the DSN of our own tables with a million domains of ten providers. All
// benchmarks have the same.
var filled = sync.OnceValue(func() func(b *testing.B) string {
	var once sync.Once
	var dsn string
	return func(b *testing.B) string {
		once.Do(func() {
			dsn = fixture.Postgres(b)
			execute(b, config.Postgres, dsn, ownSchema+fmt.Sprintf(`INSERT INTO milepost.domain
				SELECT 'customer-' || i || '.example', 'p' || i %% 10 || '.example.net', '', '', true, now() - interval '30 days' * i / 1000000 FROM generate_series(1, %d) AS i;
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('milepost', ''); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON milepost.domain FOR EACH STATEMENT EXECUTE FUNCTION tell();
VACUUM ANALYZE milepost.domain;
`, million))
		})
		return dsn
	}
})()

// ownTables is the source of them: with the preset, or with queries that count.
func ownTables(dsn, how string) config.Source {
	s := config.Source{Access: config.Access{Kind: config.Postgres, DSN: dsn}, Name: "million"}
	const changed = "CAST(floor(extract(epoch FROM changed)) AS bigint) AS changed"
	if how == "preset" {
		s.Preset = "milepost"
		return s
	}
	s.Domains = "SELECT domain, provider, host, name, " + changed + " FROM milepost.domain WHERE active"
	s.ChangedSince = "SELECT domain, provider, host, name, " + changed + ", active FROM milepost.domain WHERE changed >= to_timestamp(?)"
	s.Version = "SELECT count(*) AS domains, max(changed) FROM milepost.domain WHERE active"
	return s
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// How long the first reading of a million domains takes, and the memory that stays.
func BenchmarkLoad(b *testing.B) {
	dsn := filled(b)
	var took time.Duration
	var octets uint64
	for b.Loop() {
		before := heap()
		s := newSource(read(b, ownTables(dsn, "preset")))
		begun := time.Now()
		if u, err := s.reading.look(b.Context(), false); err != nil || s.reading.table.Len() < million || len(u.warnings) > 0 {
			b.Fatal(s.reading.table.Len(), u.warnings, err)
		}
		took += time.Since(begun)
		octets += heap() - before
		runtime.KeepAlive(s)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "s/load")
	b.ReportMetric(float64(octets)/float64(b.N)/1e6, "MB")
}

// What it costs to ask whether anything has changed, and to read 100 changes.
func BenchmarkRefresh(b *testing.B) {
	dsn := filled(b)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	n := 0
	for _, how := range []string{"preset", "queries that count"} {
		s := newSource(read(b, ownTables(dsn, how)))
		if _, err := s.reading.look(b.Context(), false); err != nil {
			b.Fatal(err)
		}
		b.Run("nothing changed, "+how, func(b *testing.B) {
			for b.Loop() {
				if u, err := s.reading.look(b.Context(), false); err != nil || len(u.changed) > 0 {
					b.Fatal(u, err)
				}
			}
		})
		b.Run("100 changes, "+how, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				n++
				if _, err := db.Exec(fmt.Sprintf("UPDATE milepost.domain SET changed = clock_timestamp(), name = 'Name %d' WHERE ", n) + "domain IN (SELECT 'customer-' || i || '.example' FROM generate_series(1, 100) AS i)"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if u, err := s.reading.look(b.Context(), false); err != nil || len(u.changed) != 100 || u.whole {
					b.Fatal(len(u.changed), u.whole, err)
				}
			}
		})
	}
}

// How long after its commit a new domain is in the table, among a million.
func BenchmarkCommitToChanged(b *testing.B) {
	dsn := filled(b)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	n := 0
	for _, how := range []string{"preset", "queries that count"} { // told by NOTIFY, and asking
		b.Run(how, func(b *testing.B) {
			s := NewSources(Options{Log: slog.New(slog.DiscardHandler)})
			defer s.Close()
			if _, warnings, mistakes := s.Tables(b.Context(), []config.Source{ownTables(dsn, how)}); warnings != nil || mistakes != nil {
				b.Fatal(warnings, mistakes)
			}
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			go s.Run(ctx)
			time.Sleep(time.Second) // it listens by then
			for b.Loop() {
				b.StopTimer()
				n++
				domain := fmt.Sprintf("new-%d.example", n)
				if _, err := db.Exec("INSERT INTO milepost.domain VALUES ($1, 'p1.example.net')", domain); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				for there := false; !there; {
					<-s.Changed()
					tables, _ := s.Take()
					_, there = tables[0].Find(domain)
				}
			}
		})
	}
}
