package nameserver

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
	"milepost/settings"
)

// crowd is a catalogue of one provider and many domains.
type crowd struct {
	provider *settings.Provider
	domains  map[string]bool
}

func (c crowd) Lookup(d address.Domain) (*settings.Provider, bool) { return c.Named(d) }
func (c crowd) Named(d address.Domain) (*settings.Provider, bool) {
	return c.provider, c.domains[d.ASCII]
}

// crowdSet has the zones of n domains, the first of which is that of a number.
func crowdSet(b *testing.B, before *zones.Set, first, n int) *zones.Set {
	p := *fixture.Catalogue(b, "example.com.toml", fixture.Family).Own()[0]
	p.Domains = nil
	c := crowd{&p, make(map[string]bool, n)}
	for i := range n {
		name := fmt.Sprintf("customer-%d.example", first+i)
		c.domains[name] = true
		p.Domains = append(p.Domains, settings.DomainPattern{Domain: address.Domain{ASCII: name, Unicode: name}})
	}
	now := uint32(1_000_000 + first)
	set, err := zones.New(c, []*settings.Provider{&p}, &config.Config{DNS: config.DNS{CatalogZone: "catalog.example.net.", DomainZones: []string{"_tcp"},
		NameServers: []config.NameServer{{Name: "ns1.example.net."}}}}, before, time.Unix(int64(now), 0), now)
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// BenchmarkCatalogTransfer copies a catalog zone of a million members by AXFR, and 100
// changes of it by IXFR.
func BenchmarkCatalogTransfer(b *testing.B) {
	const n = 1_000_000
	first := crowdSet(b, nil, 0, n)
	set := crowdSet(b, first, 50, n) // 50 are gone, and 50 are new
	s := listenLog(b, "127.0.0.1:0", Config{Zones: set, Keys: []config.Key{goodKey}, RateLimit: 50}, slog.New(slog.DiscardHandler))
	s.current.Store(Config{Zones: set, Keys: []config.Key{goodKey}, Secondaries: []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1")}}}.snapshot())
	name := "catalog.example.net."
	for _, bc := range []struct {
		name    string
		m       *dns.Msg
		records int
	}{
		{"AXFR", new(dns.Msg).SetAxfr(name), n + 4},
		{"AXFR-signed", new(dns.Msg).SetAxfr(name).SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix()), n + 4},
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
	runtime.KeepAlive(first)
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
