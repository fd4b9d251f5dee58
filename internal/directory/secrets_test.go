package directory

import (
	"errors"
	"strings"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// No error says a password, whoever makes it.
func TestNoSecrets(t *testing.T) {
	const secret = "p%2Fs3cr3t@"
	for name, s := range map[string]config.Access{
		"postgres, a URL that is none":     {Kind: config.Postgres, DSN: "postgres://milepost:p/s3cr3t@@[::1/db"},
		"postgres, words that are none":    {Kind: config.Postgres, DSN: "host=db password='p/s3cr3t@"},
		"postgres, a setting that is none": {Kind: config.Postgres, DSN: "postgres://milepost:" + secret + "127.0.0.1/db?sslmode=p%2Fs3cr3t"},
		"postgres, nobody there":           {Kind: config.Postgres, DSN: "postgres://milepost:" + secret + "127.0.0.1:" + fixture.FreePort(t, "127.0.0.1") + "/db"},
		"mysql, words that are none":       {Kind: config.MySQL, DSN: "milepost:p/s3cr3t@tcp(127.0.0.1"},
		"mysql, a setting that is none":    {Kind: config.MySQL, DSN: "milepost:p/s3cr3t@tcp(127.0.0.1:1)/db?tls=p/s3cr3t"},
		"mysql, nobody there":              {Kind: config.MySQL, DSN: "milepost:p/s3cr3t@tcp(127.0.0.1:" + fixture.FreePort(t, "127.0.0.1") + ")/db"},
	} {
		t.Run(name, func(t *testing.T) {
			source := config.Source{Access: s, Domains: "SELECT 1 AS domain"}
			r, err := open(source)
			if err == nil {
				defer r.close()
				_, err = r.all(t.Context(), func(record) error { return nil })
			}
			if err == nil || strings.Contains(err.Error(), "s3cr3t") {
				t.Error(err)
			}
		})
	}
	for kind, dsn := range map[config.Kind]string{config.Postgres: fixture.Postgres(t), config.MySQL: fixture.MariaDB(t)} {
		wrong := "not-the-" + fixture.DatabasePassword
		r, err := open(config.Source{Access: config.Access{Kind: kind, DSN: strings.Replace(dsn, fixture.DatabasePassword, wrong, 1)}, Domains: "SELECT 1 AS domain"})
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		if _, err := r.all(t.Context(), func(record) error { return nil }); err == nil || strings.Contains(err.Error(), wrong) {
			t.Error(err)
		}
		// What a database repeats of its own accord, it may repeat of the password.
		r, err = open(config.Source{Access: config.Access{Kind: kind, DSN: dsn}, Domains: "SELECT '" + fixture.DatabasePassword + "' AS domain FROM \n" + strings.ReplaceAll(fixture.DatabasePassword, "-", "_")})
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		if _, err := r.all(t.Context(), func(record) error { return nil }); err == nil || strings.Contains(err.Error(), fixture.DatabasePassword) {
			t.Error(err)
		}
	}
	if got := newSecrets("user:a@b@db", "a@b").hide(errors.New("no a%40b, nor a@b")); got.Error() != "no ***, nor ***" {
		t.Error(got)
	}
}
