package main

import (
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"

	"milepost/internal/manual"
)

// The manual has every command with every option that it takes, and no others: -h
// prints what is registered, and Help what is written.
func TestManual(t *testing.T) {
	m, err := manual.Parse()
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, c := range m.Commands {
		written = append(written, c.Name)
		code, stdout, stderr := milepost(t, c.Name, "-h")
		if want := c.Help(c.Names()); code != 0 || stderr != "" || stdout != want {
			t.Errorf("%s -h: exit code %d\n%s%s\nmanual:\n%s", c.Name, code, stdout, stderr, want)
		}
	}
	slices.Sort(written)
	if known := slices.Sorted(maps.Keys(commands())); !slices.Equal(known, written) {
		t.Errorf("commands %v, in the manual %v", known, written)
	}
}

// The manual's words for an option are words that it takes.
func TestManualValues(t *testing.T) {
	m, err := manual.Parse()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, c := range m.Commands {
		for _, o := range c.Options {
			for _, v := range o.Values {
				tried++
				_, _, stderr := milepost(t, c.Name, "-"+o.Flags[0].Name, v.Name)
				if strings.Contains(stderr, o.Flags[0].Name) {
					t.Errorf("%s %s: %s", c.Name, v.Name, stderr)
				}
			}
		}
	}
	if tried < 10 {
		t.Errorf("the manual has %d words", tried)
	}
}

func TestVersionJSON(t *testing.T) {
	code, stdout, stderr := milepost(t, "version", "-json")
	var b build
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || code != 0 || stderr != "" {
		t.Fatal(code, err, stderr)
	}
	if b != currentBuild() || b.Version == "" || b.Go != runtime.Version() {
		t.Errorf("%s", stdout)
	}
	b = build{Version: "1.2.0", Commit: "30cbb1f", Go: "go1.26.8", Platform: "linux/arm64"}
	if got := b.String(); got != "milepost 1.2.0 (commit 30cbb1f; go1.26.8, linux/arm64)" {
		t.Error(got)
	}
	b.Modified = true
	if got := b.String(); !strings.Contains(got, "(commit 30cbb1f, modified; go") {
		t.Error(got)
	}
}
