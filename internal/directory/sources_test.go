package directory

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
)

const customersSchema = `CREATE TABLE customers (domain varchar(300) PRIMARY KEY, provider varchar(100), mx varchar(300), brand varchar(300), changed bigint, active smallint);
`

// customers is a source of a hoster's own making.
func customers(kind config.Kind, dsn string) config.Source {
	return config.Source{
		Access: config.Access{Kind: kind, DSN: dsn}, Name: "customers", Provider: "example.net", Every: 100 * time.Millisecond,
		Domains:      "SELECT domain, provider, mx, brand AS name, changed FROM customers WHERE active = 1",
		ChangedSince: "SELECT domain, provider, mx, brand AS name, changed, active FROM customers WHERE changed >= ?",
		Version:      "SELECT count(*) AS domains, max(changed) FROM customers WHERE active = 1",
	}
}

// add makes customers: names below .example.
func add(changed int, names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "INSERT INTO customers (domain, changed, active) VALUES ('%s.example', %d, 1);\n", n, changed)
	}
	return b.String()
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// sources are those of a test, watched if that is wanted.
func sources(t testing.TB, state string, watched bool, all ...config.Source) (s *Sources, log *journal, warnings string) {
	t.Helper()
	log = new(journal)
	s = NewSources(Options{State: state, Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(s.Close)
	_, warned, mistakes := s.Tables(t.Context(), all)
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	if watched {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		t.Cleanup(func() { stop(); <-done })
	}
	return s, log, warned.Error()
}

// domains are those of the first source as it is now.
func domains(s *Sources) []string {
	tables, _ := s.Take()
	var names []string
	for row := range tables[0].All() {
		names = append(names, row.Domain.ASCII)
	}
	slices.Sort(names)
	return names
}

// A change is seen, in every database, by asking and by NOTIFY, and what has changed is
// told by name.
func TestChanges(t *testing.T) {
	notify := customersSchema + `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('Customers!', ''); RETURN NULL; END $$;
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON customers FOR EACH STATEMENT EXECUTE FUNCTION tell();
`
	for name, tc := range map[string]struct {
		kind   config.Kind
		schema string
		change func(*config.Source)
	}{
		"postgres":            {config.Postgres, customersSchema, func(*config.Source) {}},
		"postgres by NOTIFY":  {config.Postgres, notify, func(s *config.Source) { s.Listen, s.Every = "Customers!", time.Hour }},
		"mariadb":             {config.MySQL, customersSchema, func(*config.Source) {}},
		"sqlite":              {config.SQLite, customersSchema, func(*config.Source) {}},
		"sqlite, WAL":         {config.SQLite, "PRAGMA journal_mode = WAL;\n" + customersSchema, func(*config.Source) {}},
		"sqlite, own counter": {config.SQLite, customersSchema, func(s *config.Source) { s.Version, s.ChangedSince = "", "" }},
		"one query":           {config.MySQL, customersSchema, func(s *config.Source) { s.Version, s.ChangedSince = "", "" }},
		"no count":            {config.Postgres, customersSchema, func(s *config.Source) { s.Version = "SELECT max(changed), count(*) FROM customers" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := database(t, tc.kind)
			execute(t, tc.kind, dsn, tc.schema+add(1700000000, "a", "b", "c"))
			source := customers(tc.kind, dsn)
			tc.change(&source)
			s, _, warnings := sources(t, "", true, source)
			if warnings != "" {
				t.Fatal(warnings)
			}
			if got := domains(s); !slices.Equal(got, []string{"a.example", "b.example", "c.example"}) {
				t.Fatal(got)
			}
			execute(t, tc.kind, dsn, add(1700000001, "d")+"UPDATE customers SET active = 0, changed = 1700000001 WHERE domain = 'b.example';\n"+
				"UPDATE customers SET mx = 'mx.example', changed = 1700000001 WHERE domain = 'c.example';\n")
			changed := make(map[string]bool)
			var tables []*catalogue.Table
			fixture.Await(t, "the changes are not seen", func() bool {
				select {
				case <-s.Changed():
				case <-time.After(10 * time.Millisecond):
					return false
				}
				var names []string
				tables, names = s.Take()
				for _, n := range names {
					changed[n] = true
				}
				row, _ := tables[0].Find("c.example")
				_, b := tables[0].Find("b.example")
				_, d := tables[0].Find("d.example")
				return row.Host == "mx.example" && !b && d
			})
			if got := slices.Sorted(maps.Keys(changed)); !slices.Equal(got, []string{"b.example", "c.example", "d.example"}) {
				t.Errorf("%q have changed", got)
			}
			if _, again := s.Take(); len(again) > 0 {
				t.Errorf("%q are told twice", again)
			}
			if name == "no count" { // so deleted rows are noticed late
				return
			}
			execute(t, tc.kind, dsn, "DELETE FROM customers WHERE domain = 'a.example';\n")
			fixture.Await(t, "a deleted row is not noticed", func() bool {
				tables, _ := s.Take()
				_, a := tables[0].Find("a.example")
				return !a
			})
		})
	}
}

// Reading what changes comes to the same as reading all.
func TestIncrements(t *testing.T) {
	dsn := database(t, config.SQLite)
	execute(t, config.SQLite, dsn, customersSchema+add(1700000000, "a", "b", "c", "d", "e", "f"))
	source := customers(config.SQLite, dsn)
	step := newSource(read(t, source))
	for i, statements := range []string{
		"", // the first is whole
		add(1700000001, "g", "h"),
		"UPDATE customers SET provider = 'second', changed = 1700000002 WHERE domain < 'c';\n",
		"UPDATE customers SET active = 0, changed = 1700000002 WHERE domain = 'a.example';\n",
		"UPDATE customers SET active = 1, changed = 1700000003 WHERE domain = 'a.example';\n",
		add(1699999990, "late"),                             // it committed after one with a later time
		add(1700000004, "_bad") + add(1700000004, "i"),      // one that is not understood stays out
		"DELETE FROM customers WHERE domain = 'b.example';", // all are read then
		"UPDATE customers SET domain = 'renamed.example', changed = 1700000005 WHERE domain = 'c.example';\n",
		"UPDATE customers SET domain = 'good.example', changed = 1700000006 WHERE domain = '_bad.example';\n",
		"DELETE FROM customers WHERE domain = 'd.example';\n" + add(1700000007, "j"),
		add(1700000008, "k"),
	} {
		execute(t, config.SQLite, dsn, statements)
		step.reading.took = 0
		if _, err := step.reading.look(t.Context(), false); err != nil {
			t.Fatal(i, err)
		}
		whole := newSource(read(t, source))
		if _, err := whole.reading.look(t.Context(), false); err != nil {
			t.Fatal(i, err)
		}
		if d := differences(step.reading.table, whole.reading.table); len(d) > 0 || step.reading.table.Len() != whole.reading.table.Len() {
			t.Errorf("%d: %q differ", i, d)
		}
	}
}

// A source that goes away leaves what it said last, also over a restart, and is taken up
// again when it is back.
func TestDown(t *testing.T) {
	for name, start := range map[config.Kind]func(testing.TB) *fixture.DatabaseServer{config.Postgres: fixture.StartPostgres, config.MySQL: fixture.StartMariaDB} {
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			server := start(t)
			dsn, state := server.Database(t), t.TempDir()
			execute(t, name, dsn, customersSchema+add(1700000000, "a", "b"))
			source := customers(name, dsn)
			if name == config.Postgres {
				source.Listen = "customers"
			}
			first, log, _ := sources(t, state, true, source)
			fixture.Await(t, "the state is not kept", func() bool { _, err := os.Stat(statePath(state, "customers")); return err == nil })
			server.Stop(t)
			fixture.Await(t, "nobody notices", func() bool { return first.States()[0].Err != nil })
			if got := first.States()[0]; got.Rows != 2 || !got.Stale() || got.Fetched.IsZero() || strings.Contains(got.Err.Error(), fixture.DatabasePassword) {
				t.Errorf("%+v", got)
			}

			second, _, warnings := sources(t, state, true, source)
			if got := domains(second); !slices.Equal(got, []string{"a.example", "b.example"}) || !strings.Contains(warnings, "it is served as it was on 20") {
				t.Errorf("%q %s", got, warnings)
			}
			third, _, warnings := sources(t, t.TempDir(), true, source)
			if got := third.States()[0]; len(domains(third)) > 0 || !got.Fetched.IsZero() || !strings.Contains(warnings, "source customers: cannot be read: ") || !strings.HasSuffix(warnings, "; its domains are missing until it can") {
				t.Errorf("%+v %s", got, warnings)
			}

			server.Start(t)
			execute(t, name, dsn, add(1700000001, "c"))
			for i, s := range []*Sources{first, second, third} {
				fixture.Await(t, fmt.Sprint(i, ": the source is not taken up again"), func() bool {
					return len(domains(s)) == 3 && s.States()[0].Err == nil
				})
			}
			text := log.String()
			if down, up := strings.Count(text, "a source is down"), strings.Count(text, "a source is served as it is again"); down != 1 || up != 1 {
				t.Errorf("said %d and %d times:\n%s", down, up, text)
			}
			if strings.Contains(text, fixture.DatabasePassword) || strings.Contains(warnings, fixture.DatabasePassword) {
				t.Errorf("a password is said:\n%s\n%s", text, warnings)
			}
		})
	}
}

// What has lost most of its domains is not taken over until somebody says so.
func TestShrunk(t *testing.T) {
	for name, tc := range map[string]struct {
		before  int
		loss    string
		refused bool
	}{
		"all":                    {2, "DELETE FROM customers;\n", true},
		"all by their rows":      {12, "UPDATE customers SET active = 0, changed = 1700000001;\n", true},
		"more than half":         {12, "DELETE FROM customers WHERE domain < 'd7';\n", true},
		"half":                   {12, "DELETE FROM customers WHERE domain < 'd6';\n", false},
		"more than half of nine": {9, "DELETE FROM customers WHERE domain < 'd6';\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dsn := database(t, config.SQLite)
			names := make([]string, tc.before)
			for i := range names {
				names[i] = fmt.Sprintf("d%x", i)
			}
			execute(t, config.SQLite, dsn, customersSchema+add(1700000000, names...))
			s, log, _ := sources(t, "", true, customers(config.SQLite, dsn))
			execute(t, config.SQLite, dsn, tc.loss)
			if !tc.refused {
				fixture.Await(t, "it is not taken over", func() bool { return len(domains(s)) < tc.before })
				return
			}
			fixture.Await(t, "nobody notices", func() bool { return s.States()[0].Err != nil })
			if got := s.States()[0]; got.Rows != tc.before || !strings.Contains(got.Err.Error(), "; if that is meant, SIGUSR1 takes it over") {
				t.Errorf("%+v", got)
			}
			s.Confirm()
			fixture.Await(t, "it is not taken over", func() bool { return len(domains(s)) < tc.before && s.States()[0].Err == nil })
			if text := log.String(); strings.Count(text, "a source is not taken over") != 1 {
				t.Error(text)
			}
		})
	}
}

// Sources that stay in the configuration stay as they are.
func TestTablesAgain(t *testing.T) {
	dsn := database(t, config.SQLite)
	execute(t, config.SQLite, dsn, customersSchema+add(1700000000, "a"))
	first := customers(config.SQLite, dsn)
	s, _, _ := sources(t, "", true, first)
	before, _ := s.Take()
	second := first
	second.Name, second.Provider = "second", "other"
	first.Place.Line = 7
	after, _, mistakes := s.Tables(t.Context(), []config.Source{second, first})
	if mistakes != nil || len(after) != 2 || after[1] != before[0] || after[0].Name() != "second" {
		t.Fatal(after, mistakes)
	}
	bad := first
	bad.Domains = "SELECT ?"
	if _, _, mistakes := s.Tables(t.Context(), []config.Source{second, bad}); mistakes == nil || mistakes.Error() != ":7: domains: has a placeholder; none is allowed here" {
		t.Error(mistakes)
	}
	if states := s.States(); len(states) != 2 {
		t.Errorf("a mistake changed the sources: %+v", states)
	}
	if tables, _, mistakes := s.Tables(t.Context(), nil); len(tables) > 0 || mistakes != nil || len(s.States()) > 0 {
		t.Error(tables, mistakes)
	}
}

// A file of SQLite is read from its name, whoever put it there.
func TestSQLiteReplaced(t *testing.T) {
	dsn := database(t, config.SQLite)
	execute(t, config.SQLite, dsn, customersSchema+add(1700000000, "a"))
	source := customers(config.SQLite, dsn)
	source.Version, source.ChangedSince = "", ""
	s, _, _ := sources(t, "", true, source)
	other := filepath.Join(t.TempDir(), "other")
	execute(t, config.SQLite, other, customersSchema+add(1700000000, "b", "c"))
	if err := os.Rename(other, dsn); err != nil {
		t.Fatal(err)
	}
	fixture.Await(t, "the new file is not read", func() bool { return slices.Equal(domains(s), []string{"b.example", "c.example"}) })
}

// The tables that milepost has of its own, as far as they are read here.
const ownSchema = `CREATE SCHEMA milepost;
CREATE TABLE milepost.provider (id text PRIMARY KEY, file text NOT NULL, changed timestamptz NOT NULL DEFAULT now());
CREATE TABLE milepost.domain (domain text PRIMARY KEY, provider text NOT NULL, host text NOT NULL DEFAULT '', name text NOT NULL DEFAULT '', active boolean NOT NULL DEFAULT true, changed timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE milepost.gone (domain text PRIMARY KEY, changed timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON milepost.domain (changed);
CREATE INDEX ON milepost.gone (changed);
`

func TestOwnTables(t *testing.T) {
	dsn := fixture.Postgres(t)
	execute(t, config.Postgres, dsn, ownSchema+"INSERT INTO milepost.provider VALUES ('example.net', 'display_name = \"A\"');\n"+
		"INSERT INTO milepost.domain VALUES ('a.example', 'example.net', 'mx.example', 'A'), ('b.example', 'example.net', '', ''), ('off.example', 'example.net', '', '');\nUPDATE milepost.domain SET active = false WHERE domain = 'off.example';\n")
	source := config.Source{Access: config.Access{Kind: config.Postgres, DSN: dsn, Preset: "milepost"}, Name: "own", Every: 100 * time.Millisecond}
	state := t.TempDir()
	s, _, warnings := sources(t, state, true, source)
	if got := domains(s); warnings != "" || !slices.Equal(got, []string{"a.example", "b.example"}) {
		t.Fatal(got, warnings)
	}
	file := func() (text string, edition int) {
		files, edition := s.Files()
		data, err := fs.ReadFile(files["own"], "example.net.toml")
		if err != nil {
			t.Fatal(err)
		}
		return string(data), edition
	}
	text, before := file()
	if text != "display_name = \"A\"" {
		t.Error(text)
	}
	execute(t, config.Postgres, dsn, "BEGIN; DELETE FROM milepost.domain WHERE domain = 'a.example'; INSERT INTO milepost.gone VALUES ('a.example'); COMMIT;\n"+
		"UPDATE milepost.provider SET file = 'display_name = \"B\"';\n")
	fixture.Await(t, "the changes are not seen", func() bool {
		text, edition := file()
		return text == "display_name = \"B\"" && edition != before && slices.Equal(domains(s), []string{"b.example"})
	})
	s.Close()
	k, err := recall(state, source)
	if err != nil || k.texts["example.net"] != "display_name = \"B\"" || k.table.Len() != 1 {
		t.Errorf("%+v %v", k, err)
	}
}
