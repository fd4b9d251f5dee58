package zone_test

import (
	"bufio"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/tools/txtar"

	"milepost/internal/providerfile"
	"milepost/settings"
	"milepost/zone"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestPages plays the pages in testdata. One page is
//
//	*.toml      the providers' files
//	plan        a line a fact, as in (page).plan
//	NAME.zone   the other records of the zone NAME
//	questions   NAME TYPE, a line each
//	answers     what is answered
//	zones       every zone, whole
//	mistakes    what is wrong with the plan, instead of the three before
func TestPages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no pages: ", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
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
	set, err := zone.NewSet(p.plan(t), nil, 1)
	if err != nil {
		var b strings.Builder
		for _, e := range zone.PlanErrors(err) {
			fmt.Fprintln(&b, strings.TrimSpace(string(e.Part)+" "+e.Name)+":", e)
		}
		got["mistakes"] = b.String()
		return got
	}
	if questions := p.file("questions"); questions != "" {
		var b strings.Builder
		for line := range strings.Lines(questions) {
			name, rrtype, _ := strings.Cut(strings.TrimSpace(line), " ")
			q := dns.Question{Name: name, Qtype: typeOf(t, rrtype), Qclass: dns.ClassINET}
			write(&b, strings.TrimSpace(line), set.Answer(q))
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

func write(b *strings.Builder, question string, a zone.Answer) {
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

func (p page) plan(t *testing.T) zone.Plan {
	t.Helper()
	given := fstest.MapFS{}
	for _, f := range p.Files {
		if strings.HasSuffix(f.Name, ".toml") {
			given[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	c, _, err := providerfile.Load(providerfile.Directory{FS: given})
	if err != nil {
		t.Fatal(err)
	}
	plan := zone.Plan{Catalogue: c, Given: c.Own()}
	for s := bufio.NewScanner(strings.NewReader(p.file("plan"))); s.Scan(); {
		words := strings.Fields(s.Text())
		switch words[0] {
		case "each":
			plan.Each = words[1:]
		case "zone":
			w := zone.Wanted{Name: words[1] + "."}
			parser := dns.NewZoneParser(strings.NewReader(p.file(words[1]+".zone")), w.Name, "")
			parser.SetDefaultTTL(3600)
			for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
				w.Records = append(w.Records, rr)
			}
			if err := parser.Err(); err != nil {
				t.Fatal(err)
			}
			plan.Zones = append(plan.Zones, w)
		case "host":
			plan.Host = settings.Hostname(words[1])
		case "addresses":
			plan.Addresses = addrs(t, words[1:])
		case "name_server":
			plan.NameServers = append(plan.NameServers, zone.NameServer{Name: words[1] + ".", Addresses: addrs(t, words[2:])})
		case "none-given":
			plan.Given = nil
		default:
			t.Fatalf("plan: %q", s.Text())
		}
	}
	return plan
}

func addrs(t *testing.T, words []string) []netip.Addr {
	t.Helper()
	var out []netip.Addr
	for _, w := range words {
		a, err := netip.ParseAddr(w)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}
