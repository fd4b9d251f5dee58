package directory

import (
	"database/sql"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// execute runs statements that end with a semicolon at the end of a line.
func execute(t testing.TB, kind config.Kind, dsn, statements string) {
	t.Helper()
	driver := map[config.Kind]string{config.Postgres: "pgx", config.MySQL: "mysql", config.SQLite: "sqlite"}[kind]
	if kind == config.SQLite {
		dsn = (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: dsn}).EscapedPath()}).String()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for statement := range strings.SplitSeq(statements, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
}

// database is the DSN of a fresh one.
func database(t testing.TB, kind config.Kind) string {
	t.Helper()
	switch kind {
	case config.Postgres:
		return fixture.Postgres(t)
	case config.MySQL:
		return fixture.MariaDB(t)
	}
	return filepath.Join(t.TempDir(), "milepost?%20.sqlite") // a name that a URL would read otherwise
}

// list is all domains of a reading, each with its time of change.
func list(r *reading) string {
	var lines []string
	for row := range r.table.All() {
		lines = append(lines, fmt.Sprintf("%s %d\n", row.Domain, row.Changed))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Each page of testdata/presets is a system's schema: its tables with few columns, what
// is in them, and the domains that it has mailboxes of; then a change of that, after
// which the domains are read as far as they have changed, too.
func TestSQLPresets(t *testing.T) {
	var pages []string
	fixture.Pages(t, "testdata/presets/*.txtar", func(t *testing.T, p *fixture.Page) {
		name := strings.TrimSuffix(filepath.Base(t.Name()), ".txtar")
		pages = append(pages, name)
		for kind := range sqlPresets[name] {
			t.Run(string(kind), func(t *testing.T) {
				schema, ok := p.Text(string(kind))
				if !ok {
					t.Fatalf("the page has no schema for %s", kind)
				}
				rows, _ := p.Text("rows")
				dsn := database(t, kind)
				execute(t, kind, dsn, schema)
				execute(t, kind, dsn, rows)
				s := newSource(read(t, config.Source{Access: config.Access{Kind: kind, DSN: dsn, Preset: name}, Name: name, Provider: "example.net"}))
				r := &s.reading
				if u, err := r.look(t.Context(), false); err != nil || len(u.warnings) > 0 {
					t.Fatal(u.warnings, err)
				}
				p.Expect(t, "domains", list(r))
				if u, err := r.look(t.Context(), false); err != nil || u.whole || len(u.changed) > 0 {
					t.Errorf("nothing has changed: %+v, %v", u, err)
				}
				change, _ := p.Text("change")
				execute(t, kind, dsn, change)
				r.took = 0 // else a deleted row is looked for after some time
				u, err := r.look(t.Context(), false)
				if err != nil || len(u.warnings) > 0 {
					t.Fatal(u.warnings, err)
				}
				p.Expect(t, "changed", list(r))
				want, _ := p.Text("domains")
				now, _ := p.Text("changed")
				var differ []string
				for _, line := range strings.SplitAfter(want+now, "\n") {
					if strings.Contains(want, line) != strings.Contains(now, line) {
						domain, _, _ := strings.Cut(line, " ")
						differ = append(differ, domain)
					}
				}
				if slices.Sort(differ); !slices.Equal(slices.Compact(differ), slices.Sorted(slices.Values(u.changed))) {
					t.Errorf("%q have changed, not %q", u.changed, differ)
				}
			})
		}
	})
	presets := slices.DeleteFunc(slices.Sorted(maps.Keys(sqlPresets)), func(name string) bool { return name == "milepost" }) // package storage has its schema
	if !slices.Equal(pages, presets) {
		t.Errorf("there are pages of %q and presets %q", pages, presets)
	}
}

// Tables that lack a column of later versions are read without it.
func TestSQLPresetPlain(t *testing.T) {
	const rows = `INSERT INTO domain VALUES ('a.example', %[1]s, %[2]s), ('off.example', %[2]s, %[2]s), ('backup.example', %[1]s, %[1]s);
INSERT INTO alias_domain VALUES ('alias.example', 'a.example', %[1]s), ('other.example', 'off.example', %[1]s);
`
	for kind := range sqlPresets["postfixadmin"] {
		t.Run(string(kind), func(t *testing.T) {
			dsn := database(t, kind)
			execute(t, kind, dsn, "CREATE TABLE domain (domain varchar(255), active boolean, backupmx boolean);\nCREATE TABLE alias_domain (alias_domain varchar(255), target_domain varchar(255), active boolean);\n"+
				fmt.Sprintf(rows, "true", "false"))
			s := newSource(read(t, config.Source{Access: config.Access{Kind: kind, DSN: dsn, Preset: "postfixadmin"}, Name: "mail", Provider: "example.net"}))
			for _, want := range []string{"a.example 0\nalias.example 0\n", "a.example 0\nalias.example 0\nnew.example 0\n"} {
				if u, err := s.reading.look(t.Context(), false); err != nil || len(u.warnings) > 0 {
					t.Fatal(u.warnings, err)
				}
				if got := list(&s.reading); got != want {
					t.Errorf("%q", got)
				}
				execute(t, kind, dsn, "INSERT INTO domain VALUES ('new.example', true, false);\n")
				s.reading.took = 0
			}
		})
	}
}

// A row that goes leaves no later time behind: the number of rows tells, which is asked for
// the more seldom the longer it takes.
func TestRowsAreCountedSeldom(t *testing.T) {
	page := fixture.ReadFile(t, "testdata/presets/postfixadmin.txtar")
	text := func(from, to string) string {
		_, rest, _ := strings.Cut(page, "-- "+from+" --\n")
		found, _, _ := strings.Cut(rest, "-- "+to+" --\n")
		return found
	}
	dsn := database(t, config.SQLite)
	execute(t, config.SQLite, dsn, text("sqlite", "rows")+text("rows", "domains"))
	s := newSource(read(t, config.Source{Access: config.Access{Kind: config.SQLite, DSN: dsn, Preset: "postfixadmin"}, Name: "x", Provider: "example.net"}))
	r, asked := &s.reading, s.reading.reader.(*sqlReader)
	look := func() []string {
		t.Helper()
		r.took = 0 // else nothing is read as a whole for some time
		u, err := r.look(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		return u.changed
	}
	look()
	look() // which sees that the first one has counted
	r.settled = true
	asked.counting, asked.countedAt = time.Hour, time.Now()
	execute(t, config.SQLite, dsn, "DELETE FROM domain WHERE domain = 'plain.example';\n")
	if gone := look(); gone != nil {
		t.Errorf("%q: it was counted again", gone)
	}
	execute(t, config.SQLite, dsn, "INSERT INTO domain (domain, modified) VALUES ('late.example', '2023-11-14 22:14:20');\n")
	if got := look(); !slices.Contains(got, "late.example") {
		t.Errorf("%q: a later time was not seen", got)
	}
	asked.counting = 0
	execute(t, config.SQLite, dsn, "DELETE FROM alias_domain;\n")
	if gone := look(); !slices.Equal(gone, []string{"alias.example"}) {
		t.Errorf("%q", gone)
	}
}

func TestSQLPresetUnknown(t *testing.T) {
	for name, tc := range map[string]struct {
		kind   config.Kind
		preset string
		want   string
	}{
		"unknown":    {config.SQLite, "postfixadmn", `preset: "postfixadmn" is no preset for sqlite; mailinabox, mailu, modoboa and postfixadmin are allowed`},
		"other kind": {config.SQLite, "ispconfig", `preset: ispconfig has no sqlite; mysql is allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := open(config.Source{Access: config.Access{Kind: tc.kind, Preset: tc.preset}}); err == nil || err.Error() != tc.want {
				t.Error(err)
			}
		})
	}
}

// read opens a source that is right.
func read(t testing.TB, s config.Source) (config.Source, reader) {
	t.Helper()
	r, err := open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return s, r
}
