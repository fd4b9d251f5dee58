package zones_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/zones"
	"milepost/zone"
)

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
	fixture.Pages(t, "testdata/*.txtar", func(t *testing.T, p *fixture.Page) {
		got := play(t, p)
		for _, name := range []string{"answers", "zones", "mistakes"} {
			p.Expect(t, name, got[name])
		}
	})
}

func play(t *testing.T, p *fixture.Page) map[string]string {
	got := make(map[string]string)
	set, err := zonesOf(t, p)
	if err != nil {
		got["mistakes"] = err.Error() + "\n"
		return got
	}
	if questions, ok := p.Text("questions"); ok {
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
	if _, ok := p.Text("zones"); ok {
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

// zonesOf makes the zones of a page in a directory of their own, so that messages
// name no path of this machine.
func zonesOf(t *testing.T, p *fixture.Page) (*zones.Set, error) {
	t.Helper()
	t.Chdir(fixture.Directory(t, p.List()...))
	conf, err := config.Load(config.Inputs{File: "milepost.toml"})
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
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Shipped: shipped, Own: own})
	if err != nil {
		t.Fatal(err)
	}
	return zones.New(c, conf, nil, zones.Time{Now: time.Unix(1, 0), Serial: 1})
}

// Without a configuration there are no lines: -dns was asked for.
func TestMistakesWithoutFile(t *testing.T) {
	c := fixture.Catalogue(t, "one.toml", one)
	_, err := zones.New(c, config.Default(), nil, zones.Time{Now: time.Unix(1, 0), Serial: 1})
	const want = "service.addresses: the service's addresses are missing: autoconfig is a zone of its own, and no CNAME can stand at the top of one (RFC 1034 §3.6.2)"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}
