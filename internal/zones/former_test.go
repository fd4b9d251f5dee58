package zones_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
	"milepost/pacc"
)

// When a document changes, DNS has both digests before HTTP serves the new one, and until
// no cache has the former one. What is announced stays what is served, whatever happens in
// between.
func TestChangedDocuments(t *testing.T) {
	// The providers are called A, B and so on; so are their documents.
	called := func(name string) string { return strings.Replace(one, `"One"`, fmt.Sprintf("%q", name), 1) }
	starttls := called("A") + "socket_type = \"STARTTLS\"\n"
	uno := strings.NewReplacer(`"one.example", "uno.example"`, `"uno.example"`, `"One"`, `"X"`).Replace(one)
	alone := func(name string) string { return strings.Replace(called(name), `, "uno.example"`, "", 1) }
	for name, steps := range map[string][]struct {
		at         int64 // seconds
		one, other string
		want       string // what DNS announces for one and uno, and what HTTP serves
		serial     uint32 // of the zone of one
		lapses     int64  // 0: never
	}{
		"one change": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{2000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3059, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3060, called("B"), "", "BA:B BA:B", 3000, 6660},
			{6659, called("B"), "", "BA:B BA:B", 3000, 6660},
			{6660, called("B"), "", "B:B B:B", 6660, 0},
		},
		"another before the first is served": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3059, called("C"), "", "CA:A CA:A", 3059, 3119},
			{3118, called("C"), "", "CA:A CA:A", 3059, 3119},
			{3119, called("C"), "", "CA:C CA:C", 3059, 6719},
		},
		"another after the first is served": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3100, called("C"), "", "CAB:B CAB:B", 3100, 3160},
			{3160, called("C"), "", "CAB:C CAB:C", 3100, 6660},
			{6660, called("C"), "", "CB:C CB:C", 6660, 6760},
		},
		"and back": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3001, called("A"), "", "A:A A:A", 3001, 3061},
		},
		"more than are kept": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{1100, called("B"), "", "BA:A BA:A", 1100, 1160},
			{1200, called("C"), "", "CAB:B CAB:B", 1200, 1260},
			{1300, called("D"), "", "DABC:C DABC:C", 1300, 1360},
			{1400, called("E"), "", "EABCD:D EABCD:D", 1400, 1460},
			{1500, called("F"), "", "FBCDE:E FBCDE:E", 1500, 1560},
		},
		"no document any more, and one again": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, starttls, "", ": :", 3000, 0},
			{4000, called("B"), "", "B:B B:B", 4000, 0},
		},
		"a domain moves": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, alone("A"), uno, "A:A XA:A", 1000, 3060},
			{3060, alone("A"), uno, "A:A XA:X", 1000, 6660},
			{3100, alone("B"), uno, "BA:A XA:X", 3100, 3160},
			{6660, alone("B"), uno, "BA:B X:X", 3100, 6760},
		},
		"a domain moves in the midst of a change": {
			{1000, called("A"), "", "A:A A:A", 1000, 0},
			{3000, called("B"), "", "BA:A BA:A", 3000, 3060},
			{3030, alone("B"), uno, "BA:A XA:A", 3000, 3060},
			{3090, alone("B"), uno, "BA:B XA:X", 3000, 6660},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before *zones.Set
			for _, s := range steps {
				files := []string{"one.toml", s.one}
				if s.other != "" {
					files = append(files, "x.toml", s.other)
				}
				c := fixture.Catalogue(t, files...)
				conf := config.Config{DNS: config.DNS{TTL: 60, DomainZones: []string{pacc.RecordLabel}, NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}
				set, err := zones.New(c, &conf, before, zones.Time{Now: time.Unix(s.at, 0), Serial: uint32(s.at)})
				if err != nil {
					t.Fatal(err)
				}
				got := announced(t, c, set, "one.example") + " " + announced(t, c, set, "uno.example")
				lapses := int64(0)
				if at := set.Lapses(); !at.IsZero() {
					lapses = at.Unix()
				}
				serial := set.Find(pacc.RecordLabel + ".one.example.").SOA().Serial
				if got != s.want || lapses != s.lapses || serial != s.serial {
					t.Errorf("at %d: %s, lapses at %d, serial %d; want %s, %d, %d", s.at, got, lapses, serial, s.want, s.lapses, s.serial)
				}
				before = set
			}
		})
	}
}

// announced returns the names of the documents that DNS announces for a domain, and that
// of the one that HTTP serves.
func announced(t *testing.T, c *catalogue.Catalogue, set *zones.Set, domain string) string {
	t.Helper()
	d := fixture.Domain(t, domain)
	name := pacc.RecordLabel + "." + domain + "."
	var texts []string
	for _, rr := range set.Find(name).Answer(dns.Question{Name: name, Qtype: dns.TypeTXT, Qclass: dns.ClassINET}).Answer {
		texts = append(texts, rr.(*dns.TXT).Txt...)
	}
	present, _ := c.Lookup(d)
	out := strings.Repeat("?", len(texts))
	for _, letter := range "ABCDEFX" {
		p := *present
		p.DisplayName, p.ShortName = string(letter), string(letter)
		doc, err := pacc.Render(p.For(address.Address{Domain: d}))
		if err != nil {
			continue
		}
		if i := slices.Index(texts, pacc.Record(doc)); i >= 0 {
			out = out[:i] + string(letter) + out[i+1:]
		}
	}
	served := set.Announced(present, d)
	if _, err := pacc.Render(served.For(address.Address{Domain: d})); err != nil {
		return out + ":"
	}
	return out + ":" + served.DisplayName
}

// What HTTP serves waits for no DNS but our own.
func TestDocumentsOfOtherZones(t *testing.T) {
	var before *zones.Set
	for i, text := range []string{one, strings.Replace(one, `"One"`, `"Uno"`, 1)} {
		c := fixture.Catalogue(t, "one.toml", text)
		conf := config.Config{DNS: config.DNS{DomainZones: []string{"_tcp"}, NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}
		set, err := zones.New(c, &conf, before, zones.Time{Now: time.Unix(int64(i), 0), Serial: uint32(i)})
		if err != nil {
			t.Fatal(err)
		}
		p := c.Own()[0]
		if got := set.Announced(p, fixture.Domain(t, "one.example")); got != p || !set.Lapses().IsZero() {
			t.Errorf("%s, lapses %s", got.DisplayName, set.Lapses())
		}
		before = set
	}
	if p := fixture.Catalogue(t, "one.toml", one).Own()[0]; (*zones.Set)(nil).Announced(p, p.Domains[0].Domain) != p || !(*zones.Set)(nil).Lapses().IsZero() {
		t.Error("without zones")
	}
}
