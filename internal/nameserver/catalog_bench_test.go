package nameserver

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
)

// comings are a hundred changes of a million rows: 50 are gone, and 50 are new.
func comings() (changes []catalogue.Change) {
	for i := range 50 {
		changes = append(changes, catalogue.Change{Row: customer(i), Gone: true}, catalogue.Change{Row: customer(million + i)})
	}
	return changes
}

const million = 1_000_000

func customer(i int) catalogue.Row {
	d := fmt.Sprintf("customer-%d.example", i)
	return catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: catalogue.Belonging{Provider: "example.com"}}
}

// crowdSet has the zones of a million domains in a table.
func crowdSet(b *testing.B) (*zones.Set, *catalogue.Catalogue, *catalogue.Table) {
	table := catalogue.NewTable("sql", func(yield func(catalogue.Row) bool) {
		for i := range million {
			if !yield(customer(i)) {
				return
			}
		}
	})
	c, _ := fixture.Catalogue(b, "example.com.toml", fixture.Family).With([]*catalogue.Table{table})
	set, err := zones.New(c, &config.Config{DNS: config.DNS{CatalogZone: "catalog.example.net.", DomainZones: []string{"_tcp"},
		NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}, nil, zones.Time{Now: time.Unix(1_000_000, 0), Serial: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	return set, c, table
}

// after is the set that follows from changes of rows.
func after(set *zones.Set, c *catalogue.Catalogue, table *catalogue.Table, changes []catalogue.Change, now uint32) *zones.Set {
	var names []string
	for _, c := range changes {
		names = append(names, c.Domain.ASCII)
	}
	c, _ = c.With([]*catalogue.Table{table.With(changes)})
	next, _ := set.Refresh(c, names, zones.Time{Now: time.Unix(int64(now), 0), Serial: now})
	return next
}

// BenchmarkCatalogRefresh makes the set, with its catalog zone, that follows from a hundred
// changes of a million rows.
func BenchmarkCatalogRefresh(b *testing.B) {
	set, c, table := crowdSet(b)
	table = table.With(comings())
	next, _ := c.With([]*catalogue.Table{table})
	var names []string
	for _, c := range comings() {
		names = append(names, c.Domain.ASCII)
	}
	b.ReportAllocs()
	for b.Loop() {
		after, _ := set.Refresh(next, names, zones.Time{Now: time.Unix(1_000_001, 0), Serial: 1_000_001})
		if _, ok := after.CatalogZone().Since(1_000_000); !ok {
			b.Fatal("the differences are not kept")
		}
	}
}

// BenchmarkCatalogTransfer copies a catalog zone of a million members by AXFR, and 100
// changes of it by IXFR.
func BenchmarkCatalogTransfer(b *testing.B) {
	first, c, table := crowdSet(b)
	set := after(first, c, table, comings(), 1_000_001)
	all := set.CatalogZone().Members() + 4
	s := listenLog(b, "127.0.0.1:0", Config{Zones: set, Keys: []config.Key{goodKey}, RateLimit: 50}, slog.New(slog.DiscardHandler))
	s.current.Store(Config{Zones: set, Keys: []config.Key{goodKey}, Secondaries: []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1")}}}.snapshot())
	name := "catalog.example.net."
	for _, bc := range []struct {
		name    string
		m       *dns.Msg
		records int
	}{
		{"AXFR", new(dns.Msg).SetAxfr(name), all},
		{"AXFR-signed", new(dns.Msg).SetAxfr(name).SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix()), all},
		{"IXFR", new(dns.Msg).SetIxfr(name, first.CatalogZone().SOA().Serial, ".", "."), 100 + 4},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			var octets int
			for b.Loop() {
				octets = copyRaw(b, s.Addr().String(), bc.m, bc.records)
			}
			b.ReportMetric(float64(octets)/1e6, "MB")
		})
	}
}

// copyRaw reads the responses to a message until they had all records, and counts their
// octets.
func copyRaw(b *testing.B, addr string, m *dns.Msg, records int) (octets int) {
	packet, err := m.Pack()
	if m.IsTsig() != nil {
		packet, _, err = dns.TsigGenerate(m.Copy(), secret, "", false)
	}
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Minute))
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packet))), packet...)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, dns.MaxMsgSize)
	for records > 0 {
		if _, err := io.ReadFull(conn, buf[:2]); err != nil {
			b.Fatal(err)
		}
		size := int(binary.BigEndian.Uint16(buf))
		if _, err := io.ReadFull(conn, buf[:size]); err != nil {
			b.Fatal(err)
		}
		if buf[3]&maskRcode != 0 {
			b.Fatal(dns.RcodeToString[int(buf[3]&maskRcode)])
		}
		records -= int(binary.BigEndian.Uint16(buf[6:]))
		octets += 2 + size
	}
	if records < 0 {
		b.Fatalf("%d records too many", -records)
	}
	return octets
}
