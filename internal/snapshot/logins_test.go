package snapshot_test

import (
	"errors"
	"strings"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/snapshot"
	"milepost/settings"
)

// hosted has the login name of the first server from a directory.
var hosted = strings.Replace(fixture.Family, "[[outgoing]]", "username = \"%LOGIN%\"\n[[outgoing]]", 1)

func TestDirectories(t *testing.T) {
	const table = "[[directory]]\nkind = \"postgres\"\ndsn = \"postgres://fred:secret@127.0.0.1:1/mail\"\n"
	const query = "login = \"SELECT login FROM users WHERE address = ?\"\n"
	for _, tc := range []struct{ name, config, provider, err, warning string }{
		{"as it should be", table + query + "domains_of = \"hosted\"\n", hosted, "", ""},
		{"no directory", "", hosted, `providers/hosted.toml:1: has username = "%LOGIN%", and no [[directory]] in milepost.toml has domains_of = "hosted"`, ""},
		{"that of another provider", table + query + "domains_of = \"other\"\n", hosted, `providers/hosted.toml:1: has username = "%LOGIN%", and no [[directory]] in milepost.toml has domains_of = "hosted"`, ""},
		{"no such provider", table + query + "domains_of = [\"hosted\", \"other\"]\n", hosted, `milepost.toml:1: domains_of: no provider has the id "other"`, ""},
		{"a provider without %LOGIN%", table + query + "domains_of = \"hosted\"\n", fixture.Family, "", `milepost.toml:1: domains_of: hosted has no username = "%LOGIN%", so nobody is looked up there`},
		{"no query", table + "domains_of = \"hosted\"\n", hosted, "milepost.toml:1: directory: needs login, a query, or a preset", ""},
		{"an unknown preset", table + "preset = \"x\"\ndomains_of = \"hosted\"\n", hosted,
			`milepost.toml:1: directory: preset "x" has no login names for postgres; iredmail, mailu, modoboa and postfixadmin are allowed`, ""},
		{"a placeholder too many", table + "login = \"SELECT login FROM users WHERE address = ?4\"\ndomains_of = \"hosted\"\n", hosted,
			"milepost.toml:1: directory: login has the placeholder ?4; ? and ?1 to ?3 are allowed", ""},
		{"no placeholder", table + "login = \"SELECT 'fred'\"\ndomains_of = \"hosted\"\n", hosted,
			"milepost.toml:1: directory: login has no placeholder, so it would say the same of every address; ? is the address, ?2 its local part and ?3 its domain", ""},
		{"a pattern", table + "login = \"SELECT login FROM users WHERE address ILIKE ?\"\ndomains_of = \"hosted\"\n", hosted,
			`milepost.toml:1: directory: login compares the address as a pattern, in which a stranger's % and _ stand for anything; "=" is allowed`, ""},
		{"a DSN that is none", strings.Replace(table, "127.0.0.1:1", "127.0.0.1:x", 1) + query + "domains_of = \"hosted\"\n", hosted,
			`milepost.toml:1: directory: dsn: is not understood; "postgres://USER:PASSWORD@HOST/DATABASE" and "host=HOST user=USER password=PASSWORD dbname=DATABASE", say, are allowed`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(fixture.Directory(t, "milepost.toml", tc.config, "providers/hosted.toml", tc.provider))
			s, err := snapshot.Build(t.Context(), options(), nil)
			if err == nil {
				err = errors.New("")
			}
			if err.Error() != tc.err || s != nil && s.Warnings.Error() != tc.warning {
				t.Errorf("got:\n%v\nwarnings: %v", err, s)
			}
		})
	}
}

// The fallback is the directory's, and of no other provider.
func TestFallbackOfDirectory(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", `[[directory]]
kind = "sqlite"
dsn = "mail.sqlite"
login = "SELECT login FROM users WHERE address = ?"
domains_of = "hosted"
fallback = "%EMAILLOCALPART%"
`, "providers/hosted.toml", hosted, "providers/other.toml", strings.Replace(fixture.Family, "example.com", "example.net", 1)))
	s, err := snapshot.Build(t.Context(), options(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.Catalogue.Providers() {
		if want := map[string]settings.Username{"hosted": settings.EmailLocalPart, "other": ""}[p.ID]; p.LoginFallback != want {
			t.Errorf("%s: %s", p.ID, p.LoginFallback)
		}
	}
}
