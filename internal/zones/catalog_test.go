package zones_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
)

// cataloged is a set with a catalog zone, whose provider has some domains.
func cataloged(t testing.TB, before *zones.Set, now uint32, change func(*config.DNS), domains ...string) (*zones.Set, error) {
	t.Helper()
	list := `["` + strings.Join(domains, `", "`) + `"]`
	c := fixture.Catalogue(t, "one.toml", strings.Replace(one, `["one.example", "uno.example"]`, list, 1))
	conf := &config.Config{DNS: config.DNS{CatalogZone: "catalog.example.net.", DomainZones: []string{"_tcp"}, NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}
	if change != nil {
		change(&conf.DNS)
	}
	return zones.New(c, c.Own(), conf, before, time.Unix(int64(now), 0), now)
}

// members are the zones that a catalog zone lists, and the labels under which it does.
func members(t *testing.T, c *zones.CatalogZone) (names []string, labels map[string]string) {
	t.Helper()
	labels = make(map[string]string)
	for rr := range c.Records() {
		if ptr, ok := rr.(*dns.PTR); ok {
			label, rest, _ := strings.Cut(ptr.Hdr.Name, ".")
			if rest != "zones."+c.Name()+"." || len(ptr.Hdr.Name) > 254 {
				t.Errorf("a member stands at %s", ptr.Hdr.Name)
			}
			names, labels[ptr.Ptr] = append(names, ptr.Ptr), label
		}
	}
	if slices.Sort(names); len(names) != c.Members() {
		t.Errorf("there are %d members; %d are said to be", len(names), c.Members())
	}
	return names, labels
}

// difference are the records of an IXFR response, a word each.
func difference(t *testing.T, c *zones.CatalogZone, serial uint32) string {
	t.Helper()
	records, ok := c.Since(serial)
	if !ok {
		return "not known"
	}
	var words []string
	for rr := range records {
		switch rr := rr.(type) {
		case *dns.SOA:
			words = append(words, fmt.Sprint(rr.Serial))
		case *dns.PTR:
			words = append(words, strings.TrimSuffix(strings.TrimPrefix(rr.Ptr, "_tcp."), ".example."))
		default:
			t.Errorf("a difference of %s", rr)
		}
	}
	return strings.Join(words, " ")
}

func TestCatalogZone(t *testing.T) {
	set, err := cataloged(t, nil, 100, nil, "a.example")
	if err != nil {
		t.Fatal(err)
	}
	const whole = `catalog.example.net. 0 IN SOA invalid. invalid. 100 600 60 1209600 0
catalog.example.net. 0 IN NS invalid.
version.catalog.example.net. 0 IN TXT "2"
l97ibnlr55mub92hjcu9q6b2f1ao7qh0.zones.catalog.example.net. 0 IN PTR _tcp.a.example.
`
	var got strings.Builder
	for rr := range set.CatalogZone().Records() {
		fmt.Fprintln(&got, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	if diff := cmp.Diff(whole, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if set.Find("catalog.example.net.") != nil || set.Find("version.catalog.example.net.") != nil {
		t.Error("everybody is answered about the catalog zone")
	}
}

// The catalog zone has another serial when its members differ, and keeps the
// differences.
func TestCatalogZoneChanges(t *testing.T) {
	var before *zones.Set
	var labels map[string]string
	for _, s := range []struct {
		name    string
		now     uint32
		change  func(*config.DNS)
		domains string
		serial  uint32
		since   map[uint32]string
	}{
		{"first", 100, nil, "a b", 100, map[uint32]string{100: "not known", 99: "not known"}},
		{"nothing", 200, nil, "b a", 100, map[uint32]string{100: "not known"}},
		{"a TTL of other zones", 210, func(d *config.DNS) { d.TTL = 7 }, "b a", 100, map[uint32]string{100: "not known"}},
		{"one more", 220, nil, "a b c", 220, map[uint32]string{100: "220 100 220 c 220"}},
		{"one for another", 230, nil, "a b d", 230, map[uint32]string{100: "230 100 220 c 220 c 230 d 230", 220: "230 220 c 230 d 230", 230: "not known"}},
		{"more than there are", 240, nil, "e f g", 240, map[uint32]string{100: "not known", 220: "not known", 230: "not known"}},
		{"a configured zone", 250, func(d *config.DNS) { d.Zones = []config.Zone{{Name: "g.example."}} }, "e f g", 250, map[uint32]string{240: "250 240 g 250 g 250"}},
		{"another catalog zone", 260, func(d *config.DNS) { d.CatalogZone = "other.example.net." }, "e f", 260, map[uint32]string{250: "not known"}},
	} {
		var domains []string
		for d := range strings.FieldsSeq(s.domains) {
			domains = append(domains, d+".example")
		}
		set, err := cataloged(t, before, s.now, s.change, domains...)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		c := set.CatalogZone()
		if got := c.SOA().Serial; got != s.serial {
			t.Errorf("%s: the serial is %d, want %d", s.name, got, s.serial)
		}
		for serial, want := range s.since {
			if got := difference(t, c, serial); got != want {
				t.Errorf("%s: since %d: %s, want %s", s.name, serial, got, want)
			}
		}
		names, now := members(t, c)
		want := slices.Sorted(set.Names())
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("%s: -want +got:\n%s", s.name, diff)
		}
		for name, label := range now {
			if was, ok := labels[name]; ok && was != label {
				t.Errorf("%s: %s was %s and is %s", s.name, name, was, label)
			}
		}
		first := slices.Collect(set.Changed(before))
		if changed := before == nil || before.CatalogZone().SOA().Serial != s.serial; changed != (len(first) > 0 && strings.Contains(first[0], "example.net")) {
			t.Errorf("%s: changed are %v", s.name, first)
		}
		labels, before = now, set
	}
}

// What is kept of the past is bounded.
func TestCatalogZoneForgets(t *testing.T) {
	var domains []string
	for i := range 100 {
		domains = append(domains, fmt.Sprintf("d%d.example", i))
	}
	set, err := cataloged(t, nil, 1, nil, domains...)
	for i := uint32(2); err == nil && i < 200; i++ { // each a domain more, and one less
		domains = append(domains[1:], fmt.Sprintf("d%d.example", 100+i))
		set, err = cataloged(t, set, i, nil, domains...)
	}
	if err != nil {
		t.Fatal(err)
	}
	for serial, want := range map[uint32]bool{1: false, 148: false, 149: true, 198: true, 199: false} {
		if _, ok := set.CatalogZone().Since(serial); ok != want {
			t.Errorf("since %d: known is %t", serial, ok)
		}
	}
}

// A catalog zone that overlaps another is a mistake.
func TestCatalogZoneOverlaps(t *testing.T) {
	for _, tc := range []struct{ name, catalog, domain, want string }{
		{"it is a zone", "_tcp.a.example.", "a.example", "_tcp.a.example overlaps the zone _tcp.a.example of a domain"},
		{"in a zone", "catalog._tcp.a.example.", "a.example", "catalog._tcp.a.example overlaps the zone _tcp.a.example of a domain"},
		{"above a zone", "example.", "a.example", "example overlaps the zone _tcp.a.example of a domain"},
		{"beside", "catalog.a.example.", "a.example", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := cataloged(t, nil, 1, func(d *config.DNS) { d.CatalogZone = tc.catalog }, tc.domain)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want+"; zones may not overlap")) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}
