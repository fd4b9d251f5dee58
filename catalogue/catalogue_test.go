package catalogue_test

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"milepost/address"
	"milepost/catalogue"
	"milepost/settings"
)

var update = flag.Bool("update", false, "rewrite the expected messages under testdata/bad")

const family = `display_name = "Example family"
domains = ["example.com"]
[[incoming]]
protocol = "imap"
hostname = "mail.example.com"
[[outgoing]]
hostname = "mail.example.com"
`

func directory(files ...string) fs.FS {
	dir := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		dir[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return dir
}

func domain(t testing.TB, s string) address.Domain {
	t.Helper()
	d, err := address.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestBad plays the shelf of bad catalogues: each page holds files and, last,
// every message.
func TestBad(t *testing.T) {
	pages, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(page)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := fstest.MapFS{}, -1
			for i, f := range archive.Files {
				if f.Name == "messages" {
					want = i
					continue
				}
				dir[f.Name] = &fstest.MapFile{Data: f.Data}
			}
			if want < 0 {
				want = len(archive.Files)
				archive.Files = append(archive.Files, txtar.File{Name: "messages"})
			}
			c, err := catalogue.Load(catalogue.Source{Name: "dir", FS: dir})
			if err == nil {
				t.Fatal("accepted")
			}
			if c != nil {
				t.Error("a catalogue beside the mistakes")
			}
			got := err.Error() + "\n"
			if *update {
				archive.Files[want].Data = []byte(got)
				if err := os.WriteFile(page, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[want].Data), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What cannot stand in a page: bytes that are no text, sizes, and a file system
// that says no.
func TestBadBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		dir  fs.FS
		want string
	}{
		"NUL":                 {directory("a.toml", strings.Replace(family, "family", "fam\x00ily", 1)), "dir/a.toml:1: TOML files cannot contain control characters: '0x00'"},
		"invalid UTF-8":       {directory("a.toml", strings.Replace(family, "family", "fam\xffily", 1)), "dir/a.toml:1: invalid UTF-8 byte: 0xff"},
		"50 MB of garbage":    {directory("a.toml", strings.Repeat("\xff\x00garbage", 50_000_000/9)), "dir/a.toml: has 48 MiB; at most 4 MiB are allowed"},
		"arrays too deep":     {directory("a.toml", "\na = "+strings.Repeat("[", 2_000_000)+strings.Repeat("]", 2_000_000)), "dir/a.toml:2: nests deeper than 16 levels; that is not allowed"},
		"tables too deep":     {directory("a.toml", "a = "+strings.Repeat("{a=", 20_000)+"1"+strings.Repeat("}", 20_000)), "dir/a.toml:1: nests deeper than 16 levels; that is not allowed"},
		"header too deep":     {directory("a.toml", "["+strings.Repeat("a.", 40_000)+"a]"), "dir/a.toml:1: nests deeper than 16 levels; that is not allowed"},
		"key of many lines":   {directory("a.toml", family+"\"x\\ny\\u001b[31m\" = 1"), "dir/a.toml:8: outgoing[1].x\\ny\\x1b[31m: is unknown; protocol, hostname, socket_type, port, authentication and username are allowed"},
		"a pipe":              {fstest.MapFS{"a.toml": {Mode: fs.ModeNamedPipe}}, "dir/a.toml: is no regular file; must be one"},
		"no file":             {directory(), "dir: has no .toml file; each provider is a file of its own"},
		"not even a dir":      {os.DirFS("testdata/absent"), "dir: no such file or directory"},
		"a directory .toml":   {directory("a.toml/x", ""), "dir/a.toml: is a directory; must be a file"},
		"no read permission":  {denied{}, "dir: permission denied"},
		"a list with NULs":    {directory("a.toml", strings.Replace(family, `domains = ["example.com"]`, `domains_from = "l"`, 1), "l", "a\x00b\n"), `dir/l:1: domain label "a\x00b" has the character '\x00'; letters, digits and hyphens are allowed`},
		"a list that is none": {directory("a.toml", strings.Replace(family, `domains = ["example.com"]`, `domains_from = "l"`, 1), "l", strings.Repeat("!\n", 1_000_000)), "dir/l:100: is the 100th mistake; the rest of the list was not read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := catalogue.Load(catalogue.Source{Name: "dir", FS: tc.dir})
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("error: %v\nwant:  %s", err, tc.want)
			}
		})
	}
}

type denied struct{}

func (denied) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// A list of domains that another provider has too ends with a sentence, not
// with a million of them.
func TestManyDomainsTwice(t *testing.T) {
	var list strings.Builder
	for i := range 5000 {
		list.WriteString(strings.Repeat("a", i%50+1) + "-" + strings.Repeat("b", i/50+1)[:min(i/50+1, 12)] + "." + string(rune('a'+i%26)) + "x" + strings.Repeat("c", i/100) + ".example\n")
	}
	with := strings.Replace(family, `domains = ["example.com"]`, `domains_from = "l"`, 1)
	_, err := catalogue.Load(catalogue.Source{FS: directory("a.toml", with, "b.toml", with, "l", list.String())})
	errs, ok := errors.AsType[catalogue.Errors](err)
	if !ok || len(errs) > 250 || !strings.Contains(err.Error(), "is the 100th domain claimed twice; the rest was not compared") {
		t.Errorf("%d messages: %.300v", len(errs), err)
	}
}

func TestDefaults(t *testing.T) {
	c, err := catalogue.Load(catalogue.Source{FS: directory("example.com.toml", family)})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Lookup(domain(t, "example.com"))
	if !ok {
		t.Fatal("not found")
	}
	server := settings.Server{Protocol: "imap", Hostname: "mail.example.com", Port: 993, SocketType: "SSL",
		Authentication: []settings.Authentication{"password-cleartext"}, Username: "%EMAILADDRESS%"}
	outgoing := server
	outgoing.Protocol, outgoing.Port = "smtp", 465
	want := &settings.Provider{
		ID: "example.com", DisplayName: "Example family", ShortName: "Example family",
		Domains:  []settings.DomainPattern{{Domain: domain(t, "example.com")}},
		Incoming: []settings.Server{server}, Outgoing: []settings.Server{outgoing},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLookup(t *testing.T) {
	named := func(domains, name string) string {
		return strings.NewReplacer(`"example.com"`, domains, "Example family", name).Replace(family)
	}
	c, err := catalogue.Load(catalogue.Source{FS: directory(
		"exact.toml", named(`"a.b.example.com", "example.com"`, "exact"),
		"short.toml", named(`"*.example.com"`, "short"),
		"long.toml", named(`"*.b.example.com"`, "long"),
		"mx.toml", strings.Replace(named(`"hoster.example"`, "mx"), "[[inc", "mx = [\"mx.hoster.example\", \"com.example\"]\n[[inc", 1),
		"default.toml", named(`"*"`, "default"),
	)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, domain, want string }{
		{"exact", "example.com", "exact"},
		{"exact before wildcard", "a.b.example.com", "exact"},
		{"longest wildcard", "x.b.example.com", "long"},
		{"longest wildcard, deep", "y.x.b.example.com", "long"},
		{"a wildcard is not its own domain", "b.example.com", "short"},
		{"wildcard, deep", "y.x.example.com", "short"},
		{"MX domain", "mx.hoster.example", "mx"},
		{"below an MX domain", "in1.mx.hoster.example", "mx"},
		{"default", "example.org", "default"},
		{"a suffix that is no label", "notexample.com", "default"},
		{"one label", "localhost", "default"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, ok := c.Lookup(domain(t, tc.domain))
			if !ok || p.DisplayName != tc.want {
				t.Errorf("%s: %v", tc.domain, p)
			}
			if p, ok := c.LookupWithoutDefault(domain(t, tc.domain)); ok != (tc.want != "default") || ok && p.DisplayName != tc.want {
				t.Errorf("%s without default: %v", tc.domain, p)
			}
		})
	}
	first := func(domains ...string) string {
		var parsed []address.Domain
		for _, d := range domains {
			parsed = append(parsed, domain(t, d))
		}
		p, ok := c.LookupFirst(parsed...)
		if !ok {
			return "none"
		}
		return p.DisplayName
	}
	for got, want := range map[string]string{
		first():                                   "none",
		first("customer.test", "hoster.example"):  "mx",
		first("example.com", "hoster.example"):    "exact",
		first("customer.test", "other.customer."): "default",
	} {
		if got != want {
			t.Errorf("LookupFirst: %s, want %s", got, want)
		}
	}
}

// A later directory replaces providers by id and takes domains over.
func TestLayers(t *testing.T) {
	c, err := catalogue.Load(
		catalogue.Source{Name: "shipped", FS: directory(
			"a.toml", strings.Replace(family, `"example.com"`, `"a.example", "both.example", "*.a.example", "*"`, 1),
			"b.toml", strings.Replace(family, `"example.com"`, `"b.example"`, 1))},
		catalogue.Source{Name: "own", FS: directory(
			"b.toml", strings.NewReplacer(`"example.com"`, `"b2.example"`, "Example family", "own b").Replace(family),
			"c.toml", strings.NewReplacer(`"example.com"`, `"both.example", "*.a.example", "*"`, "Example family", "own c").Replace(family))},
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"a.example": "a", "both.example": "c", "x.a.example": "c", "elsewhere.example": "c", "b2.example": "b", "b.example": "c",
	} {
		if p, ok := c.Lookup(domain(t, name)); !ok || p.ID != want {
			t.Errorf("%s: %v", name, p)
		}
	}
	var got []string
	for _, p := range c.Providers() {
		for _, d := range p.Domains {
			got = append(got, p.ID+" "+d.String())
		}
	}
	if diff := cmp.Diff([]string{"a a.example", "b b2.example", "c both.example", "c *.a.example", "c *"}, got); diff != "" {
		t.Errorf("domains (-want +got)\n%s", diff)
	}
	if c.Domains() != 5 {
		t.Errorf("%d domains", c.Domains())
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	c, err := catalogue.Load(catalogue.Source{FS: directory("a.toml", strings.Replace(family, `"example.com"`, `"example.com", "*.example.org"`, 1))})
	if err != nil {
		t.Fatal(err)
	}
	domains := []address.Domain{domain(t, "example.com"), domain(t, "a.b.example.org"), domain(t, "example.net")}
	if n := testing.AllocsPerRun(100, func() {
		for _, d := range domains {
			c.Lookup(d)
		}
		c.LookupFirst(domains[2], domains[0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever a file holds, there is a catalogue or a message with the file's name.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("../data/providers/*.toml")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "one.example\n*.two.example # x\n")
	}
	f.Add("\"\\\n\"", "0") // a message with a line end in it
	f.Add("\"x\\ny\" = 1\n", "")
	f.Add("a = "+strings.Repeat("[", 100)+strings.Repeat("]", 100), "")
	f.Add(strings.Replace(family, "domains =", "domains_from = \"list\"\ndomains =", 1), "a..b\nexample.com\n")
	f.Fuzz(func(t *testing.T, text, list string) {
		c, err := catalogue.Load(catalogue.Source{Name: "dir", FS: directory("a.toml", text, "list", list)})
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "dir/a.toml") && !strings.HasPrefix(line, "dir/list") {
					t.Fatalf("no file in the message %q", line)
				}
			}
			return
		}
		// What was accepted can be served.
		p := c.Providers()[0]
		if _, err := catalogue.JSON(p); err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Domains {
			if d.Wildcard {
				continue
			}
			if q, ok := c.Lookup(d.Domain); !ok || q != p {
				t.Fatalf("%s is not found", d)
			}
		}
	})
}
