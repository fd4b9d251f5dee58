package main

import (
	"regexp"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

const quickstart = "../../docs/quickstart.md"

// Each provider's file of docs/quickstart.md has no mistakes, and has the ports and the
// login name that the text says.
func TestQuickstartProviders(t *testing.T) {
	text := fixture.ReadFile(t, quickstart)
	want := map[string]string{
		"postfix":            "imap 993 SSL fred@example.com, smtp 465 SSL fred@example.com",
		"postfix-system":     "imap 993 SSL fred, smtp 587 STARTTLS fred",
		"docker-mailserver":  "imap 993 SSL fred@example.com, smtp 465 SSL fred@example.com",
		"docker-mailserver+": "imap 993 SSL fred@example.com, pop3 995 SSL fred@example.com, smtp 465 SSL fred@example.com, managesieve 4190 STARTTLS fred@example.com",
		"maddy":              "imap 993 SSL fred@example.com, smtp 465 SSL fred@example.com",
		"chasquid":           "imap 993 SSL fred@example.com, smtp 465 SSL fred@example.com",
	}
	files := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^```toml (\\S+)$").FindAllStringSubmatch(text, -1) {
		if m[1] != "configuration" {
			files[m[1]] = fixture.Blocks(t, quickstart, "toml "+m[1])[0]
		}
	}
	files["docker-mailserver+"] = files["docker-mailserver"] + files["docker-mailserver-more"]
	delete(files, "docker-mailserver-more")
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			dir := fixture.Directory(t, "example.com.toml", file)
			if code, _, stderr := milepost(t, "check", dir); code != 0 || stderr != "" {
				t.Fatalf("%d\n%s", code, stderr)
			}
			code, stdout, stderr := milepost(t, "show", "-format", "text", "-no-builtin", "-providers", dir, "fred@example.com")
			var got []string
			for line := range strings.Lines(stdout) {
				if f := strings.Fields(line); len(f) == 6 && f[0] != "PROTOCOL" {
					got = append(got, strings.Join([]string{f[0], f[2], f[3], f[5]}, " "))
				}
			}
			if got := strings.Join(got, ", "); code != 0 || got != want[name] {
				t.Errorf("%d: %s, not %s\n%s%s", code, got, want[name], stdout, stderr)
			}
		})
	}
	if len(files) != len(want) {
		t.Errorf("there are %d files, not %d", len(files), len(want))
	}
}

// The configuration of docs/quickstart.md has no mistakes, and the records lead where it
// says.
func TestQuickstartConfiguration(t *testing.T) {
	command := strings.Fields(strings.ReplaceAll(fixture.Blocks(t, quickstart, "sh")[0], "/etc/milepost/", ""))
	t.Chdir(fixture.Directory(t,
		"milepost.toml", fixture.Blocks(t, quickstart, "toml configuration")[0],
		"providers/example.com.toml", fixture.Blocks(t, quickstart, "toml postfix")[0]))
	if code, _, stderr := milepost(t, "check", "-config", "milepost.toml"); code != 0 || stderr != "" {
		t.Errorf("%d\n%s", code, stderr)
	}
	code, stdout, stderr := milepost(t, command[1:]...)
	for _, record := range []string{`autoconfig .* CNAME  setup\.example\.com\.`, `autodiscover .* CNAME  setup\.example\.com\.`, `_imaps\._tcp .* 993 mail\.example\.com\.`} {
		if !regexp.MustCompile("(?m)^" + record + "$").MatchString(stdout) {
			t.Errorf("no %s in\n%s", record, stdout)
		}
	}
	if code != 0 || stderr != "" {
		t.Errorf("%d\n%s", code, stderr)
	}
}
