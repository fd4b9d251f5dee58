package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// The web servers of docs/export.md serve a tree.
func TestWebServers(t *testing.T) {
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := parent; dir != filepath.Dir(dir) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755) // nginx's workers are nobody's
	}
	tree := filepath.Join(parent, "out")
	if err := exporter(customers(t), new(strings.Builder)).Static(tree); err != nil {
		t.Fatal(err)
	}
	for _, server := range []struct {
		tool, debian, fence, listen string
		args                        func(file string) []string
		config                      func(block string) string
	}{
		{"nginx", "nginx-light", "nginx", "listen 80", func(file string) []string { return []string{"-c", file, "-e", "stderr"} }, func(block string) string {
			return "daemon off; pid " + parent + "/pid; error_log stderr; events { }\nhttp { client_body_temp_path " + parent + "/body; proxy_temp_path " + parent + "/proxy; fastcgi_temp_path " + parent + "/fcgi; uwsgi_temp_path " + parent + "/uwsgi; scgi_temp_path " + parent + "/scgi;\n" + block + "}\n"
		}},
		{"caddy", "caddy", "caddyfile", ":80 {", func(file string) []string { return []string{"run", "--config", file, "--adapter", "caddyfile"} }, func(block string) string {
			return "{\n\tadmin off\n\tauto_https off\n}\n" + block
		}},
	} {
		t.Run(server.tool, func(t *testing.T) {
			path := fixture.Tool(t, server.tool, server.debian)
			port := fixture.FreePort(t, "127.0.0.1")
			listen := map[string]string{"nginx": "listen 127.0.0.1:" + port, "caddy": "http://:" + port + " {\n\tbind 127.0.0.1"}[server.tool]
			block := fixture.Blocks(t, "../../docs/export.md", server.fence)[0]
			for _, r := range [][2]string{{server.listen, listen}, {"/srv/milepost", tree}} {
				if !strings.Contains(block, r[0]) {
					t.Fatalf("the block has no %q", r[0])
				}
				block = strings.ReplaceAll(block, r[0], r[1])
			}
			t.Setenv("HOME", parent) // where caddy keeps its own
			fixture.Daemon(t, path, server.args(fixture.Write(t, filepath.Join(parent, server.tool+".conf"), server.config(block)))...)
			upper := map[string]string{"nginx": "AutoConfig.Example.com", "caddy": "autoconfig.example.com"} // as the manual says
			document := func(domain string) string { return fixture.ReadFile(t, filepath.Join(tree, "autoconfig", domain)) }
			for _, tc := range []struct {
				host, path, want string // want: empty if there is none
			}{
				{"autoconfig.example.com", "/mail/config-v1.1.xml?emailaddress=fred%40example.com", document("example.com")},
				{upper[server.tool], "/mail/config-v1.1.xml", document("example.com")},
				{"autoconfig.two.example", "/.well-known/autoconfig/mail/config-v1.1.xml", document("two.example")},
				{"two.example", "/.well-known/autoconfig/mail/config-v1.1.xml", document("two.example")},
				{"mail.example.net", "/v1.1/one.example", document("one.example")},
				{"mta-sts.example.com", "/.well-known/mta-sts.txt", fixture.ReadFile(t, filepath.Join(tree, "mta-sts", "example.com"))},
				{"mta-sts.two.example", "/.well-known/mta-sts.txt", ""},
				{"ua-auto-config.example.com", "/.well-known/user-agent-configuration.json", fixture.ReadFile(t, filepath.Join(tree, "ua-auto-config", "example.com"))},
				{"ua-auto-config.unknown.example", "/.well-known/user-agent-configuration.json", ""},
				{"autoconfig.unknown.example", "/mail/config-v1.1.xml", ""},
				{"mail.example.net", "/v1.1/.milepost-export", ""},
				{"mail.example.net", "/v1.1/..%2f.milepost-export", ""},
				{"mail.example.net", "/", ""},
			} {
				status, kind, body := ask(t, port, tc.host, tc.path)
				if tc.want == "" {
					if status != http.StatusNotFound && status != http.StatusBadRequest {
						t.Errorf("%s%s: status %d", tc.host, tc.path, status)
					}
					continue
				}
				wantKind := "text/xml; charset=utf-8"
				switch {
				case strings.HasPrefix(tc.want, "version"):
					wantKind = "text/plain; charset=utf-8"
				case strings.HasPrefix(tc.want, "{"):
					wantKind = "application/json"
				}
				if status != http.StatusOK || body != tc.want || kind != wantKind {
					t.Errorf("%s%s: status %d, %s\n%s", tc.host, tc.path, status, kind, body)
				}
			}
		})
	}
}

// ask asks a server that may still be starting.
func ask(t *testing.T, port, host, path string) (status int, kind, body string) {
	t.Helper()
	for range 100 {
		r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
	}
	t.Fatal("the server does not answer")
	return 0, "", ""
}
