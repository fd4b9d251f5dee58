package nameserver

import (
	"log/slog"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/zones"
)

// Answers are kept when rows have changed, but for those of their domains.
func TestAnswersAfterRefresh(t *testing.T) {
	table := tableOf(7, "a.example", "b.example")
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Own: []catalogue.Source{providerfile.Directory{FS: fixture.FS("example.com.toml", fixture.Family)}},
		Tables: []*catalogue.Table{table}})
	if err != nil {
		t.Fatal(err)
	}
	at := zones.Time{Now: time.Unix(100, 0), Serial: 100}
	set, err := zones.New(c, &config.Config{DNS: config.DNS{DomainZones: []string{"_tcp"}, NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}, nil, at)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(Config{Zones: set}.current(), time.Now, slog.New(failing{t}))
	ask := func(name string) *answer {
		wire := make([]byte, 255)
		n, err := dns.PackDomainName(name, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		return s.state().answer(&request{name: wire[:n], qtype: dns.TypeSRV, class: dns.ClassINET})
	}
	a, b := ask("_imap._tcp.a.example."), ask("_imap._tcp.b.example.")
	if ask("_imap._tcp.a.example.") != a {
		t.Error("an answer is not kept")
	}
	for i := range 2 {
		now := uint32(200 + i)
		table = table.With([]catalogue.Change{{Row: rowOf("b.example", now)}})
		c, _ = c.With([]*catalogue.Table{table})
		set, _ = set.Refresh(c, []string{"b.example"}, zones.Time{Now: time.Unix(int64(now), 0), Serial: now})
		s.current.Store(Config{Zones: set}.snapshot())
		if ask("_imap._tcp.a.example.") != a {
			t.Error("the answer of a domain that has not changed was made anew")
		}
		if again := ask("_imap._tcp.b.example."); again == b || again.zone.SOA().Serial != now {
			t.Error("the answer of a domain that has changed is still there")
		}
	}
	set, err = zones.New(c, &config.Config{DNS: config.DNS{DomainZones: []string{"_tcp"}, NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}, set, at)
	if err != nil {
		t.Fatal(err)
	}
	s.current.Store(Config{Zones: set}.snapshot())
	if ask("_imap._tcp.a.example.") == a {
		t.Error("an answer outlives a reload")
	}
}
