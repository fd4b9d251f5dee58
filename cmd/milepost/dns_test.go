package main

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"milepost/internal/fixture"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

const dnsManual = "../../docs/dns.md"

// query asks once.
func query(server, name string, qtype uint16, recursive bool) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.RecursionDesired = recursive
	client := dns.Client{Timeout: 5 * time.Second}
	reply, _, err := client.Exchange(m, server)
	return reply, err
}

// said is the part of an answer on which servers agree: some add NS records and
// addresses to a positive one, and others do not.
func said(m *dns.Msg) string {
	rrs := slices.Clone(m.Answer)
	if len(m.Answer) == 0 {
		rrs = append(rrs, m.Ns...)
	}
	var lines []string
	for _, rr := range rrs {
		lines = append(lines, rr.String())
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s aa=%t\n%s\n", dns.RcodeToString[m.Rcode], m.Authoritative, strings.Join(lines, "\n"))
}

var asked = []struct {
	name  string
	qtype uint16
}{
	{"_imaps._tcp.example.com.", dns.TypeSRV},
	{"_IMAPS._tcp.EXAMPLE.com.", dns.TypeSRV},
	{"_imap._tcp.example.com.", dns.TypeSRV},
	{"_submissions._tcp.example.com.", dns.TypeSRV},
	{"_caldavs._tcp.example.com.", dns.TypeTXT},
	{"_caldavs._tcp.example.com.", dns.TypeSRV},
	{"_imaps._tcp.example.com.", dns.TypeTXT},
	{"_tcp.example.com.", dns.TypeSOA},
	{"_tcp.example.com.", dns.TypeNS},
	{"_tcp.example.com.", dns.TypeA},
	{"_tcp.example.com.", dns.TypeCAA},
	{"_tcp.example.com.", 65432},
	{"_xmpp-client._tcp.example.com.", dns.TypeSRV},
	{"a.b._imaps._tcp.example.com.", dns.TypeA},
}

const familyDAV = fixture.Family + `[[service]]
protocol = "caldav"
url = "https://dav.example.com/cal/"
`

// NSD and Knot, set up as docs/dns.md says, copy the zone, answer as we do, and
// follow a change when they are told of it.
func TestSecondaries(t *testing.T) {
	nsd, knotd := fixture.Tool(t, "nsd", "nsd"), fixture.Tool(t, "knotd", "knot")
	work := t.TempDir()
	nsdPort, knotPort, ourPort := fixture.FreePort(t, "127.0.0.1"), fixture.FreePort(t, "127.0.0.1"), fixture.FreePort(t, "127.0.0.1")
	providers := fixture.Directory(t, "example.com.toml", familyDAV)
	config := fixture.Write(t, filepath.Join(work, "milepost.toml"), strings.NewReplacer(
		"192.0.2.53\"", "127.0.0.1:"+nsdPort+`"`, "192.0.2.54\"", "127.0.0.1:"+knotPort+`"`, "192.0.2.1", "127.0.0.1",
	).Replace(fixture.Blocks(t, dnsManual, "toml secondaries")[0]))

	fixture.Write(t, filepath.Join(work, "nsd.conf"), fixture.NSD("127.0.0.1", nsdPort, work)+strings.NewReplacer("request-xfr: 192.0.2.1", "request-xfr: 127.0.0.1@"+ourPort, "192.0.2.1", "127.0.0.1").Replace(fixture.Blocks(t, dnsManual, "nsd.conf")[0]))
	fixture.Write(t, filepath.Join(work, "knot.conf"), fmt.Sprintf(`server:
    listen: 127.0.0.1@%s
    rundir: %q
database:
    storage: %[2]q
template:
  - id: default
    storage: %[2]q
log:
  - target: stderr
    any: info
`, knotPort, work)+strings.Replace(strings.Replace(fixture.Blocks(t, dnsManual, "knot.conf")[0], "192.0.2.1", "127.0.0.1@"+ourPort, 1), "192.0.2.1", "127.0.0.1", 1))

	fixture.Daemon(t, nsd, "-d", "-c", filepath.Join(work, "nsd.conf"))
	fixture.Daemon(t, knotd, "-c", filepath.Join(work, "knot.conf"))
	p := startProcess(t, "-dns", "127.0.0.1:"+ourPort, "-config", config, "-providers", providers)
	secondaries := map[string]string{"NSD": "127.0.0.1:" + nsdPort, "Knot": "127.0.0.1:" + knotPort}

	agree := func() {
		t.Helper()
		soa, err := query(p.dns, "_tcp.example.com.", dns.TypeSOA, false)
		if err != nil || len(soa.Answer) != 1 {
			t.Fatal(err, soa)
		}
		serial := soa.Answer[0].(*dns.SOA).Serial
		for name, addr := range secondaries {
			fixture.AwaitAnswer(t, addr, "_tcp.example.com.", dns.TypeSOA, func(m *dns.Msg) bool {
				return len(m.Answer) == 1 && m.Answer[0].(*dns.SOA).Serial == serial
			})
			for _, q := range asked {
				ours, err := query(p.dns, q.name, q.qtype, false)
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := query(addr, q.name, q.qtype, false)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(strings.ToLower(said(ours)), strings.ToLower(said(theirs))); diff != "" {
					t.Errorf("%s %s (-milepost +%s):\n%s", q.name, dns.Type(q.qtype), name, diff)
				}
			}
		}
	}
	agree()

	fixture.Write(t, filepath.Join(providers, "example.com.toml"), strings.ReplaceAll(familyDAV, "mail.example.com", "new.example.com"))
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")
	agree() // long before the refresh time of an hour is over
	reply, err := query(secondaries["NSD"], "_imaps._tcp.example.com.", dns.TypeSRV, false)
	if err != nil || len(reply.Answer) != 1 || reply.Answer[0].(*dns.SRV).Target != "new.example.com." {
		t.Error(err, reply)
	}
}

// A resolver that knows nothing but the parent zone, which NSD serves with the
// lines of docs/dns.md in it, finds what milepost answers.
func TestDelegation(t *testing.T) {
	nsd, unbound := fixture.Tool(t, "nsd", "nsd"), fixture.Tool(t, "unbound", "unbound")
	// The delegation's glue has no port, so this must be DNS's own.
	const ours, parent = "127.0.0.12", "127.0.0.11"
	probe, err := net.Listen("tcp", ours+":53")
	if err != nil {
		t.Skipf("port 53 is needed here: %v", err)
	}
	probe.Close()
	work := t.TempDir()
	fixture.Write(t, filepath.Join(work, "example.com.zone"), "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 1209600 300\n@ NS ns\nns A "+parent+
		"\nwww A 192.0.2.80\n"+strings.ReplaceAll(fixture.Blocks(t, dnsManual, "zone")[0], "192.0.2.1", ours))
	parentPort, resolverPort := fixture.FreePort(t, parent), fixture.FreePort(t, "127.0.0.1")
	fixture.Write(t, filepath.Join(work, "nsd.conf"), fixture.NSD(parent, parentPort, work)+`zone:
    name: example.com
    zonefile: example.com.zone
`)
	fixture.Write(t, filepath.Join(work, "unbound.conf"), fmt.Sprintf(`server:
    interface: 127.0.0.1@%s
    username: ""
    chroot: ""
    directory: %q
    pidfile: "%[2]s/unbound.pid"
    use-syslog: no
    do-daemonize: no
    module-config: "iterator"
    do-not-query-localhost: no
    qname-minimisation: yes
    qname-minimisation-strict: yes
remote-control:
    control-enable: no
stub-zone:
    name: example.com
    stub-addr: %s@%s
`, resolverPort, work, parent, parentPort))
	providers := fixture.Directory(t, "example.com.toml", familyDAV)
	p := startProcess(t, "-dns", ours+":53", "-providers", providers)
	fixture.Daemon(t, nsd, "-d", "-c", filepath.Join(work, "nsd.conf"))
	fixture.Daemon(t, unbound, "-d", "-c", filepath.Join(work, "unbound.conf"))
	resolver := "127.0.0.1:" + resolverPort
	fixture.AwaitAnswer(t, parent+":"+parentPort, "www.example.com.", dns.TypeA, func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	fixture.AwaitAnswer(t, resolver, "www.example.com.", dns.TypeA, func(m *dns.Msg) bool { return m.Rcode != dns.RcodeServerFailure })
	for _, q := range append(asked, []struct {
		name  string
		qtype uint16
	}{
		{"autoconfig.example.com.", dns.TypeA},
		{"autoconfig.example.com.", dns.TypeAAAA},
		{"autoconfig.example.com.", dns.TypeHTTPS},
		{"autodiscover.example.com.", dns.TypeA},
		{"autodiscover.example.com.", dns.TypeCAA},
	}...) {
		want, err := query(p.dns, q.name, q.qtype, false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := query(resolver, q.name, q.qtype, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []*dns.Msg{want, got} { // a resolver counts the TTL down and is no authority
			m.Authoritative = false
			for _, rr := range append(m.Answer, m.Ns...) {
				rr.Header().Ttl = 0
			}
		}
		if diff := cmp.Diff(strings.ToLower(said(want)), strings.ToLower(said(got))); diff != "" {
			t.Errorf("%s %s (-milepost +unbound):\n%s", q.name, dns.Type(q.qtype), diff)
		}
	}
}

// dig, kdig and delv read what is answered.
func TestDigKdigDelv(t *testing.T) {
	dig, kdig, delv := fixture.Tool(t, "dig", "bind9-dnsutils"), fixture.Tool(t, "kdig", "knot-dnsutils"), fixture.Tool(t, "delv", "bind9-dnsutils")
	p := startProcess(t, "-dns", "127.0.0.1:0", "-providers", fixture.Directory(t, "example.com.toml", familyDAV))
	addr := netip.MustParseAddrPort(p.dns)
	run := func(program string, args ...string) string {
		t.Helper()
		out, err := exec.Command(program, args...).CombinedOutput()
		if err != nil && program != delv { // for which a negative answer is an error
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != ';' {
				lines = append(lines, strings.ToLower(strings.Join(strings.Fields(line), " ")))
			}
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	at, port := "@"+addr.Addr().String(), fmt.Sprint(addr.Port())
	for _, q := range asked {
		reply, err := query(p.dns, q.name, q.qtype, false)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, rr := range reply.Answer {
			lines = append(lines, strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
		}
		want, qtype := strings.Join(lines, "\n"), dns.Type(q.qtype).String()
		for how, got := range map[string]string{
			"dig":                  run(dig, at, "-p", port, "+norec", "+noall", "+answer", "+tries=1", q.name, qtype),
			"dig over TCP":         run(dig, at, "-p", port, "+tcp", "+norec", "+noall", "+answer", q.name, qtype),
			"dig, with everything": run(dig, at, "-p", port, "+norec", "+noall", "+answer", "+dnssec", "+nsid", "+subnet=192.0.2.0/24", "+keepopen", "+padding=128", q.name, qtype),
			"kdig":                 run(kdig, at, "-p", port, "+norec", "+noall", "+answer", q.name, qtype),
			"kdig over TCP":        run(kdig, at, "-p", port, "+tcp", "+norec", "+noall", "+answer", "+cookie", q.name, qtype),
			"delv":                 run(delv, "-i", at, "-p", port, q.name, qtype),
		} {
			if got != want {
				t.Errorf("%s: %s %s is\n%s\nwant\n%s", how, q.name, qtype, got, want)
			}
		}
	}
	if out, err := exec.Command(dig, at, "-p", port, "+norec", "_imaps._tcp.example.com", "SRV").CombinedOutput(); err != nil || !strings.Contains(string(out), "(good)") || strings.Contains(string(out), "WARNING") {
		t.Errorf("dig has something to say of the answer: %v\n%s", err, out)
	}
}
