package zones_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/tools/txtar"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/providerfile"
	"milepost/internal/zones"
	"milepost/zone"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestPages plays the pages in testdata. One page is
//
//	own/*.toml      the admin's own providers' files
//	shipped/*.toml  other providers' files
//	milepost.toml   the configuration
//	*.zone          the files of its zones
//	questions       NAME TYPE, a line each
//	answers         what is answered
//	zones           every zone, whole
//	mistakes        what is wrong, instead of the three before
func TestPages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			file, err := filepath.Abs(file) // the page changes the directory
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p := page{archive}
			got := p.play(t)
			for _, name := range []string{"answers", "zones", "mistakes"} {
				i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == name })
				switch {
				case i < 0 && got[name] == "":
				case *update && i < 0:
					archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got[name])})
				case *update:
					archive.Files[i].Data = []byte(got[name])
				case i < 0:
					t.Errorf("the page lacks %s:\n%s", name, got[name])
				default:
					if diff := cmp.Diff(string(archive.Files[i].Data), got[name]); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type page struct{ *txtar.Archive }

func (p page) file(name string) string {
	for _, f := range p.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

func (p page) play(t *testing.T) map[string]string {
	got := make(map[string]string)
	set, err := p.zones(t)
	if err != nil {
		got["mistakes"] = err.Error() + "\n"
		return got
	}
	if questions := p.file("questions"); questions != "" {
		var b strings.Builder
		for line := range strings.Lines(questions) {
			name, rrtype, _ := strings.Cut(strings.TrimSpace(line), " ")
			q := dns.Question{Name: name, Qtype: typeOf(t, rrtype), Qclass: dns.ClassINET}
			a := zone.Answer{Rcode: dns.RcodeRefused}
			if z := set.Find(name); z != nil {
				a = z.Answer(q)
			}
			writeAnswer(&b, strings.TrimSpace(line), a)
		}
		got["answers"] = b.String()
	}
	if _, ok := lookup(p, "zones"); ok {
		var b strings.Builder
		for name := range set.Names() {
			fmt.Fprintf(&b, ";; %s\n", name)
			for _, rr := range set.Find(name).Records() {
				fmt.Fprintln(&b, line(rr))
			}
		}
		got["zones"] = b.String()
	}
	return got
}

func lookup(p page, name string) (txtar.File, bool) {
	i := slices.IndexFunc(p.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		return txtar.File{}, false
	}
	return p.Files[i], true
}

func typeOf(t *testing.T, s string) uint16 {
	t.Helper()
	if v, ok := dns.StringToType[s]; ok {
		return v
	}
	var n uint16
	if _, err := fmt.Sscanf(s, "TYPE%d", &n); err != nil { // RFC 3597 §5
		t.Fatalf("%s is no type", s)
	}
	return n
}

func writeAnswer(b *strings.Builder, question string, a zone.Answer) {
	fmt.Fprintf(b, ";; %s\n%s", question, dns.RcodeToString[a.Rcode])
	if a.Authoritative {
		b.WriteString(" aa")
	}
	b.WriteString("\n")
	for _, section := range []struct {
		name string
		rrs  []dns.RR
	}{{"", a.Answer}, {"; authority", a.Authority}, {"; additional", a.Additional}} {
		if section.name != "" && len(section.rrs) > 0 {
			fmt.Fprintln(b, section.name)
		}
		for _, rr := range section.rrs {
			fmt.Fprintln(b, line(rr))
		}
	}
}

func line(rr dns.RR) string { return strings.ReplaceAll(rr.String(), "\t", " ") }

// zones makes the zones of a page in a directory of their own, so that messages
// name no path of this machine.
func (p page) zones(t *testing.T) (*zones.Set, error) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range p.Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, string(f.Data))
	}
	t.Chdir(dir)
	conf, err := config.Load("milepost.toml")
	if err != nil {
		return nil, err
	}
	var shipped catalogue.Source
	if _, err := os.Stat("shipped"); err == nil {
		shipped = providerfile.Directory{Name: "shipped", FS: os.DirFS("shipped")}
	}
	var own []catalogue.Source
	if _, err := os.Stat("own"); err == nil {
		own = append(own, providerfile.Directory{Name: "own", FS: os.DirFS("own")})
	}
	c, _, err := catalogue.New(t.Context(), shipped, own...)
	if err != nil {
		t.Fatal(err)
	}
	return zones.New(c, c.Own(), conf, nil, 1)
}

// Without a configuration there are no lines: -dns was asked for.
func TestMistakesWithoutFile(t *testing.T) {
	c, _, err := providerfile.Load(providerfile.Directory{FS: fstest.MapFS{"one.toml": {Data: []byte(one)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = zones.New(c, c.Own(), config.Default(), nil, 1)
	const want = "-dns: the service's addresses are missing: autoconfig and autodiscover are zones of their own, and no CNAME can stand at the top of one (RFC 1034 §3.6.2)"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}
