package zoneformat_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/data"
	"milepost/internal/providerfile"
	"milepost/internal/zoneformat"
	"milepost/settings"
	"milepost/zone"
)

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: %s)", name, debian)
	}
	return path
}

// shipped returns the first domain of every provider that is built in.
func shipped(t *testing.T) []zoneformat.Domain {
	t.Helper()
	c, _, err := providerfile.Load(providerfile.Directory{FS: data.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	var domains []zoneformat.Domain
	for _, p := range c.Providers() {
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
	domains := append(shipped(t), hostile(t), hostilePage(t))
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
			path := tool(t, checker.name, checker.debian)
			for _, d := range domains {
				file := filepath.Join(t.TempDir(), "zone")
				if err := os.WriteFile(file, []byte(render(t, zoneformat.Zone, d)), 0o600); err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(bounded(t), path, checker.args(d.ASCII, file)...).CombinedOutput()
				if err != nil || string(out) != checker.said(d.ASCII) {
					t.Errorf("%s: %v\n%s", d.ASCII, err, out)
				}
			}
		})
	}
}

func hostilePage(t *testing.T) zoneformat.Domain {
	t.Helper()
	return readPage(t, pages(t)["testdata/hostile.txtar"]).domains[0]
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
	knotd := tool(t, "knotd", "knot")
	for name, debian := range map[string]string{"nsupdate": "bind9-dnsutils", "knsupdate": "knot-dnsutils"} {
		t.Run(name, func(t *testing.T) {
			client := tool(t, name, debian)
			hoster := readPage(t, pages(t)["testdata/hoster.txtar"]).domains
			family := readPage(t, pages(t)["testdata/family.txtar"]).domains
			domains := append(append(hoster, family...), hostile(t))
			addr := startKnot(t, knotd, domains)
			host, port, _ := net.SplitHostPort(addr)
			for range 2 {
				cmd := exec.CommandContext(bounded(t), client)
				cmd.Stdin = strings.NewReader("server " + host + " " + port + "\n" + render(t, zoneformat.NSUpdate, domains...))
				if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
					t.Fatalf("%v\n%s", err, out)
				}
				for _, d := range domains {
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
	dir := t.TempDir()
	addr = freePort(t)
	conf := "server:\n  listen: " + strings.Replace(addr, ":", "@", 1) + "\n  rundir: " + dir + "\n" +
		"database:\n  storage: " + dir + "\n" +
		"acl:\n  - id: here\n    address: 127.0.0.1\n    action: [update, transfer]\n" +
		"template:\n  - id: default\n    storage: " + dir + "\n    acl: here\nzone:\n"
	for _, d := range domains {
		conf += "  - domain: " + d.ASCII + "\n    file: " + d.ASCII + "\n"
		write(t, filepath.Join(dir, d.ASCII), "$TTL 60\n@ SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 300\n@ NS ns.invalid.\n"+old(d)+text(others(t, d)))
	}
	write(t, filepath.Join(dir, "knot.conf"), conf)
	var log strings.Builder
	cmd := exec.Command(knotd, "-c", filepath.Join(dir, "knot.conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for _, d := range domains {
		awaitZone(t, addr, d)
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
			rrs = append(rrs, parseRR(t, name+" 60 SRV 0 0 443 elsewhere.example."), parseRR(t, name+` 60 TXT "path=/"`))
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

func awaitZone(t *testing.T, addr string, d zoneformat.Domain) {
	t.Helper()
	question := new(dns.Msg).SetQuestion(dns.Fqdn(d.ASCII), dns.TypeSOA)
	for ctx := bounded(t); ; {
		answer, err := dns.ExchangeContext(ctx, question, addr)
		if err == nil && len(answer.Answer) == 1 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not served: %v %v", d.ASCII, answer, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// freePort returns an address that is free for TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		p, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			p.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
