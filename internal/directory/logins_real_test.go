package directory_test

import (
	"crypto/tls"
	"database/sql"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/lookup"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// engine is a database with a table of users.
type engine struct {
	kind   config.Kind
	driver string
	start  func(testing.TB) (dsn string)
}

var engines = []engine{
	{config.Postgres, "pgx", fixture.Postgres},
	{config.MySQL, "mysql", fixture.MariaDB},
	{config.SQLite, "sqlite", func(t testing.TB) string { return filepath.Join(t.TempDir(), "mail.sqlite") }},
}

// database has been given these statements.
func (e engine) database(t testing.TB, statements ...string) (dsn string) {
	t.Helper()
	dsn = e.start(t)
	db, err := sql.Open(e.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v\n%.200s", e.kind, err, s)
		}
	}
	return dsn
}

// users makes the table, with rows of address, login name and full name.
func (e engine) users(t testing.TB, rows ...[3]string) (dsn string) {
	t.Helper()
	statements := []string{"CREATE TABLE users (address varchar(250) NOT NULL PRIMARY KEY, login varchar(250), name varchar(250))"}
	for len(rows) > 0 {
		n := min(len(rows), 5000)
		var values []string
		for _, r := range rows[:n] {
			values = append(values, "('"+strings.ReplaceAll(r[0], "'", "''")+"','"+r[1]+"','"+r[2]+"')")
		}
		statements = append(statements, "INSERT INTO users VALUES "+strings.Join(values, ","))
		rows = rows[n:]
	}
	return e.database(t, append(statements, "ANALYZE"+map[config.Kind]string{config.MySQL: " TABLE"}[e.kind]+" users")...)
}

// byAddress asks that table.
func (e engine) byAddress(dsn string) config.Directory {
	return config.Directory{
		Access:    config.Access{Kind: e.kind, DSN: dsn},
		DomainsOf: []string{"example.com"}, Login: "SELECT login, name FROM users WHERE address = lower(?)",
		Budget: 300 * time.Millisecond, Connections: 4,
	}
}

const hosted = `display_name = "Example hoster"
domains = ["example.com", "*.example.com"]
[[incoming]]
protocol = "imap"
hostname = "imap.example.com"
username = "%LOGIN%"
[[outgoing]]
hostname = "smtp.example.com"
username = "%LOGIN%"
`

// handler answers with the login names of a directory.
func handler(t testing.TB, logins lookup.Logins) http.Handler {
	t.Helper()
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", hosted), pages.Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	return httpd.Handler(httpd.Options{Current: func() *snapshot.Snapshot { return s }, Logins: logins, Log: slog.New(slog.DiscardHandler)})
}

func newLogins(t testing.TB, d ...config.Directory) *directory.Logins {
	t.Helper()
	l := directory.NewLogins(slog.New(slog.DiscardHandler))
	t.Cleanup(l.Close)
	if err := l.Use(d); err != nil {
		t.Fatal(err)
	}
	return l
}

// username is what the JSON for programs says of what was typed: as which address it was
// read (none: it is no address), and the username.
func username(t testing.TB, h http.Handler, typed string) (a address.Address, username string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/api/v1/settings?emailaddress="+strings.ReplaceAll(url.QueryEscape(typed), "+", "%20"), nil)
	r.TLS = new(tls.ConnectionState)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code == http.StatusBadRequest {
		return a, ""
	}
	var body struct {
		Address  string
		Incoming []struct{ Username string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Incoming) != 1 {
		t.Fatalf("%q: %d, %v\n%s", typed, w.Code, err, w.Body)
	}
	return fixture.Address(t, body.Address), body.Incoming[0].Username
}

// hostile are local parts as attackers, and people with odd names, write them.
func hostile(n int) []string {
	pieces := []string{"fred", "anna", "o'brien", "FRED", "fréd", "ｆｒｅｄ", "frеd", "\u212aarl", "karl", "ﬁona", "fiona", "ß", "ss", "fred\u200b", "fre\u0301d",
		"'", "''", `"`, `\`, `\'`, "`", ";", "--", "/*", "*/", "#", "%", "_", "*", "*)(", ")(|(mail=*", "(", ")", "\x00", "\x1a", "\n", " ", "  ", "\u00a0", "\u3000",
		" OR 1=1", "' OR '1'='1", "' UNION SELECT login, name FROM users --", "'; DROP TABLE users; --", "$1", "?", "?2", ":1", "@p", "%s", "%LOGIN%", "%EMAILADDRESS%", "${x}",
		"\xff", "\xc0\xa7", "😀", "\U000e0041", "admin", "+tag", ".", "..", "fred@example.com", "@", "a", "1", "0x27", "\u2019", "\ufeff", "ſ", "İ", "ı"}
	random := rand.New(rand.NewPCG(14, 2))
	var all []string
	for len(all) < n {
		var b strings.Builder
		for range 1 + random.IntN(4) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		local := b.String()
		if random.IntN(2) == 0 {
			local = `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(local) + `"`
		}
		all = append(all, local+"@example.com")
	}
	return append(all, "fred@example.com", "O'Brien@example.com", "fred @example.com", `"fred"@example.com`, `"fred "@example.com`, "%@example.com", "f%@example.com", "_red@example.com", "ss@example.com", "ß@example.com")
}

// lower is what a database makes of letters: of these two kinds, no other comes near
// another person's row.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// TestInjection asks about 10,000 hostile addresses, through everything that stands before
// the database, and without it: each yields the fallback or its own row.
func TestInjection(t *testing.T) {
	rows := map[string]string{"fred": "u1", "anna": "u2", "o'brien": "u3", "karl": "u4", "fiona": "u5", "ss": "u6", "a": "u7", "1": "u8", "admin": "root", "fred+tag": "u9", "i": "u10", "s": "u11", "?": "u12", "$1": "u13", "''": "u14"}
	var table [][3]string
	for local, login := range rows {
		table = append(table, [3]string{local + "@example.com", login, "Somebody"})
	}
	for _, e := range engines {
		t.Run(string(e.kind), func(t *testing.T) {
			t.Parallel()
			d := e.byAddress(e.users(t, table...))
			d.Budget = 5 * time.Second // this machine may be busy, and nothing is measured
			h := handler(t, newLogins(t, d))
			var parsed []address.Address
			own := 0
			for _, typed := range hostile(10_000) {
				a, got := username(t, h, typed)
				if a.Local == "" {
					continue
				}
				parsed = append(parsed, a)
				want := a.String()
				if login := rows[lower(a.Local)]; login != "" {
					own++
					want = login
				}
				if got != want {
					t.Errorf("%q has the username %q, want %q", typed, got, want)
				}
			}
			if len(parsed) < 4000 || own < 50 {
				t.Errorf("%d of the addresses are some, and %d have a row", len(parsed), own)
			}
			slices.SortFunc(parsed, func(a, b address.Address) int { return strings.Compare(a.Local, b.Local) })
			parsed = slices.Compact(parsed)
			found, err := directory.AskDirectly(t.Context(), d, parsed)
			if err != nil {
				t.Fatal(err)
			}
			for i, a := range parsed {
				// A collation may take letters for the same, which is why only plain ones are asked
				// about; but no address is ever more than a value.
				if len(found[i]) > 1 {
					t.Errorf("%q has %d rows", a, len(found[i]))
				}
				plain := !strings.ContainsFunc(a.String(), func(r rune) bool { return r > '~' || r == '"' })
				if plain && len(found[i]) == 1 && found[i][0].Name != rows[lower(a.Local)] {
					t.Errorf("%q has the row of %q", a, found[i][0].Name)
				}
			}
		})
	}
}
