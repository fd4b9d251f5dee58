package nameserver

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/zones"
)

// tableOf has rows of the provider example.com.
func tableOf(changed uint32, domains ...string) *catalogue.Table {
	return catalogue.NewTable("sql", func(yield func(catalogue.Row) bool) {
		for _, d := range domains {
			if !yield(rowOf(d, changed)) {
				return
			}
		}
	})
}

func rowOf(d string, changed uint32) catalogue.Row {
	return catalogue.Row{Domain: address.Domain{ASCII: d}, Belonging: catalogue.Belonging{Provider: "example.com"}, Changed: changed}
}

// Zones whose rows have changed are told of before the rest of a round, which goes on;
// after it, they alone are.
func TestNotifyOfRows(t *testing.T) {
	told := make(chan string, 100)
	addr := secondary(t, func(w dns.ResponseWriter, m *dns.Msg) {
		told <- m.Question[0].Name
		w.WriteMsg(new(dns.Msg).SetReply(m))
	})
	table := tableOf(7, "a.example", "b.example", "c.example", "d.example", "e.example")
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
	configured := Config{Zones: set, Secondaries: []config.Secondary{{Address: addr}}}
	log := make(records, 100)
	s, err := Listen("127.0.0.1:0", configured.current(), time.Now, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	ticks := make(chan time.Time)
	s.notifier.ticks = func() <-chan time.Time { return ticks }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	next := func() (name string) {
		t.Helper()
		within(t, "a tick is not taken", func() { ticks <- time.Time{} })
		within(t, "not told", func() { name = <-told })
		return name
	}
	refresh := func(now uint32, rows ...string) {
		t.Helper()
		var changes []catalogue.Change
		for _, d := range rows {
			changes = append(changes, catalogue.Change{Row: rowOf(d, now)})
		}
		table = table.With(changes)
		c, _ = c.With([]*catalogue.Table{table})
		at := zones.Time{Now: time.Unix(int64(now), 0), Serial: now}
		next, warnings := configured.Zones.Refresh(c, rows, at)
		if len(warnings) > 0 {
			t.Fatal(warnings)
		}
		configured.Zones = next
		update(ctx, s, configured)
	}
	// One is told of, and another one waits for its tick already.
	round := []string{next()}
	refresh(200, "new.example")
	refresh(201, "new.example", "other.example")
	refresh(202) // nothing
	round = append(round, next())
	if first, second := next(), next(); first != "_tcp.new.example." || second != "_tcp.other.example." {
		t.Errorf("told of %s and %s first", first, second)
	}
	for range 4 {
		round = append(round, next())
	}
	slices.Sort(round)
	if want := []string{"_tcp.a.example.", "_tcp.b.example.", "_tcp.c.example.", "_tcp.d.example.", "_tcp.e.example.", "_tcp.example.com."}; !slices.Equal(round, want) {
		t.Errorf("the round was %v", round)
	}
	log.expect(t, "notified")
	refresh(300, "a.example", "new.example")
	if first, second := next(), next(); first != "_tcp.a.example." || second != "_tcp.new.example." {
		t.Errorf("told of %s and %s", first, second)
	}
	cancel()
	if err := <-ended; err != nil || len(told) > 0 {
		t.Errorf("%v, and told of %d more zones", err, len(told))
	}
}
