package storage_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"milepost/internal/fixture"
	"milepost/internal/storage"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Whatever somebody does to a row, its second rises, or that of the row that is gone.
func TestChanged(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	checked(t, dsn)
	conn, listener := connect(t, dsn), connect(t, dsn)
	_, err := listener.Exec(t.Context(), "LISTEN milepost")
	must(t, err)
	seconds := func(domain string) (present, gone int64) {
		t.Helper()
		must(t, conn.QueryRow(t.Context(), `SELECT coalesce((SELECT floor(extract(epoch FROM changed)) FROM milepost.domain WHERE domain = $1), 0)::bigint,
			coalesce((SELECT floor(extract(epoch FROM changed)) FROM milepost.gone WHERE domain = $1), 0)::bigint`, domain).Scan(&present, &gone))
		return present, gone
	}
	last, begun := int64(0), time.Now().Unix()
	for _, step := range []struct {
		name, statement string
		gone            bool
		rises           bool
	}{
		{"a row", "INSERT INTO milepost.domain (domain, provider, changed) VALUES ('a.example', 'one', 'epoch')", false, true},
		{"nothing", "UPDATE milepost.domain SET provider = 'one'", false, false},
		{"another provider", "UPDATE milepost.domain SET provider = 'two', changed = 'epoch'", false, true},
		{"a host", "UPDATE milepost.domain SET host = 'mx.example'", false, true},
		{"not active", "UPDATE milepost.domain SET active = false", false, true},
		{"a time of one's own", "UPDATE milepost.domain SET changed = '2000-01-01'", false, true},
		{"deleted", "DELETE FROM milepost.domain", true, true},
		{"and back", "INSERT INTO milepost.domain (domain, provider) VALUES ('a.example', 'one') ON CONFLICT DO NOTHING", false, true},
		{"nothing by ON CONFLICT", "INSERT INTO milepost.domain (domain, provider) VALUES ('a.example', 'one') ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider", false, false},
		{"renamed", "UPDATE milepost.domain SET domain = 'b.example'", true, true},
		{"named as before", "UPDATE milepost.domain SET domain = 'a.example'", false, true},
		{"emptied", "TRUNCATE milepost.domain", true, true},
	} {
		_, err := conn.Exec(t.Context(), step.statement)
		must(t, err)
		present, gone := seconds("a.example")
		now := max(present, gone)
		if (gone > 0) != step.gone || (present > 0) == step.gone {
			t.Errorf("%s: changed %d, gone %d", step.name, present, gone)
		}
		if step.rises && now <= last || !step.rises && now != last || now < begun || now > begun+3600 {
			t.Errorf("%s: %d, before %d", step.name, now, last)
		}
		last = now
		if _, err := listener.WaitForNotification(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	for _, statement := range []string{
		"INSERT INTO milepost.provider (id, file) VALUES ('one', 'x')",
		"UPDATE milepost.provider SET file = 'y'",
		"DELETE FROM milepost.provider",
	} {
		_, err := conn.Exec(t.Context(), statement)
		must(t, err)
		if _, err := listener.WaitForNotification(t.Context()); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO milepost.domain (domain, provider) VALUES ('A.example', 'one')"); err == nil {
		t.Error("a domain in capitals stands beside that in small letters")
	}
}

// What one domain's rows are put in and out by several at once is never a mistake.
func TestChangedAtOnce(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	checked(t, dsn)
	var all sync.WaitGroup
	for range 4 {
		conn := connect(t, dsn)
		all.Go(func() {
			for range 50 {
				for _, statement := range []string{"DELETE FROM milepost.domain WHERE domain = 'a.example'",
					"INSERT INTO milepost.domain (domain, provider) VALUES ('a.example', 'one') ON CONFLICT DO NOTHING"} {
					if _, err := conn.Exec(context.Background(), statement); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// A check that refuses leaves everything as it was, and two imports come one after the
// other.
func TestPut(t *testing.T) {
	t.Parallel()
	dsn := fixture.Postgres(t)
	no := errors.New("they do not fit together")
	put := func(id string, check func(map[string]string) error) (storage.Counts, storage.Counts, error) {
		return storage.Put(context.Background(), dsn, storage.Catalogue{
			Files: map[string]string{id: "text of " + id}, Domains: map[string]string{id + ".example": id}, Whole: []string{id}}, check)
	}
	if _, _, err := put("a", func(files map[string]string) error { return no }); err != no {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, id := range []string{"a", "b"} {
		all.Go(func() {
			_, _, err := put(id, func(files map[string]string) error {
				if len(files) > 1 {
					return no
				}
				return nil
			})
			if err != nil && err != no {
				t.Error(err)
			}
		})
	}
	all.Wait()
	var files, domains int
	must(t, connect(t, dsn).QueryRow(t.Context(), "SELECT (SELECT count(*) FROM milepost.provider), (SELECT count(*) FROM milepost.domain)").Scan(&files, &domains))
	if files != 1 || domains != 1 {
		t.Errorf("%d files, %d domains", files, domains)
	}
}

// A million domains: new, the same again, and with one less.
func BenchmarkPut(b *testing.B) {
	c := storage.Catalogue{Files: map[string]string{"one": "text"}, Whole: []string{"one"}}
	for range b.N {
		c.Domains = make(map[string]string)
		for i := range 1_000_000 {
			c.Domains[fmt.Sprintf("customer-%d.example", i)] = "one"
		}
		dsn := fixture.Postgres(b)
		for _, step := range []struct {
			name string
			want storage.Counts
		}{
			{"new", storage.Counts{New: 1_000_000}}, {"same", storage.Counts{Same: 1_000_000}}, {"less", storage.Counts{Gone: 1, Same: 999_999}},
		} {
			if step.want.Gone > 0 {
				delete(c.Domains, "customer-5.example")
			}
			begun := time.Now()
			_, domains, err := storage.Put(b.Context(), dsn, c, func(map[string]string) error { return nil })
			if err != nil || domains != step.want {
				b.Fatalf("%+v, %v", domains, err)
			}
			b.ReportMetric(time.Since(begun).Seconds(), "s-"+step.name)
		}
	}
}
