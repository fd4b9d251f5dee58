package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// document is what a stranger publishes.
const document = `<clientConfig><emailProvider id="new.example"><domain>new.example</domain><displayName>New</displayName>
<incomingServer type="imap"><hostname>imap.new.example</hostname><port>993</port><socketType>SSL</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.new.example</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>
</emailProvider></clientConfig>
`

func TestExchangeCommands(t *testing.T) {
	dir := fixture.Directory(t, "new.xml", document, "named/old & new.xml", document, "bad.xml", "<html/>", "providers/example.com.toml", fixture.Family,
		"wrong/a.toml", "x = 1\n", "full/letter", "x", "empty/x", "", "catalogue.json", "{}")
	t.Chdir(dir)
	providers := []string{"-no-builtin", "-providers", "providers"}
	export := func(args ...string) []string { return append(append([]string{"export"}, args...), providers...) }
	for _, tc := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // what must be in them; stdout "" must be empty
	}{
		{"import to standard output", []string{"import", "new.xml"}, 0, "# Imported from new.xml.\ndisplay_name = \"New\"\n", ""},
		{"import into a directory", []string{"import", "-into", "into", "-source", "https://example.com/x/", "-checked", "2026-03-05", "new.xml"}, 0, "milepost: 1 of 1 document taken: 1 file new, 0 changed, 0 as they were\n", ""},
		{"import again", []string{"import", "-into", "into", "new.xml"}, 0, "0 files new, 0 changed, 1 as they were\n", ""},
		{"check what was imported", []string{"check", "-sources", "into"}, 0, "2026-03-05  new.example  https://example.com/x/new.xml\nmilepost: 1 provider: 1 checked, 0 never; 0 without a source\n", ""},
		{"import one bad one", []string{"import", "-into", "into", "."}, 1, "milepost: 1 of 2 documents taken: 0 files new, 0 changed, 1 as they were\n", "bad.xml: document's root is html; clientConfig is allowed\n"},
		{"import several to standard output", []string{"import", "."}, 2, "", "import: there are 2 documents; -into DIR says where their files go"},
		{"import nothing", []string{"import"}, 2, "", "import: a document is needed"},
		{"import what is not there", []string{"import", "absent.xml"}, 1, "", "absent.xml: no such file or directory"},
		{"import from no document", []string{"import", "-into", "into", "empty"}, 1, "milepost: 0 of 0 documents", "empty: has no .xml file"},
		{"import into mistakes", []string{"import", "-into", "wrong", "new.xml"}, 1, "", "nothing is taken until wrong has no mistakes"},
		{"import into a file", []string{"import", "-into", "new.xml", "new.xml"}, 1, "", "new.xml: not a directory\n"},
		{"import from a name with a blank", []string{"import", "-source", "https://example.com/x/", "named/old & new.xml"}, 0, "\nsource = \"https://example.com/x/old%20&%20new.xml\"\n", ""},
		{"import with a bad date", []string{"import", "-checked", "yesterday", "new.xml"}, 2, "", "is no date; 2026-03-05, say, is allowed"},
		{"import with a bad source", []string{"import", "-source", "here", "new.xml"}, 2, "", "is not a URL that starts with https:// or http://"},

		{"export JSON", export("-format", "json"), 0, "{\"providers\": [\n{\n  \"id\": \"example.com\",", ""},
		{"export JSON to a file", export("-format", "json", "-out", "new.json"), 0, "", ""},
		{"export JSON over a file", export("-format", "json", "-out", "catalogue.json"), 1, "", "catalogue.json: is there already; -overwrite replaces it"},
		{"export JSON over a file, overwrite", export("-format", "json", "-overwrite", "-out", "catalogue.json"), 0, "", ""},
		{"export for the ISP database", export("-out", "ispdb-out"), 0, "", ""},
		{"export static", export("-format", "static", "-out", "static-out"), 0, "", ""},
		{"export static again", export("-format", "static", "-out", "static-out"), 1, "", "is not empty; -overwrite replaces"},
		{"export over a letter", export("-format", "static", "-overwrite", "-out", "full"), 1, "", "holds files that no export has left"},
		{"export for a bucket", export("-format", "bucket", "-out", "bucket-out"), 0, "", "objects: 2; 2 to upload, 0 to delete\n"},
		{"export for a bucket again", export("-format", "bucket", "-since", "bucket-out/manifest.jsonl", "-overwrite", "-out", "bucket-out"), 0, "", "objects: 2; 0 to upload, 0 to delete\n"},
		{"export for a bucket since nothing", export("-format", "bucket", "-since", "absent", "-out", "bucket-new"), 1, "", "export: absent: no such file or directory"},
		{"export for a bucket since a letter", export("-format", "bucket", "-since", "full/letter", "-out", "bucket-new"), 1, "", "full/letter:1: is no line of a manifest that an export has made"},
		{"export static since", export("-format", "static", "-since", "x", "-out", "static-new"), 2, "", "-since and -take-loss are for -format bucket"},
		{"export without a place", export(), 2, "", "-out DIR says where"},
		{"export static to standard output", export("-format", "static", "-out", "-"), 2, "", "-out DIR says where"},
		{"export an unknown format", export("-format", "csv"), 2, "", `-format "csv" is unknown; ispdb, static, bucket, json are allowed`},
		{"export a word", append(export("-format", "json"), "x"), 2, "", `"x" is one word too many`},
		{"export mistakes", []string{"export", "-format", "json", "-providers", "wrong"}, 1, "", "x: is unknown"},

		{"the schema", []string{"check", "-schema"}, 0, `"$schema": "http://json-schema.org/draft-07/schema#"`, ""},
		{"the sources of the shipped ones", []string{"check", "-sources"}, 0, "never       ", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := milepost(t, tc.args...)
			if code != tc.code || !strings.Contains(stdout, tc.stdout) || !strings.Contains(stderr, tc.stderr) || tc.stdout == "" && stdout != "" {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
	if got := fixture.ReadFile(t, "full/letter"); got != "x" {
		t.Errorf("a letter is %q", got)
	}
	for _, file := range []string{"ispdb-out/example.com.xml", "static-out/autoconfig/example.com"} {
		if got := fixture.ReadFile(t, file); !strings.Contains(got, "<hostname>mail.example.com</hostname>") {
			t.Errorf("%s: %s", file, got)
		}
	}
	if !json.Valid([]byte(fixture.ReadFile(t, "catalogue.json"))) {
		t.Error("no JSON")
	}
}

// Documents come by a pipe too.
func TestImportStandardInput(t *testing.T) {
	cmd := exec.Command(fixture.Build(t), "import", "-source", "https://example.com/x/", "-")
	cmd.Stdin = strings.NewReader(document)
	out, err := cmd.Output()
	if text := string(out); err != nil || !strings.HasPrefix(text, "# Imported from standard input.\ndisplay_name = \"New\"\n") || !strings.Contains(text, "\nsource = \"https://example.com/x/\"\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// Every two seconds an export tells how far it is.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	var now time.Time
	tell := progress(&b, 1000, func() time.Time { return now })
	for n := range 9 {
		tell(n, 10*n)
		now = now.Add(500 * time.Millisecond)
	}
	if got := b.String(); got != "milepost: export: 40 of 1000 domains, of 4 providers\nmilepost: export: 80 of 1000 domains, of 8 providers\n" {
		t.Errorf("%s", got)
	}
}

// What would lack the domains of a source that is down is not written: whoever takes it
// over would delete them.
func TestExportWithoutSource(t *testing.T) {
	t.Chdir(fixture.Directory(t, "providers/example.com.toml", fixture.Family, "milepost.toml", `[catalogue]
providers = ["providers"]
[[source]]
name = "hosting"
kind = "postgres"
dsn = "postgres://milepost:s3cret@127.0.0.1:1/hosting"
domains = "SELECT domain FROM mail_domain"
provider = "example.com"
`))
	for _, args := range [][]string{
		{"export", "-format", "json"},
		{"export", "-format", "bucket", "-out", "out"},
		{"dns", "-all"},
	} {
		code, stdout, stderr := milepost(t, append(args, "-config", "milepost.toml")...)
		if want := "milepost: " + args[0] + ": source hosting cannot be read: "; code != exitNo || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Contains(stderr, "s3cret") {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if _, err := os.Stat("out"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("something was written:", err)
	}
}
