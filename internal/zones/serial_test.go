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

const one = `display_name = "One"
domains = ["one.example", "uno.example"]
[[incoming]]
protocol = "imap"
hostname = "mail.one.example"
[[outgoing]]
hostname = "mail.one.example"
`

var two = strings.NewReplacer(`"one.example", "uno.example"`, `"two.example"`, "mail.one.", "mail.two.", "One", "Two").Replace(one)

// A serial rises where a zone has changed, and there alone.
func TestSerials(t *testing.T) {
	type step struct {
		name     string
		one, two string
		change   func(*config.DNS)
		now      uint32
		want     string   // the serials of one, uno and two (and team)
		changed  []string // the first label of their domains
	}
	var before *zones.Set
	for _, s := range []step{
		{"first", one, two, nil, 100, "100 100 100 100", []string{"team", "one", "uno", "two"}},
		{"nothing", one, two, nil, 200, "100 100 100 100", nil},
		{"a display name is nothing to DNS", strings.Replace(one, `"One"`, `"Uno"`, 1), two, nil, 210, "100 100 100 100", nil},
		{"a line more at the top of milepost.toml", one, two, func(d *config.DNS) { d.NameServers[0].Line, d.Zones[0].Line = 4, 6 }, 215, "100 100 100 100", nil},
		{"a hostname", strings.Replace(one, "mail.one", "imap.one", 1), two, nil, 220, "220 220 100 100", []string{"one", "uno"}},
		{"a domain moves", strings.Replace(one, `, "uno.example"`, "", 1), strings.Replace(two, `"two.example"`, `"two.example", "uno.example"`, 1), nil, 300, "300 300 100 100", []string{"one", "uno"}},
		{"two changes in one second", one, two, nil, 300, "300 301 100 100", []string{"uno"}},
		{"a clock that was set back", strings.Replace(one, "mail.one", "imap.one", 1), two, nil, 50, "302 302 100 100", []string{"one", "uno"}},
		{"a name server", strings.Replace(one, "mail.one", "imap.one", 1), two, func(d *config.DNS) { d.NameServers[0].Name = "ns9.example.net." }, 400, "400 400 400 400", []string{"team", "one", "uno", "two"}},
		{"back, with a record more", strings.Replace(one, "mail.one", "imap.one", 1), two, func(d *config.DNS) {
			d.Zones[0].Records = []config.Record{{RR: fixture.Record(t, "www._tcp.a.team.example. 60 IN A 192.0.2.1"), Line: 1}}
		}, 500, "500 500 500 500", []string{"team", "one", "uno", "two"}},
		{"a configured zone becomes every domain's", strings.Replace(one, "mail.one", "imap.one", 1), two, func(d *config.DNS) { d.Zones = nil }, 600, "500 500 500 0", nil},
		{"and comes back", strings.Replace(one, "mail.one", "imap.one", 1), two, nil, 600, "500 500 500 601", []string{"team"}},
		{"a domain goes", strings.Replace(strings.Replace(one, "mail.one", "imap.one", 1), `, "uno.example"`, "", 1), two, nil, 700, "500 0 500 601", nil},
		{"and comes back after the clock was set back", strings.Replace(one, "mail.one", "imap.one", 1), two, nil, 400, "500 701 500 601", []string{"uno"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			team := strings.NewReplacer(`"one.example", "uno.example"`, `"*.team.example"`, "One", "Team").Replace(one)
			c := fixture.Catalogue(t, "one.toml", s.one, "two.toml", s.two, "team.toml", team)
			conf := config.Config{DNS: config.DNS{
				DomainZones: []string{"_tcp"}, NameServers: []config.NameServer{{Line: 3, Name: "ns1.example.net."}},
				Zones: []config.Zone{{Line: 5, Name: "_tcp.a.team.example."}},
			}}
			if s.change != nil {
				s.change(&conf.DNS)
			}
			set, err := zones.New(c, &conf, before, zones.Time{Now: time.Unix(int64(s.now), 0), Serial: s.now})
			if err != nil {
				t.Fatal(err)
			}
			if got := serials(set, "one.example", "uno.example", "two.example", "a.team.example"); got != s.want {
				t.Errorf("serials %s, want %s", got, s.want)
			}
			var changed []string
			for name := range set.Changed(before) {
				label := strings.Split(strings.TrimPrefix(name, "_tcp."), ".")[0]
				if label == "a" {
					label = "team"
				}
				changed = append(changed, label)
			}
			slices.Sort(changed)
			slices.Sort(s.changed)
			if diff := cmp.Diff(s.changed, changed); diff != "" {
				t.Errorf("changed (-want +got): %s", diff)
			}
			before = set
		})
	}
}

func serials(set *zones.Set, domains ...string) string {
	var words []string
	for _, d := range domains {
		serial := uint32(0)
		if z := set.Find("_tcp." + d + "."); z != nil { // as it is answered
			a := z.Answer(dns.Question{Name: "_tcp." + d + ".", Qtype: dns.TypeSOA, Qclass: dns.ClassINET})
			serial = a.Answer[0].(*dns.SOA).Serial
		}
		words = append(words, fmt.Sprint(serial))
	}
	return strings.Join(words, " ")
}
