package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
)

func options(t *testing.T, pairs ...string) []config.Option {
	t.Helper()
	var out []config.Option
	for _, p := range pairs {
		o, err := config.ParseSet(p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o)
	}
	return out
}

// The environment comes over the file, and options over both; the configuration in
// force says of each value where it comes from.
func TestOrder(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", "[http]\nlisten = [\":80\"]\ndrain = \"1s\"\n[log]\nlevel = \"warn\"\nformat = \"json\"\n[catalogue]\nproviders = [\"a\"]\n"))
	c, err := config.Load(config.Inputs{
		File: "milepost.toml",
		Environ: []string{"MILEPOST_LOG_LEVEL=debug", "MILEPOST_HTTP_DRAIN=2s", "MILEPOST_PROXY_TRUSTED=10.0.0.0/8, ::1", "HOME=/", "MILEPOST_CONFIG=x",
			// of a service in Kubernetes
			"MILEPOST_SERVICE_HOST=10.0.0.1", "MILEPOST_SERVICE_PORT=80", "MILEPOST_PORT=tcp://10.0.0.1:80", "MILEPOST_PORT_80_TCP_ADDR=10.0.0.1",
			"MILEPOST_LOG_LEVLE=debug", "MILEPOST_NONSENSE=1"},
		Options: append(options(t, "http.drain=3s", "dns.ttl=60"), config.Option{Flag: "providers", Setting: "catalogue.providers", Value: "b"}, config.Option{Flag: "providers", Setting: "catalogue.providers", Value: "c"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(c.Effective()) {
		if !strings.Contains(line, "# default\n") && !strings.Contains(line, " is not set\n") && strings.Contains(line, " = ") {
			lines = append(lines, regexp.MustCompile(` +#`).ReplaceAllString(line, " #"))
		}
	}
	const want = `listen = [":80"] # milepost.toml:2
drain = "3s" # -set http.drain
providers = ["b", "c"] # -providers
ttl = 60 # -set dns.ttl
trusted = ["10.0.0.0/8", "::1/128"] # MILEPOST_PROXY_TRUSTED
format = "json" # milepost.toml:6
level = "debug" # MILEPOST_LOG_LEVEL
`
	if got := strings.Join(lines, ""); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	const warnings = `MILEPOST_LOG_LEVLE: is unknown; did you mean MILEPOST_LOG_LEVEL?
MILEPOST_NONSENSE: is unknown; 'milepost config -example' names what can be set
MILEPOST_SERVICE_HOST: is an IP address, and passed over: a host name is needed`
	if got := c.Warnings.Error(); got != warnings {
		t.Errorf("warnings:\n%s", got)
	}
}

// For whom MX hosts are looked up may be said with true and false, wherever it is said.
func TestLookupMX(t *testing.T) {
	for _, tc := range []struct {
		value string
		want  config.MX
	}{
		{`"off"`, config.MXOff}, {`"pages"`, config.MXPages}, {`"all"`, config.MXAll},
		{"false", config.MXOff}, {"true", config.MXAll}, {`"true"`, config.MXAll},
	} {
		t.Run(tc.value, func(t *testing.T) {
			t.Chdir(fixture.Directory(t, "milepost.toml", "[lookup]\nmx = "+tc.value+"\n"))
			plain := strings.Trim(tc.value, `"`)
			for from, in := range map[string]config.Inputs{
				"the file":        {File: "milepost.toml"},
				"the environment": {Environ: []string{"MILEPOST_LOOKUP_MX=" + plain}},
				"an option":       {Options: options(t, "lookup.mx="+plain)},
			} {
				c, err := config.Load(in)
				if err != nil || c.Lookup.MX != tc.want || !strings.Contains(c.Effective(), fmt.Sprintf("\nmx = %q", tc.want)) {
					t.Errorf("in %s: %v, want %q", from, err, tc.want)
				}
			}
		})
	}
}

// Mistakes of all sources come out at once.
func TestBadSources(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", "[dns]\nttl = 0\n"))
	_, err := config.Load(config.Inputs{
		File:    "milepost.toml",
		Environ: []string{"MILEPOST_LOG_LEVEL=loud", "MILEPOST_HTTP_LISTEN=:80,here", "MILEPOST_TLS_ACME=yes", "MILEPOST_LIMITS_RATE=many", "MILEPOST_HTTP_DRAIN=2h"},
		Options: []config.Option{{Flag: "sign-key", Setting: "signing.key", Value: "key.pem"}},
	})
	const want = `milepost.toml:2: dns.ttl: is 0; 1 to 604800 are allowed
MILEPOST_HTTP_DRAIN: is "2h"; "0s" to "1h" are allowed
MILEPOST_HTTP_LISTEN: "here" has no port; HOST:PORT and :PORT are allowed
MILEPOST_LIMITS_RATE: is "many"; 0 to 1000000 are allowed
MILEPOST_LOG_LEVEL: "loud" is unknown; debug, info, warn and error are allowed
MILEPOST_TLS_ACME: "yes" is unknown; true and false are allowed
-sign-key: has no certificate; -sign-cert is missing`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	for text, want := range map[string]string{
		"http.listen": "is no TABLE.KEY=VALUE; http.listen=:80, say, is allowed",
		"htp.listen=": "htp.listen is unknown; did you mean http.listen?",
		"x=y":         "x is unknown; 'milepost config -example' names what can be set",
		"dns.ttl=x":   `is "x"; 1 to 604800 are allowed`,
	} {
		if _, err := config.ParseSet(text); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What is printed as in force is read as the same.
func TestEffectiveIsRead(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", everything(t), "cert.pem", "", "logo.svg", "<svg/>", "example.com.zone", "@ A 192.0.2.1\n"))
	first, err := config.Load(config.Inputs{File: "milepost.toml"})
	if err != nil {
		t.Fatal(err)
	}
	text := first.Effective()
	for _, secret := range []string{`secret = "c2VjcmV0LW9mLXR3ZW50eS1mb3VyLW9jdA=="`, `cookie_secret = ["e5e973e5a6b2a43f48e7dc849e37bfcf"]`, `dsn = "host=db"`} {
		key, value, _ := strings.Cut(secret, " = ")
		if left := "\n# " + key + " is not shown\n"; !strings.Contains(text, left) || strings.Contains(text, strings.Trim(value, `[]"`)) {
			t.Errorf("%s is shown", key)
		}
		text = strings.ReplaceAll(text, "\n# "+key+" is not shown", "\n"+secret)
	}
	fixture.Write(t, "milepost.toml", text)
	second, err := config.Load(config.Inputs{File: "milepost.toml"})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	origin := regexp.MustCompile(` +# .*`)
	if got, want := origin.ReplaceAllString(second.Effective(), ""), origin.ReplaceAllString(first.Effective(), ""); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// everything is the example with all that can be set at once.
func everything(t *testing.T) string {
	t.Helper()
	commented := regexp.MustCompile(`(?m)^# (\[\[.*\]\]|[a-z0-9_]+ = .*)$`)
	text := commented.ReplaceAllString(config.Example(), "$1")
	// Certificates are ordered, or read.
	for _, key := range []string{"\ncert = ", "\nkey = \"key.pem\""} {
		text = strings.ReplaceAll(text, key, strings.Replace(key, "\n", "\n# ", 1))
	}
	return text
}

// The example is taken as it is, and with everything in it that stands in comments.
func TestExample(t *testing.T) {
	for name, text := range map[string]string{"as it is": config.Example(), "all of it": everything(t)} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(fixture.Directory(t, "milepost.toml", text, "logo.svg", "<svg/>", "example.com.zone", "@ A 192.0.2.1\n"))
			c, err := config.Load(config.Inputs{File: "milepost.toml"})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			for _, s := range config.Settings() {
				if pem := s.Key == "cert" || s.Key == "key"; c.Has(s.Name()) != (name == "all of it") && !pem {
					t.Errorf("%s: set: %v", s.Name(), c.Has(s.Name()))
				}
			}
		})
	}
}

// Every key of an array is in the manual, and every key of the manual is read.
func TestArrays(t *testing.T) {
	for _, a := range config.Arrays {
		t.Chdir(fixture.Directory(t, "milepost.toml", "[["+a.Name+"]]\nnonsense = 1\n"))
		_, err := config.Load(config.Inputs{File: "milepost.toml"})
		var names []string
		for _, k := range a.Keys {
			names = append(names, k.Name)
		}
		if want := "nonsense: is unknown; " + tomlfile.Allowed(names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", a.Name, err, want)
		}
	}
}

// docs/configuration.md is what the definitions say; UPDATE=1 rewrites it.
func TestManual(t *testing.T) {
	const file = "../../docs/configuration.md"
	if os.Getenv("UPDATE") != "" {
		fixture.Write(t, file, config.Manual())
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != config.Manual() {
		t.Errorf("%s is not what the definitions say (%v); UPDATE=1 go test ./internal/config -run TestManual rewrites it", file, err)
	}
}

// Each setting has a table in the manual, a name of its own, and a sentence.
func TestSettings(t *testing.T) {
	var names []string
	for _, s := range config.Settings() {
		if slices.Contains(names, s.Name()) || !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s", s.Name())
		}
		names = append(names, s.Name())
		if !slices.ContainsFunc(config.Tables, func(t struct{ Name, Doc string }) bool { return t.Name == s.Table }) {
			t.Errorf("%s is in no table", s.Name())
		}
	}
	if got := fmt.Sprint(config.NeedRestart(config.Default(), config.Default())); got != "[]" {
		t.Error(got)
	}
	other := config.Default()
	other.HTTP.Listen, other.DNS.TTL, other.Log.Format = nil, 5, "json"
	if got := fmt.Sprint(config.NeedRestart(config.Default(), other)); got != "[http.listen log.format]" {
		t.Error(got)
	}
}

// A source's DSN comes from the file or from one beside it, and is shown nowhere.
func TestSources(t *testing.T) {
	dir := fixture.Directory(t, "milepost.toml", `[[source]]
kind = "postgres"
dsn_file = "dsn"
preset = "milepost"
[[source]]
kind = "sqlite"
dsn = "mail.sqlite"
name = "second"
domains = "SELECT 'a.example' AS domain, 'a' AS provider"
every = "5s"
[[source]]
kind = "file"
dsn = "/etc/virtual/domains"
provider = "example.net"
`, "dsn", "host=db password=s3cr3t\n")
	seen := new(textfile.Seen)
	c, err := config.Load(config.Inputs{File: filepath.Join(dir, "milepost.toml"), Seen: seen})
	if err != nil {
		t.Fatal(err)
	}
	place := func(line int) textfile.Error {
		return textfile.Error{File: filepath.Join(dir, "milepost.toml"), Line: line, Key: "source"}
	}
	want := []config.Source{
		{Access: config.Access{Kind: config.Postgres, DSN: "host=db password=s3cr3t", Preset: "milepost", Place: place(1)}, Name: "milepost"},
		{Access: config.Access{Kind: config.SQLite, DSN: filepath.Join(dir, "mail.sqlite"), Place: place(5)}, Name: "second",
			Domains: "SELECT 'a.example' AS domain, 'a' AS provider", Every: 5 * time.Second},
		{Access: config.Access{Kind: config.File, DSN: "/etc/virtual/domains", Place: place(11)}, Name: "file", Provider: "example.net"},
	}
	if diff := cmp.Diff(want, c.Sources); diff != "" {
		t.Error(diff)
	}
	if text := c.Effective(); strings.Contains(text, "s3cr3t") || strings.Contains(text, "mail.sqlite") || !strings.Contains(text, "# dsn is not shown\nname = \"second\"\nevery = \"5s\"\n") {
		t.Error(text)
	}
	if seen.Changed() {
		t.Error("nothing has changed")
	}
	fixture.Write(t, filepath.Join(dir, "dsn"), "host=db password=another\n")
	if !seen.Changed() {
		t.Error("the change of a DSN is not noticed")
	}
}
