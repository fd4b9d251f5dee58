// Package packaging_test checks what is shipped beside the program: units, man page,
// completion, alerts, dashboard.
package packaging_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/manual"
)

// succeed runs a program, and returns what it printed.
func succeed(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", path, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// read returns the text of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// generated is a directory with what gen writes.
func generated(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	succeed(t, "go", "run", "milepost/packaging/gen", "-out", dir, "-date", "1795000000")
	return dir
}

// page lints a man page, and returns its text without any markup.
func page(t *testing.T, path string) string {
	t.Helper()
	mandoc, man := fixture.Tool(t, "mandoc", "mandoc"), fixture.Tool(t, "man", "man-db")
	complaints, err := exec.Command(mandoc, "-T", "lint", "-W", "all", path).CombinedOutput()
	if _, some := errors.AsType[*exec.ExitError](err); err != nil && !some {
		t.Fatal(err)
	}
	for complaint := range strings.Lines(string(complaints)) {
		if !strings.Contains(complaint, "referenced manual not found: Xr milepost") { // it is not installed
			t.Error(complaint)
		}
	}
	cmd := exec.Command(man, "--warnings", "-l", path)
	cmd.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING=", "GROFF_NO_SGR=1")
	var warnings strings.Builder
	cmd.Stderr = &warnings
	if _, err := cmd.Output(); err != nil || warnings.Len() > 0 {
		t.Errorf("%v\n%s", err, &warnings)
	}
	text := succeed(t, mandoc, "-T", "utf8", "-O", "width=1000", path)
	for regexp.MustCompile(".\x08").MatchString(text) { // bold and underlined
		text = regexp.MustCompile(".\x08").ReplaceAllString(text, "")
	}
	return strings.Join(strings.Fields(text), " ")
}

func TestManPages(t *testing.T) {
	dir := generated(t)
	m, err := manual.Parse()
	if err != nil {
		t.Fatal(err)
	}
	text := page(t, filepath.Join(dir, "milepost.1"))
	for _, c := range m.Commands {
		for _, name := range c.Names() {
			if !strings.Contains(text, "-"+name) {
				t.Errorf("milepost(1) lacks -%s", name)
			}
		}
	}
	text = page(t, filepath.Join(dir, "milepost.toml.5"))
	plain := strings.NewReplacer("**", "", "`", "")
	for _, want := range config.Rules {
		if !strings.Contains(text, plain.Replace(want)) {
			t.Errorf("milepost.toml(5) lacks %q", want)
		}
	}
	for _, s := range config.Settings() {
		if want := s.Key + " = " + s.Word() + " " + s.Doc; !strings.Contains(text, want) {
			t.Errorf("milepost.toml(5) lacks %q", want)
		}
		if want := "Default: " + s.Default() + "."; s.Default() != "" && !strings.Contains(text, want) {
			t.Errorf("milepost.toml(5) lacks %q", want)
		}
	}
	for _, a := range config.Arrays {
		for _, k := range a.Keys {
			if want := k.Name + " = " + k.Example + " " + k.Doc; !strings.Contains(text, want) {
				t.Errorf("milepost.toml(5) lacks %q", want)
			}
		}
	}
}

// The shipped configuration sets one thing: where the admin's own providers are.
func TestConfiguration(t *testing.T) {
	dir := generated(t)
	conf, err := config.Load(config.Inputs{File: filepath.Join(dir, "milepost.toml")})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "providers")}; !slices.Equal(conf.Catalogue.Providers, want) {
		t.Errorf("%q", conf.Catalogue.Providers)
	}
	for _, s := range config.Settings() {
		if conf.Has(s.Name()) != (s.Name() == "catalogue.providers") {
			t.Errorf("%s: %v", s.Name(), conf.Has(s.Name()))
		}
	}
}

// What README.Debian has set is a configuration, and its commands are the manual's.
func TestReadmeDebian(t *testing.T) {
	text := read(t, "deb/README.Debian")
	_, block, ok := strings.Cut(text, "commented out, set\n")
	block, _, also := strings.Cut(block, " 3. ")
	if !ok || !also {
		t.Fatal("it has no configuration")
	}
	conf, err := config.Load(config.Inputs{File: filepath.Join(fixture.Directory(t, "milepost.toml", block), "milepost.toml")})
	if err != nil {
		t.Fatal(err)
	}
	if !conf.TLS.ACME || len(conf.HTTPS.Listen) != 1 || conf.Service.Host == "" {
		t.Errorf("%+v", conf)
	}
	m, err := manual.Parse()
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^ {8}milepost (\w+)`).FindAllStringSubmatch(text, -1) {
		if _, ok := m.Command(match[1]); !ok {
			t.Errorf("%s is no command", match[1])
		}
	}
}

// What each shell offers behind some words.
func TestCompletion(t *testing.T) {
	dir := generated(t)
	work := fixture.Directory(t, "milepost.toml", "", "providers/example.com.toml", "")
	script, err := filepath.Abs("testdata/complete.zsh")
	if err != nil {
		t.Fatal(err)
	}
	complete := map[string]func(words ...string) []string{
		"bash": func(words ...string) []string {
			script := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _milepost; printf '%s\n' "${COMPREPLY[@]}"`
			cmd := exec.Command(fixture.Tool(t, "bash", "bash"), append([]string{"--norc", "-c", script, "-", filepath.Join(dir, "milepost.bash"), "milepost"}, words...)...)
			return lines(t, cmd, work)
		},
		"zsh": func(words ...string) []string {
			cmd := exec.Command(fixture.Tool(t, "zsh", "zsh"), "-f", script, dir, strings.Join(words, " "))
			return lines(t, cmd, work)
		},
		"fish": func(words ...string) []string {
			cmd := exec.Command(fixture.Tool(t, "fish", "fish"), "--no-config", "-c", `source $argv[1]; complete -C "milepost $argv[2]"`, filepath.Join(dir, "milepost.fish"), strings.Join(words, " "))
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
			return lines(t, cmd, work)
		},
	}
	for shell, complete := range complete {
		t.Run(shell, func(t *testing.T) {
			for _, tc := range []struct {
				name  string
				words []string
				want  []string
				not   string
			}{
				{"commands", []string{""}, []string{"serve", "show", "dns", "check", "version", "help"}, "milepost.toml"},
				{"a command", []string{"ver"}, []string{"version"}, "serve"},
				{"options", []string{"dns", "-"}, []string{"-format", "-ttl", "-service-host"}, "-http"},
				{"an option", []string{"show", "-all"}, []string{"-all-servers"}, "-format"},
				{"the words of an option", []string{"dns", "-format", "n"}, []string{"nsupdate"}, "mobileconfig"},
				{"the same option of another command", []string{"show", "-format", "auto"}, []string{"autoconfig", "autodiscover", "autodiscover-json"}, "nsupdate"},
				{"a file", []string{"serve", "-config", "mile"}, []string{"milepost.toml"}, "serve"},
				{"paths", []string{"check", "mile"}, []string{"milepost.toml"}, "serve"},
				{"documents", []string{"import", "mile"}, []string{"milepost.toml"}, "serve"},
				{"a directory", []string{"import", "-into", "prov"}, []string{"providers"}, "serve"},
				{"a key", []string{"serve", "-set", "http.l"}, []string{"http.listen="}, "https.listen="},
				{"help", []string{"help", "s"}, []string{"serve", "show"}, "dns"},
			} {
				t.Run(tc.name, func(t *testing.T) {
					got := complete(tc.words...)
					for _, want := range tc.want {
						if !slices.Contains(got, want) {
							t.Errorf("%q lacks %s", got, want)
						}
					}
					if slices.Contains(got, tc.not) {
						t.Errorf("%q has %s", got, tc.not)
					}
				})
			}
		})
	}
}

// lines returns the first word of each line that a shell prints; a directory without the
// slash that not every shell shows.
func lines(t *testing.T, cmd *exec.Cmd, dir string) (first []string) {
	t.Helper()
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 {
			first = append(first, strings.TrimSuffix(words[0], "/"))
		}
	}
	return first
}

var exposure = regexp.MustCompile(`Overall exposure level for milepost.service: ([0-9.]+)`)

func TestUnits(t *testing.T) {
	analyze := fixture.Tool(t, "systemd-analyze", "systemd")
	unit := read(t, "systemd/milepost.service")
	withoutCapabilities := unit + read(t, "systemd/no-capabilities.conf")
	for _, tc := range []struct {
		name, unit string
		most       float64
	}{
		{"with ports from the configuration", unit, 1.5},
		{"with ports from sockets", withoutCapabilities, 1.2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := fixture.Directory(t, "milepost.service", tc.unit)
			out := succeed(t, analyze, "security", "--offline=true", "--no-pager", filepath.Join(dir, "milepost.service"))
			m := exposure.FindStringSubmatch(out)
			if m == nil {
				t.Fatal(out)
			}
			if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > tc.most {
				t.Errorf("exposure %s, at most %.1f is allowed\n%s", m[1], tc.most, out)
			}
			t.Logf("exposure %s", m[1])
		})
	}
	// A program that is there, for verify looks.
	program := filepath.Join(t.TempDir(), "milepost")
	fixture.Write(t, program, "")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	files := []string{"milepost.service", strings.ReplaceAll(unit, "/usr/bin/milepost", program)}
	sockets, err := filepath.Glob("systemd/*.socket")
	if err != nil || len(sockets) != 3 {
		t.Fatal(sockets, err)
	}
	for _, s := range sockets {
		files = append(files, filepath.Base(s), read(t, s))
	}
	dir := fixture.Directory(t, files...)
	args := []string{"verify", "--man=no"}
	for i := 0; i < len(files); i += 2 {
		args = append(args, filepath.Join(dir, files[i]))
	}
	if out := succeed(t, analyze, args...); out != "" {
		t.Error(out)
	}
}
