package zones_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/zones"
	"milepost/settings"
	"milepost/zone"
)

// hosted is a provider whose domains come from a table.
const hosted = `display_name = "Hosted"
mx = ["mx.example.net"]
[[incoming]]
protocol = "imap"
hostname = "%MXHOST%"
[[outgoing]]
hostname = "smtp.example.net"
`

// agreement is what servers share that agree on serials.
type agreement map[string]map[[32]byte]uint32

func (a agreement) agree(now uint32, parts map[string][32]byte) map[string]uint32 {
	serials := make(map[string]uint32)
	for name, digest := range parts {
		if a[name] == nil {
			a[name] = make(map[[32]byte]uint32)
		}
		if a[name][digest] == 0 {
			highest := uint32(0)
			for _, s := range a[name] {
				highest = max(highest, s)
			}
			a[name][digest] = max(now, highest+1)
		}
		serials[name] = a[name][digest]
	}
	return serials
}

// world makes sets of the same files with one table after the other.
type world struct {
	t      testing.TB
	conf   *config.Config
	table  *catalogue.Table
	c      *catalogue.Catalogue
	agreed agreement // nil: the clock
	now    uint32
}

func (w *world) time() zones.Time {
	at := zones.Time{Now: time.Unix(int64(w.now), 0), Serial: w.now}
	if w.agreed != nil {
		at.Agree = w.agreed.agree
	}
	return at
}

func (w *world) catalogue() *catalogue.Catalogue {
	c, _, err := catalogue.New(w.t.Context(), catalogue.Input{
		Own:    []catalogue.Source{providerfile.Directory{FS: fixture.FS("one.toml", one, "two.toml", two, "hosted.toml", hosted)}},
		Tables: []*catalogue.Table{w.table},
		Fed:    func(string) bool { return true },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) anew(previous *zones.Set) *zones.Set {
	w.c = w.catalogue()
	set, err := zones.New(w.c, w.conf, previous, w.time())
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

func (w *world) refresh(s *zones.Set, changes []catalogue.Change) *zones.Set {
	w.table = w.table.With(changes)
	var changed []string
	for _, c := range changes {
		changed = append(changed, c.Domain.ASCII)
	}
	w.c, _ = w.c.With([]*catalogue.Table{w.table})
	next, warnings := s.Refresh(w.c, changed, w.time())
	if len(warnings) > 0 {
		w.t.Fatal(warnings)
	}
	return next
}

func newWorld(t testing.TB, agreed agreement) *world {
	mail, err := dns.NewRR("mail.one.example. 60 IN A 192.0.2.2")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, agreed: agreed, now: 1000, table: catalogue.NewTable("sql", slices.Values([]catalogue.Row{})), conf: &config.Config{
		Service: config.Service{Host: "mail.example.net", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}},
		DNS: config.DNS{DomainZones: []string{"_tcp", "autoconfig", "_ua-auto-config"}, TTL: 60,
			NameServers: []config.NameServer{{Name: "ns1.example.net."}}, Zones: []config.Zone{{Name: "one.example.", Records: []config.Record{{RR: mail}}}}},
	}}
	w.c = w.catalogue()
	return w
}

var rowNames = []string{"a.example", "b.example", "c.example", "team.one.example", "two.example", "uno.example", "x.team.one.example"}

func randomChanges(random *rand.Rand, now uint32) (changes []catalogue.Change) {
	for range 1 + random.IntN(3) {
		d := rowNames[random.IntN(len(rowNames))]
		changes = append(changes, catalogue.Change{Gone: random.IntN(4) == 0, Row: catalogue.Row{
			Domain: address.Domain{ASCII: d, Unicode: d},
			Belonging: catalogue.Belonging{Provider: []string{"one", "hosted", "hosted", "nobody"}[random.IntN(4)],
				Host: []settings.Hostname{"", "a.mx.example.net", "b.mx.example.net"}[random.IntN(3)], Name: []string{"", "Name"}[random.IntN(2)]},
			Changed: []uint32{0, now, now - 5, now + 400}[random.IntN(4)],
		}})
	}
	return changes
}

// whole is every zone of a set, by name.
func whole(s *zones.Set) map[string]*zone.Zone {
	all := make(map[string]*zone.Zone)
	for name := range s.Names() {
		all[name] = s.Find(name)
	}
	return all
}

func recordsOf(z *zone.Zone) string {
	if z == nil {
		return "none"
	}
	var b strings.Builder
	for _, rr := range z.Records() {
		fmt.Fprintln(&b, rr)
	}
	return b.String()
}

// A set that was refreshed again and again is one that was made anew, on a server that
// has started just now, with the serials on which servers agree.
func TestRefreshEqualsNew(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t, make(agreement))
	set := w.anew(nil)
	for step := range 300 {
		w.now += uint32(random.IntN(3))
		set = w.refresh(set, randomChanges(random, w.now))
		c := w.c
		anew := w.anew(nil)
		w.c = c
		got, want := whole(set), whole(anew)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Fatalf("step %d: zones %v, anew %v", step, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
		for name := range want {
			if recordsOf(got[name]) != recordsOf(want[name]) {
				t.Fatalf("step %d, %s:\n%s\nanew:\n%s", step, name, recordsOf(got[name]), recordsOf(want[name]))
			}
		}
	}
}

// By the clock, a serial rises if a zone is another one, and never falls; the zones of
// domains whose rows have not changed are the same ones, and those that have are told of.
// So it is if a set is made anew in between.
func TestRefreshedSerials(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	w := newWorld(t, nil)
	set := w.anew(nil)
	highest := make(map[string]uint32)
	history := []*zones.Set{set}
	for step := range 300 {
		w.now += uint32(random.IntN(2))
		previous := set
		before := whole(previous)
		reload := random.IntN(10) == 0
		var changes []catalogue.Change
		if changes = randomChanges(random, w.now); reload {
			changes = slices.DeleteFunc(changes, func(c catalogue.Change) bool { return c.Gone || c.Provider == "nobody" }) // that is not seen then
			w.table = w.table.With(changes)
			set, history = w.anew(previous), nil
		} else {
			set = w.refresh(previous, changes)
		}
		told := make(map[string]bool)
		for name := range set.Changed(previous) {
			told[name] = true
		}
		for name, z := range whole(set) {
			serial, was := z.SOA().Serial, before[name]
			if serial < highest[name] {
				t.Fatalf("step %d: %s has serial %d, and had %d", step, name, serial, highest[name])
			}
			if serial > set.Highest() {
				t.Fatalf("step %d: %s has serial %d, and the highest is %d", step, name, serial, set.Highest())
			}
			switch same := was != nil && withoutSerial(was) == withoutSerial(z); {
			case !same && was != nil && serial <= was.SOA().Serial:
				t.Fatalf("step %d: %s has changed, and its serial is still %d", step, name, serial)
			case was == nil && highest[name] > 0 && serial <= highest[name] && !strings.HasPrefix(name, "one."):
				t.Fatalf("step %d: %s is there again with serial %d, and had %d", step, name, serial, highest[name])
			case told[name] != (was == nil || serial != was.SOA().Serial):
				t.Fatalf("step %d: %s is told of: %v", step, name, told[name])
			}
			touched := slices.ContainsFunc(changes, func(c catalogue.Change) bool { return strings.HasSuffix(name, c.Domain.ASCII+".") })
			if !reload && !touched && name != "one.example." && was != z {
				t.Fatalf("step %d: %s was made anew", step, name)
			}
			highest[name] = serial
		}
		history = append(history, set)
		earlier := history[random.IntN(len(history))]
		if !set.Follows(earlier) {
			t.Fatalf("step %d: does not follow", step)
		}
		var want []string
		for name, z := range whole(set) {
			if was := earlier.Find(name); was == nil || !strings.EqualFold(was.SOA().Hdr.Name, name) || was.SOA().Serial != z.SOA().Serial {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		if got := slices.Sorted(set.Changed(earlier)); !slices.Equal(got, want) {
			t.Fatalf("step %d: changed %v, want %v", step, got, want)
		}
	}
}

func withoutSerial(z *zone.Zone) string {
	serial := fmt.Sprintf(" %d ", z.SOA().Serial)
	return strings.Replace(recordsOf(z), serial, " ", 1)
}

// Rows that make no difference to any zone do not have the catalog zone counted anew, nor
// do other servers hear of them.
func TestRefreshOfNothing(t *testing.T) {
	w := newWorld(t, make(agreement))
	w.conf.DNS.CatalogZone = "catalog.example.net."
	set := w.anew(nil)
	row := func(d, provider string) []catalogue.Change {
		return []catalogue.Change{{Row: catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: catalogue.Belonging{Provider: provider}}}}
	}
	w.agreed = nil
	at := w.time()
	at.Agree = func(uint32, map[string][32]byte) map[string]uint32 {
		t.Error("serials are asked for")
		return nil
	}
	for name, changes := range map[string][]catalogue.Change{
		"none":                        nil,
		"a provider that no file has": row("a.example", "nobody"),
		"a domain that a file has":    row("two.example", "hosted"),
	} {
		t.Run(name, func(t *testing.T) {
			table := w.table.With(changes)
			c, _ := w.c.With([]*catalogue.Table{table})
			var changed []string
			for _, c := range changes {
				changed = append(changed, c.Domain.ASCII)
			}
			next, _ := set.Refresh(c, changed, at)
			if got := next.CatalogZone(); got.SOA().Serial != set.CatalogZone().SOA().Serial || got.Members() != set.CatalogZone().Members() {
				t.Errorf("serial %d, %d members", got.SOA().Serial, got.Members())
			}
		})
	}
}

// A clock that is put back takes no serial back.
func TestRefreshClockPutBack(t *testing.T) {
	for name, again := range map[string]func(w *world, s *zones.Set) *zones.Set{
		"refreshed": func(w *world, s *zones.Set) *zones.Set { return w.refresh(s, nil) },
		"made anew": func(w *world, s *zones.Set) *zones.Set { return w.anew(s) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, make(agreement))
			set := w.refresh(w.anew(nil), []catalogue.Change{{Row: catalogue.Row{
				Domain: address.Domain{ASCII: "a.example"}, Belonging: catalogue.Belonging{Provider: "hosted"}, Changed: w.now + 290}}})
			w.now -= 60
			if got := again(w, set).Find("_tcp.a.example.").SOA().Serial; got != 1290 {
				t.Errorf("serial %d; it was 1290", got)
			}
		})
	}
}

// A serial of the catalog zone is the server's own, even if it is as high as a row's: the
// serial file is to have it.
func TestRefreshGivesCatalogSerial(t *testing.T) {
	w := newWorld(t, nil)
	w.conf.DNS.CatalogZone = "catalog.example.net."
	set := w.refresh(w.anew(nil), []catalogue.Change{{Row: catalogue.Row{
		Domain: address.Domain{ASCII: "a.example"}, Belonging: catalogue.Belonging{Provider: "one"}, Changed: w.now + 50}}})
	if serial := set.CatalogZone().SOA().Serial; serial < w.now+50 || set.Given() != serial {
		t.Errorf("the catalog zone has serial %d; %d was given", serial, set.Given())
	}
}
