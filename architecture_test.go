// Package milepost_test holds the rules of docs/architecture.md and runs what
// README.md says.
package milepost_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rooms are all packages, each with what it may import of ours. A new one must say
// here what it may know.
var rooms = map[string]string{
	"address":  "",
	"settings": "address",

	"autoconfig":   "address settings internal/query internal/xmlwriter",
	"autodiscover": "address settings internal/query internal/xmlwriter",
	"mobileconfig": "address settings internal/query internal/xmlwriter",
	"pacc":         "address settings",
	"zone":         "address settings pacc internal/mtasts",

	"catalogue":             "address settings internal/layered internal/textfile",
	"internal/providerfile": "address settings catalogue internal/textfile internal/tomlfile",
	"internal/lookup":       "address settings",
	"internal/mtasts":       "address settings",
	"internal/mx":           "address internal/metrics",
	"internal/formats":      "address settings autoconfig autodiscover mobileconfig pacc internal/lookup internal/mtasts",

	"internal/answer":        "address settings internal/query",
	"internal/exchange":      "address settings autoconfig catalogue internal/answer internal/mtasts internal/providerfile internal/storage internal/textfile internal/tomlfile pacc",
	"internal/thunderbirdqr": "settings internal/answer",
	"internal/pages":         "address settings internal/answer internal/thunderbirdqr internal/doctor internal/query internal/textfile internal/tomlfile",

	"internal/doctor":    "address settings autoconfig autodiscover pacc",
	"internal/observe":   "internal/doctor settings",
	"internal/webdoctor": "address internal/doctor internal/metrics internal/observe internal/ratelimit",

	"internal/config":     "address settings internal/textfile internal/tomlfile",
	"internal/certs":      "mobileconfig internal/storage internal/textfile",
	"internal/storage":    "internal/config internal/textfile",
	"internal/snapshot":   "address settings catalogue data internal/config internal/directory internal/zones internal/providerfile internal/pages internal/textfile",
	"internal/directory":  "address settings catalogue internal/config internal/lookup internal/metrics internal/textfile internal/tomlfile",
	"internal/httpd":      "address settings autodiscover mobileconfig internal/answer internal/config internal/connlimit internal/formats internal/lookup internal/metrics internal/pages internal/query internal/ratelimit internal/snapshot internal/useragent internal/webdoctor",
	"internal/zones":      "address settings catalogue pacc zone internal/config internal/layered internal/textfile",
	"internal/nameserver": "zone internal/config internal/connlimit internal/metrics internal/ratelimit internal/snapshot internal/zones",
	"internal/metrics":    "internal/useragent",
	"internal/admin":      "address internal/connlimit",
	"internal/connlimit":  "",
	"internal/logqueue":   "",
	"internal/ratelimit":  "",
	"internal/zoneformat": "address pacc zone",

	"internal/manual":  "",
	"internal/systemd": "",

	"internal/layered":   "",
	"internal/textfile":  "",
	"internal/tomlfile":  "internal/textfile",
	"internal/query":     "",
	"internal/useragent": "",
	"internal/xmlwriter": "",
	"data":               "",

	"internal/fixture": "address settings catalogue data internal/answer internal/providerfile", // for tests alone
	"cmd/milepost":     "*",
	"packaging":        "", // tests alone
	"packaging/gen":    "internal/config internal/manual",
}

// pure are the rooms in which data goes in, and bytes or records come out: without
// socket, clock or log.
var pure = []string{"address", "settings", "autoconfig", "autodiscover", "mobileconfig", "pacc", "zone", "catalogue", "internal/providerfile",
	"internal/lookup", "internal/mtasts", "internal/answer", "internal/thunderbirdqr", "internal/pages", "internal/zoneformat", "internal/doctor", "internal/manual", "internal/query", "internal/useragent", "internal/xmlwriter"}

var impure = []string{"os", "net", "net/http", "time", "log", "log/slog"}

// only says which rooms alone know a package of somebody else's.
var only = map[string]string{
	"github.com/caddyserver/certmagic":         "internal/certs internal/storage",
	"go.uber.org/zap":                          "internal/certs",
	"go.uber.org/zap/zapcore":                  "internal/certs",
	"github.com/labstack/echo/v4":              "internal/httpd",
	"github.com/pires/go-proxyproto":           "internal/httpd",
	"github.com/BurntSushi/toml":               "internal/tomlfile",
	"github.com/pelletier/go-toml/v2/unstable": "internal/tomlfile",

	"github.com/prometheus/client_golang/prometheus":            "internal/metrics",
	"github.com/prometheus/client_golang/prometheus/collectors": "internal/metrics",
	"github.com/prometheus/client_golang/prometheus/promhttp":   "internal/metrics",
	"net/http/pprof": "internal/admin",

	"github.com/pressly/goose/v3":     "internal/storage",
	"github.com/jackc/pgx/v5":         "internal/directory internal/storage",
	"github.com/jackc/pgx/v5/pgxpool": "internal/directory internal/storage",
	"github.com/jackc/pgx/v5/stdlib":  "internal/directory internal/storage",
	"github.com/go-sql-driver/mysql":  "internal/directory",
	"modernc.org/sqlite":              "internal/directory",
	"github.com/go-ldap/ldap/v3":      "internal/directory",
}

type listed struct {
	Dir        string
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=Dir,ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		// go test keeps a result until a directory changes that was read, and sees
		// nothing of what go list reads.
		if _, err := os.ReadDir(p.Dir); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

func TestArchitecture(t *testing.T) {
	all := packages(t)
	manual, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(manual), "\n    cmd ─►")
	for room := range rooms {
		if _, ok := all["milepost/"+room]; !ok {
			t.Errorf("there is no package %s", room)
		}
		if !strings.Contains(list, " "+path.Base(room)+"/ ") && !strings.Contains(list, room+"/ ") && room != "packaging/gen" {
			t.Errorf("docs/architecture.md does not list %s", room)
		}
	}
	for name, p := range all {
		room := strings.TrimPrefix(name, "milepost/")
		known, ok := rooms[room]
		if !ok && name != "milepost" {
			t.Errorf("%s has no line here: what may it know?", room)
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, "milepost/"); ok && known != "*" && !slices.Contains(strings.Fields(known), ours) {
				t.Errorf("%s imports %s", room, ours)
			}
			if owners := only[i]; owners != "" && !slices.Contains(strings.Fields(owners), room) {
				t.Errorf("%s imports %s, which only %s may know", room, i, owners)
			}
			if room != "internal/fixture" && (i == "testing" || i == "milepost/internal/fixture") {
				t.Errorf("%s imports %s outside of its tests", room, i)
			}
			if slices.Contains(pure, room) && slices.Contains(impure, i) {
				t.Errorf("%s imports %s: it is pure", room, i)
			}
		}
	}
}

// walkStep is a line of a walk: a file or a folder, and a function in it.
var walkStep = regexp.MustCompile(`^    (\S+(?:\.go|/)) +(\w+) `)

// The walks of docs/architecture.md name files and functions that are there.
func TestWalks(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walks, _ := strings.Cut(string(text), "\n## Six walks\n")
	walks, _, _ = strings.Cut(walks, "\n## Decisions\n")
	steps := 0
	for line := range strings.Lines(walks) {
		m := walkStep.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		steps++
		path, name := strings.Replace(m[1]+"*.go", ".go*.go", ".go", 1), regexp.MustCompile(`(?m)^func (\(.*?\) )?`+m[2]+`\(|^\s+`+m[2]+`:`)
		files, _ := filepath.Glob(path)
		inside, _ := filepath.Glob("internal/" + path)
		if !slices.ContainsFunc(append(files, inside...), func(file string) bool {
			code, err := os.ReadFile(file)
			return err == nil && name.Match(code)
		}) {
			t.Errorf("%s has no %s", m[1], m[2])
		}
	}
	if steps < 30 {
		t.Errorf("%d steps were found", steps)
	}
}
