package zoneformat_test

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
	"milepost/internal/zoneformat"
	"milepost/settings"
	"milepost/zone"
)

// shipped returns the first domain of every provider that is built in.
func shipped(t *testing.T) []zoneformat.Domain {
	t.Helper()
	var domains []zoneformat.Domain
	for _, p := range fixture.Shipped(t).Providers() {
		for _, d := range p.Domains {
			if !d.Wildcard {
				rrs := zone.Records(p, d.Domain, zone.Options{Host: settings.Hostname("milepost.example.net")})
				domains = append(domains, zoneformat.Domain{Domain: d.Domain, Records: rrs})
				break
			}
		}
	}
	return domains
}

// NSD and Knot load every zone, and have nothing to say about it.
func TestServersLoadZones(t *testing.T) {
	all := append(append(shipped(t), hostile(t)), domains(t, "hostile")...)
	for _, checker := range []struct {
		name, debian string
		args         func(origin, file string) []string
		said         func(origin string) string
	}{
		{"nsd-checkzone", "nsd",
			func(origin, file string) []string { return []string{origin, file} },
			func(origin string) string { return "zone " + origin + " is ok\n" }},
		{"kzonecheck", "knot-dnssecutils",
			func(origin, file string) []string { return []string{"-o", origin, file} },
			func(string) string { return "" }},
	} {
		t.Run(checker.name, func(t *testing.T) {
			path := fixture.Tool(t, checker.name, checker.debian)
			for _, d := range all {
				file := fixture.Write(t, filepath.Join(t.TempDir(), "zone"), render(t, zoneformat.Zone, d))
				out, err := exec.CommandContext(bounded(t), path, checker.args(d.ASCII, file)...).CombinedOutput()
				if err != nil || string(out) != checker.said(d.ASCII) {
					t.Errorf("%s: %v\n%s", d.ASCII, err, out)
				}
			}
		})
	}
}

// bounded ends what runs too long.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A server that gets the update has the records afterwards, each of them and no
// other, whatever stood at their names before; what stands at other names stays.
// The same update may come once more.
func TestServerTakesUpdates(t *testing.T) {
	knotd := fixture.Tool(t, "knotd", "knot")
	for name, debian := range map[string]string{"nsupdate": "bind9-dnsutils", "knsupdate": "knot-dnsutils"} {
		t.Run(name, func(t *testing.T) {
			client := fixture.Tool(t, name, debian)
			all := append(append(domains(t, "hoster"), domains(t, "family")...), hostile(t))
			addr := startKnot(t, knotd, all)
			host, port, _ := net.SplitHostPort(addr)
			for range 2 {
				cmd := exec.CommandContext(bounded(t), client)
				cmd.Stdin = strings.NewReader("server " + host + " " + port + "\n" + render(t, zoneformat.NSUpdate, all...))
				if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
					t.Fatalf("%v\n%s", err, out)
				}
				for _, d := range all {
					same(t, transfer(t, addr, d), append(slices.Clone(d.Records), others(t, d)...))
				}
			}
		})
	}
}

// transfer asks for all records of a zone.
func transfer(t *testing.T, addr string, d zoneformat.Domain) []dns.RR {
	t.Helper()
	answers, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(dns.Fqdn(d.ASCII)), addr)
	if err != nil {
		t.Fatal(err)
	}
	var rrs []dns.RR
	for a := range answers {
		if a.Error != nil {
			t.Fatal(a.Error)
		}
		rrs = append(rrs, a.RR...)
	}
	return rrs
}

// startKnot serves zones, in which stands what is to be replaced, until the test
// ends. Whoever asks from this machine may update and transfer them.
func startKnot(t *testing.T, knotd string, domains []zoneformat.Domain) (addr string) {
	t.Helper()
	dir, port := t.TempDir(), fixture.FreePort(t, "127.0.0.1")
	conf := "server:\n  listen: 127.0.0.1@" + port + "\n  rundir: " + dir + "\n" +
		"database:\n  storage: " + dir + "\n" +
		"acl:\n  - id: here\n    address: 127.0.0.1\n    action: [update, transfer]\n" +
		"template:\n  - id: default\n    storage: " + dir + "\n    acl: here\nzone:\n"
	for _, d := range domains {
		conf += "  - domain: " + d.ASCII + "\n    file: " + d.ASCII + "\n"
		fixture.Write(t, filepath.Join(dir, d.ASCII), "$TTL 60\n@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 300\n@ NS ns.invalid.\n"+old(d)+text(others(t, d)))
	}
	fixture.Daemon(t, knotd, "-c", fixture.Write(t, filepath.Join(dir, "knot.conf"), conf))
	addr = "127.0.0.1:" + port
	for _, d := range domains {
		fixture.AwaitAnswer(t, addr, dns.Fqdn(d.ASCII), dns.TypeSOA, func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	}
	return addr
}

// old is other data at each name: of the same type, and for aliases of those that
// exclude them, and the other way round.
func old(d zoneformat.Domain) string {
	var b strings.Builder
	for _, rr := range d.Records {
		name := rr.Header().Name
		switch rr.Header().Rrtype {
		case dns.TypeA, dns.TypeAAAA:
			fmt.Fprintf(&b, "%s CNAME old.example.\n", name)
		case dns.TypeCNAME:
			fmt.Fprintf(&b, "%s A 192.0.2.99\n%s AAAA 2001:db8::99\n", name, name)
		case dns.TypeSRV:
			fmt.Fprintf(&b, "%s SRV 9 9 9 old.example.\n", name)
		case dns.TypeTXT:
			fmt.Fprintf(&b, "%s TXT old\n", name)
		}
	}
	return b.String()
}

// others are records of services that somebody else offers, if the provider does not.
func others(t *testing.T, d zoneformat.Domain) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	for _, label := range []string{"_carddavs._tcp.", "_caldavs._tcp.", "_jmap._tcp.", "_sieve._tcp.", "_xmpp-client._tcp."} {
		name := label + dns.Fqdn(d.ASCII)
		if !slices.ContainsFunc(d.Records, func(rr dns.RR) bool { return rr.Header().Name == name }) {
			rrs = append(rrs, fixture.Record(t, name+" 60 SRV 0 0 443 elsewhere.example."), fixture.Record(t, name+` 60 TXT "path=/"`))
		}
	}
	return rrs
}

func text(rrs []dns.RR) string {
	var b strings.Builder
	for _, rr := range rrs {
		fmt.Fprintln(&b, rr)
	}
	return b.String()
}
