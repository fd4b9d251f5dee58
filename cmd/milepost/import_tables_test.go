package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
)

// rows are what a query yields, a line each.
func rows(t *testing.T, dsn, query string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	found, _ := conn.Query(t.Context(), query)
	lines, err := pgx.CollectRows(found, func(r pgx.CollectableRow) (string, error) {
		values, err := r.Values()
		return strings.TrimSuffix(fmt.Sprintln(values...), "\n"), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// Provider files and lists go into a database whole, or not at all.
func TestImportTables(t *testing.T) {
	dsn := fixture.Postgres(t)
	shown := strings.Replace(dsn, fixture.DatabasePassword, "xxxxx", 1)
	file := func(domains, host string) string {
		return strings.NewReplacer(`domains = ["example.com"]`, domains, "mail.example.com", host).Replace(fixture.Family)
	}
	dir := fixture.Directory(t,
		"providers/listed.toml", file(`domains = ["listed.example"]
domains_from = "listed.txt" # who pays
mx = ["mx.listed.example"]`, "mail.listed.example"),
		"providers/listed.txt", "# ten and more\nBücher.example\n"+numbered(1, 12),
		"providers/plain.toml", fixture.Family,
		"other/renamed.toml", file(`id = "other"
domains_from = "some.txt"`, "mail.other.example"), "other/some.txt", "other.example\n",
		"shorter/listed.toml", file(`domains_from = "listed.txt"`, "mail.listed.example"), "shorter/listed.txt", numbered(1, 3),
		"moved/other.toml", file(`domains_from = "some.txt"`, "mail.other.example"), "moved/some.txt", "other.example\nd1.example\n",
		"twice/a.toml", file(`domains_from = "a.txt"`, "a.example"), "twice/a.txt", "one.example\ntwo.example\n",
		"twice/b.toml", file(`domains_from = "b.txt"`, "b.example"), "twice/b.txt", "three.example\n\ntwo.example\n",
		"twice/c.toml", file(`domains = ["c.example", "three.example"]`, "c.example"),
		"bad/bad.toml", "x = 1\n"+file(`domains_from = "bad.txt"`, "a.example"), "bad/bad.txt", "good.example\nbad_example\n",
		"wild/wild.toml", file(`domains_from = "wild.txt"`, "a.example"), "wild/wild.txt", "*.example.org\n",
		"clash/clash.toml", fixture.Family,
		"late.txt", "late.example\nlater.example\n", "broken.txt", "late.example\nnot a domain\n", "empty/x", "")
	t.Chdir(dir)
	to := func(args ...string) []string { return append([]string{"import", "-to", dsn}, args...) }
	const count = "SELECT (SELECT count(*) FROM milepost.provider), (SELECT count(*) FROM milepost.domain)"
	for _, tc := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // stderr: what must be in it
		query, rows    string // afterwards
	}{
		{"two providers, one with a list", to("providers"), 0, "milepost: " + shown + ": 2 providers new, 0 changed, 0 as they were; 13 domains new, 0 changed, 0 as they were\n", "",
			"SELECT domain, provider, host, name, active FROM milepost.domain WHERE domain IN ('xn--bcher-kva.example', 'd12.example') ORDER BY 1", "d12.example listed   true\nxn--bcher-kva.example listed   true"},
		{"the same again", to("providers"), 0, "milepost: " + shown + ": 0 providers new, 0 changed, 2 as they were; 0 domains new, 0 changed, 13 as they were\n", "",
			"SELECT file LIKE '%domains_from%', file LIKE '%mx.listed.example%' FROM milepost.provider WHERE id = 'listed'", "false true"},
		{"a file", to("other/renamed.toml"), 0, "milepost: " + shown + ": 1 provider new, 0 changed, 0 as they were; 1 domain new, 0 changed, 0 as they were\n", "",
			"SELECT id FROM milepost.provider ORDER BY id", "listed\nother\nplain"},
		{"a list that lost most", to("shorter"), 1, "", "milepost: import: listed would lose 10 of its 13 domains; -overwrite takes that over\nmilepost: import: nothing is taken\n", count, "3 14"},
		{"a list that lost most, confirmed", to("-overwrite", "shorter"), 0, "milepost: " + shown + ": 0 providers new, 1 changed, 0 as they were; 0 domains new, 0 changed, 10 gone, 3 as they were\n", "",
			"SELECT count(*), bool_and(changed > now() - interval '1 minute') FROM milepost.gone", "10 true"},
		{"a domain that another provider gets", to("moved"), 0, "milepost: " + shown + ": 0 providers new, 1 changed, 0 as they were; 0 domains new, 1 changed, 1 as they were\n", "",
			"SELECT provider FROM milepost.domain WHERE domain = 'd1.example'", "other"},
		{"a list of a provider", to("-provider", "plain", "-domains", "late.txt"), 0, "milepost: " + shown + ": 0 providers new, 0 changed, 0 as they were; 2 domains new, 0 changed, 0 as they were\n", "",
			"SELECT domain FROM milepost.domain WHERE provider = 'plain' ORDER BY 1", "late.example\nlater.example"},
		{"a list of a provider that has no file", to("-provider", "absent", "-domains", "broken.txt"), 1, "", `broken.txt:2: domain label "not a domain" has the character`, count, "3 6"},

		{"mistakes of all files at once", to("twice", "bad", "wild"), 1, "", "bad/bad.toml:1: x: is unknown", count, "3 6"},
		{"domains that are claimed twice", to("twice"), 1, "", "twice/b.txt:3: two.example stands at twice/a.txt:2 already\ntwice/b.txt:1: three.example stands at twice/c.toml:2 already\nmilepost: import: nothing is taken\n", count, "3 6"},
		{"a wildcard in a list", to("wild"), 1, "", "wild/wild.txt:1: *.example.org is no single domain; it belongs into domains of the provider's file\n", count, "3 6"},
		{"what another provider in the database claims", to("clash"), 1, "", "milepost.provider/plain.toml:2: domains: example.com", count, "3 6"},
		{"no provider file", to("empty"), 1, "", "empty: has no .toml file", count, "3 6"},
		{"an absent file", to("absent.toml"), 1, "", "absent.toml: no such file or directory", count, "3 6"},
		{"nothing", to(), 2, "", "a provider file is needed", count, "3 6"},
		{"a list without a provider", to("-domains", "late.txt"), 2, "", "-provider ID and -domains FILE belong together", count, "3 6"},
		{"a directory as well", to("-into", "x", "providers"), 2, "", "do not go together", count, "3 6"},
		{"no database", []string{"import", "-to", "mysql://x", "providers"}, 2, "", "-to is the URL of a database", count, "3 6"},
		{"a wrong password", []string{"import", "-to", strings.Replace(dsn, fixture.DatabasePassword, "wr0ng", 1), "providers"}, 1, "", shown + `: password authentication failed for user "milepost"`, count, "3 6"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := milepost(t, tc.args...)
			if code != tc.code || stdout != tc.stdout || !strings.Contains(stderr, tc.stderr) || tc.stderr == "" && stderr != "" || strings.Contains(stderr, fixture.DatabasePassword) || strings.Contains(stderr, "wr0ng") {
				t.Errorf("exit code %d\n%s%s\nwant\n%s%s", code, stdout, stderr, tc.stdout, tc.stderr)
			}
			if got := rows(t, dsn, tc.query); got != tc.rows {
				t.Errorf("%s\n%s\nwant\n%s", tc.query, got, tc.rows)
			}
		})
	}
}

func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "d%d.example\n", i)
	}
	return b.String()
}

// What was imported is read by a source of the preset "milepost": domains, files, and
// what changes.
func TestImportedTablesAreRead(t *testing.T) {
	dsn := fixture.Postgres(t)
	t.Chdir(fixture.Directory(t, "one.toml", strings.Replace(fixture.Family, `domains = ["example.com"]`, `domains_from = "one.txt"`, 1), "one.txt", numbered(1, 20)))
	imported := func() {
		t.Helper()
		if code, _, stderr := milepost(t, "import", "-to", dsn, "one.toml"); code != 0 {
			t.Fatal(stderr)
		}
	}
	imported()
	sources := directory.NewSources(directory.Options{Log: slog.New(slog.DiscardHandler)})
	defer sources.Close()
	tables, warnings, mistakes := sources.Tables(t.Context(), []config.Source{{Name: "own", Every: time.Second,
		Access: config.Access{Kind: config.Postgres, DSN: dsn, Preset: "milepost"}}})
	if len(warnings)+len(mistakes) > 0 || len(tables) != 1 || tables[0].Len() != 20 {
		t.Fatal(tables, warnings, mistakes)
	}
	held, _ := sources.Files()
	text, err := fs.ReadFile(held["own"], "one.toml")
	if err != nil || strings.Contains(string(text), "domains_from") || !strings.Contains(string(text), "mail.example.com") {
		t.Fatalf("%s, %v", text, err)
	}
	files := providerfile.Directory{Name: "own", FS: held["own"]}
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Own: []catalogue.Source{files}, Tables: tables})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := c.Lookup(fixture.Domain(t, "d7.example")); !ok || p.ID != "one" {
		t.Errorf("d7.example is %v's", p)
	}

	go sources.Run(t.Context())
	fixture.Write(t, "one.txt", numbered(2, 21))
	imported()
	fixture.Await(t, "the change is not seen", func() bool {
		tables, _ := sources.Take()
		_, gone := tables[0].Find("d1.example")
		_, there := tables[0].Find("d21.example")
		return there && !gone
	})
}
