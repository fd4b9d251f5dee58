// Package milepost_test holds the rules of docs/architecture.md and runs what
// README.md says.
package milepost_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	echoPath = "github.com/labstack/echo/v4"
	tomlPath = "github.com/BurntSushi/toml"
)

// formats are the rooms that must stay pure. A new format is added here.
var formats = []string{"milepost/autoconfig", "milepost/autodiscover", "milepost/mobileconfig"}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]listed)
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	return all
}

func ours(imports []string) []string {
	var out []string
	for _, i := range imports {
		if strings.HasPrefix(i, "milepost/") {
			out = append(out, i)
		}
	}
	return out
}

func TestArchitecture(t *testing.T) {
	all := packages(t)
	allow := func(name string, allowed ...string) {
		t.Helper()
		p, ok := all[name]
		if !ok {
			t.Errorf("there is no package %s", name)
		}
		for _, dep := range ours(p.Deps) {
			if !slices.Contains(allowed, dep) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
	allow("milepost/address")
	allow("milepost/settings", "milepost/address")
	allow("milepost/catalogue", "milepost/address", "milepost/settings", "milepost/internal/query", "milepost/internal/textfile", "milepost/internal/tomlfile")
	allow("milepost/data")
	allow("milepost/internal/textfile")
	allow("milepost/internal/query")
	allow("milepost/internal/tomlfile", "milepost/internal/textfile")
	allow("milepost/internal/xmlwriter")
	allow("milepost/internal/pages", "milepost/address", "milepost/settings", "milepost/internal/query", "milepost/internal/textfile", "milepost/internal/tomlfile")
	for _, f := range formats {
		allow(f, "milepost/address", "milepost/settings", "milepost/internal/query", "milepost/internal/xmlwriter")
		for _, shell := range []string{"os", "time", "log", "log/slog", "net", "net/http", echoPath} {
			if slices.Contains(all[f].Imports, shell) {
				t.Errorf("%s imports %s: a format is pure", f, shell)
			}
		}
		if slices.Contains(all[f].Deps, echoPath) || slices.Contains(all[f].Deps, "log/slog") {
			t.Errorf("%s depends on Echo or slog", f)
		}
	}
	allow("milepost/zone", "milepost/address", "milepost/settings")
	allow("milepost/internal/zoneformat", "milepost/address", "milepost/settings", "milepost/zone")
	for _, name := range []string{"milepost/zone", "milepost/internal/zoneformat"} {
		for _, shell := range []string{"os", "time", "log", "log/slog", "net", "net/http"} {
			if slices.Contains(all[name].Imports, shell) {
				t.Errorf("%s imports %s: it is pure", name, shell)
			}
		}
	}
	allow("milepost/internal/config", "milepost/address", "milepost/settings", "milepost/internal/pages", "milepost/internal/query", "milepost/internal/textfile", "milepost/internal/tomlfile")
	allow("milepost/internal/nameserver", "milepost/address", "milepost/settings", "milepost/zone", "milepost/internal/connlimit")
	allow("milepost/internal/connlimit")
	allow("milepost/internal/logqueue")
	for _, shell := range []string{"os", "net", "net/http", "time", "log/slog", echoPath} {
		if slices.Contains(all["milepost/internal/pages"].Imports, shell) {
			t.Errorf("milepost/internal/pages imports %s: a page is made of its model alone", shell)
		}
	}
	for name, p := range all {
		if slices.Contains(p.Imports, echoPath) && name != "milepost/internal/httpd" {
			t.Errorf("%s imports Echo", name)
		}
		if slices.Contains(p.Imports, tomlPath) && name != "milepost/internal/tomlfile" {
			t.Errorf("%s imports BurntSushi/toml", name)
		}
		for _, i := range []string{"os", "net"} {
			if slices.Contains(p.Imports, i) && slices.Contains([]string{"milepost/address", "milepost/settings", "milepost/catalogue", "milepost/data"}, name) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}
