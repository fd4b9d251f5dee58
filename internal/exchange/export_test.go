package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
	"milepost/internal/answer"
	"milepost/internal/exchange"
	"milepost/internal/fixture"
	"milepost/internal/mtasts"
	"milepost/pacc"
)

// exporter exports a catalogue; said gets what is said.
func exporter(c *catalogue.Catalogue, said *strings.Builder) *exchange.Exporter {
	return &exchange.Exporter{Catalogue: c, Progress: func(int, int) {}, Say: func(line string) { said.WriteString(line + "\n") }}
}

// customers are the files of two providers: one whose documents are the same for all
// domains, with a policy, and one whose hostnames have the domain in them.
func customers(t testing.TB) *catalogue.Catalogue {
	same := strings.Replace(fixture.Family, `"example.com"`, `"example.com", "xn--bcher-kva.example", "*.example.org"`, 1) +
		"[mta_sts]\nmode = \"testing\"\nmx = [\"mx.example.com\"]\n"
	own := strings.NewReplacer(`"example.com"`, `"one.example", "two.example"`, "mail.example.com", "mail.%EMAILDOMAIN%").Replace(fixture.Family)
	return fixture.Catalogue(t, "same.toml", same, "own.toml", own,
		"none.toml", "display_name = \"None\"\ndomains = [\"none.example\"]\nno_mail_programs = true\n",
		"mx.toml", strings.Replace(fixture.Family, "domains", "mx", 1))
}

// A static file is what a server sends about its domain, but for the one element in
// which the domains of a provider differ.
func TestStatic(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "out")
	var said strings.Builder
	c := customers(t)
	if err := exporter(c, &said).Static(dir); err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"example.com", "xn--bcher-kva.example", "one.example", "two.example"} {
		d := fixture.Domain(t, domain)
		p, _ := c.Named(d)
		want, err := autoconfig.Render(p.For(address.Address{Domain: d}))
		if err != nil {
			t.Fatal(err)
		}
		got := fixture.ReadFile(t, filepath.Join(dir, "autoconfig", domain))
		if shared := p.ID == "same"; shared != strings.Contains(got, "%EMAILDOMAIN%") || strings.Replace(got, "%EMAILDOMAIN%", domain, 1) != string(want) {
			t.Errorf("%s:\n%s\nwant\n%s", domain, got, want)
		}
		policy, _ := mtasts.Render(p.MTASTS)
		if got, _ := os.ReadFile(filepath.Join(dir, "mta-sts", domain)); !bytes.Equal(got, policy) {
			t.Errorf("%s: policy %q, want %q", domain, got, policy)
		}
		document, _ := pacc.Render(p.For(address.Address{Domain: d})) // the digest in DNS is of these octets
		if got, _ := os.ReadFile(filepath.Join(dir, "ua-auto-config", domain)); !bytes.Equal(got, document) {
			t.Errorf("%s: PACC %q, want %q", domain, got, document)
		}
	}
	files, _ := os.ReadDir(filepath.Join(dir, "autoconfig"))
	if len(files) != 4 {
		t.Errorf("files %v", files)
	}
	want := `mx: what it serves by wildcards (0) or MX domains (1) has no file
none: has no document: no mail program gets in
same: what it serves by wildcards (1) or MX domains (0) has no file
`
	if said.String() != want {
		t.Errorf("said\n%s", said.String())
	}
}

// More domains than a file can have links are files all the same.
func TestManyLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("66,000 files")
	}
	var domains strings.Builder
	const n = 66_000
	for i := range n {
		fmt.Fprintf(&domains, "customer-%d.example\n", i)
	}
	c := fixture.Catalogue(t, "a.toml", strings.Replace(fixture.Family, `domains = ["example.com"]`, `domains_from = "list"`, 1), "list", domains.String())
	dir := filepath.Join(t.TempDir(), "out")
	var said strings.Builder
	if err := exporter(c, &said).Static(dir); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(filepath.Join(dir, "autoconfig"))
	first, last := fixture.ReadFile(t, filepath.Join(dir, "autoconfig", "customer-0.example")), fixture.ReadFile(t, filepath.Join(dir, "autoconfig", fmt.Sprintf("customer-%d.example", n-1)))
	if len(files) != n || first == "" || first != last {
		t.Errorf("%d files; the first\n%s\nthe last\n%s", len(files), first, last)
	}
}

// Documents of the ISP database hold the grammar, and say for whom there is none.
func TestISPDB(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	var said strings.Builder
	c := fixture.Shipped(t)
	if err := exporter(c, &said).ISPDB(dir); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.xml"))
	silent := strings.Count(said.String(), ": has no document: ")
	if len(files)+silent != len(c.Providers()) || len(files) < 100 {
		t.Errorf("%d files, and %d have none; of %d", len(files), silent, len(c.Providers()))
	}
	fixture.Validate(t, "../../../shared/schemas/autoconfig.rng", files)
	said.Reset()
	if err := exporter(customers(t), &said).ISPDB(filepath.Join(t.TempDir(), "out")); err != nil || said.String() != "none: has no document: no mail program gets in\n" {
		t.Errorf("%v %s", err, said.String())
	}
}

// The one JSON holds each provider as it is stored.
func TestJSON(t *testing.T) {
	c := fixture.Shipped(t)
	var b bytes.Buffer
	if err := exporter(c, new(strings.Builder)).JSON(&b); err != nil {
		t.Fatal(err)
	}
	var all struct{ Providers []json.RawMessage }
	if err := json.Unmarshal(b.Bytes(), &all); err != nil || len(all.Providers) != len(c.Providers()) {
		t.Fatal(err, len(all.Providers))
	}
	for i, p := range c.Providers() {
		want, err := answer.ProviderJSON(p)
		if err != nil || strings.TrimSpace(string(want)) != string(all.Providers[i]) {
			t.Errorf("%s: %v\n%s", p.ID, err, all.Providers[i])
		}
	}
	if err := exporter(c, new(strings.Builder)).JSON(full{}); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("no space left on device")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// A directory is taken only if it is empty, or an export's; what stops an export leaves
// it as it was.
func TestPlaces(t *testing.T) {
	c := customers(t)
	for name, tc := range map[string]struct {
		before    func(dir string) string // path of what stands there
		overwrite bool
		want      string // in the error; empty: none
	}{
		"nothing":                     {func(dir string) string { return filepath.Join(dir, "out") }, false, ""},
		"an empty directory":          {func(dir string) string { return dir }, false, ""},
		"somebody's files":            {func(dir string) string { fixture.Write(t, filepath.Join(dir, "letter"), "x"); return dir }, false, "is not empty; -overwrite replaces what an export has left there"},
		"somebody's files, overwrite": {func(dir string) string { fixture.Write(t, filepath.Join(dir, "letter"), "x"); return dir }, true, "holds files that no export has left (.milepost-export is missing), and stays as it is"},
		"an export": {func(dir string) string {
			fixture.Write(t, filepath.Join(dir, ".milepost-export"), "")
			return dir
		}, false, "is not empty"},
		"an export, overwrite": {func(dir string) string {
			fixture.Write(t, filepath.Join(dir, ".milepost-export"), "")
			fixture.Write(t, filepath.Join(dir, "autoconfig", "gone.example"), "x")
			return dir
		}, true, ""},
		"a file": {func(dir string) string { return fixture.Write(t, filepath.Join(dir, "x"), "x") }, true, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			if err := os.Mkdir(filepath.Join(parent, "place"), 0o700); err != nil {
				t.Fatal(err)
			}
			dir := tc.before(filepath.Join(parent, "place"))
			e := exporter(c, new(strings.Builder))
			e.Overwrite = tc.overwrite
			err := e.Static(dir)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			_, missing := os.Stat(filepath.Join(dir, "autoconfig", "one.example"))
			_, stale := os.Stat(filepath.Join(dir, "autoconfig", "gone.example"))
			if (missing != nil) != (err != nil) || stale == nil {
				t.Errorf("missing %v, stale %v", missing, stale)
			}
			if left, _ := filepath.Glob(filepath.Join(parent, ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Replace leaves the old file if the new one cannot be written.
func TestReplace(t *testing.T) {
	dir := fixture.Directory(t, "a", "old")
	path := filepath.Join(dir, "a")
	write := func(text string, err error) func(io.Writer) error {
		return func(w io.Writer) error { io.WriteString(w, text); return err }
	}
	if err := exchange.Replace(path, false, write("new", nil)); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Error(err)
	}
	if err := exchange.Replace(path, true, write("new", errFull)); !errors.Is(err, errFull) || fixture.ReadFile(t, path) != "old" {
		t.Error(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := exchange.Replace(filepath.Join(dir, "link"), true, write("new", nil)); err != nil || fixture.ReadFile(t, path) != "new" {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left %v", left)
	}
}
