package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"milepost/internal/fixture"

	"github.com/miekg/dns"
)

// The configurations and commands of docs/dns.md are taken as they stand there.
func TestDNSManual(t *testing.T) {
	configs, secondaries, commands := fixture.Blocks(t, dnsManual, "toml"), fixture.Blocks(t, dnsManual, "toml secondaries")[0], strings.Join(fixture.Blocks(t, dnsManual, "sh"), "")
	delegated := fixture.Blocks(t, dnsManual, "toml delegated")[0]
	work := fixture.Directory(t,
		"example.com.zone", "@ MX 10 mail\nmail A 192.0.2.25\ndav A 192.0.2.26\n",
		"tcp.zone", "_xmpp-client SRV 0 0 5222 xmpp.example.com.\n")
	t.Chdir(work)
	fixture.Write(t, "providers/example.com.toml", familyDAV)
	if len(configs) != 5 {
		t.Fatalf("there are %d configurations", len(configs))
	}
	for _, text := range []string{configs[0], configs[0] + configs[1], configs[0] + configs[2], configs[3], configs[4], secondaries, delegated} {
		fixture.Write(t, "milepost.toml", text)
		if code, _, stderr := milepost(t, "check", "-config", "milepost.toml", "providers"); code != 0 {
			t.Errorf("%s%s", text, stderr)
		}
	}
	ran := 0
	for line := range strings.Lines(commands) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " | ")
		words := strings.Fields(line)
		if words[0] != "milepost" || words[1] != "dns" {
			continue
		}
		ran++
		if code, stdout, stderr := milepost(t, words[1:]...); code != 0 || !strings.Contains(stdout, "_imaps._tcp") {
			t.Errorf("%s: %d %s %s", line, code, stdout, stderr)
		}
	}
	if ran != 2 {
		t.Errorf("%d commands were found", ran)
	}
}

// The configuration of docs/pages.md is taken, and its name is on the pages.
func TestPagesManual(t *testing.T) {
	text := fixture.Blocks(t, "../../docs/pages.md", "toml")[0]
	t.Chdir(fixture.Directory(t, "milepost.toml", text, "logo.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`))
	p := startProcess(t, "-config", "milepost.toml")
	named := func(name string) {
		t.Helper()
		if status, body := get(t, "http://"+p.addr+"/"); status != 200 || !strings.Contains(body, name) || !strings.Contains(body, "mailto:help@example.com") {
			t.Errorf("%d, without %s or its support link", status, name)
		}
	}
	named("Example Mail")
	fixture.Write(t, "milepost.toml", strings.Replace(text, "Example Mail", "Other Mail", 1))
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")
	named("Other Mail")
}

// The serial goes on from what the file keeps, whatever the clock says.
func TestSerialFile(t *testing.T) {
	dir := fixture.Directory(t,
		"milepost.toml", "[service]\naddresses = [\"192.0.2.1\"]\n[dns]\nserial_file = \"serial\"\n",
		"serial", "4000000000\n")
	providers := fixture.Directory(t, "example.com.toml", familyDAV)
	for _, want := range []uint32{4000000001, 4000000002} {
		p := startProcess(t, "-dns", "127.0.0.1:0", "-config", dir+"/milepost.toml", "-providers", providers)
		reply, err := query(p.dns, "_tcp.example.com.", dns.TypeSOA, false)
		if err != nil || len(reply.Answer) != 1 || reply.Answer[0].(*dns.SOA).Serial != want {
			t.Errorf("serial is not %d: %v %v", want, err, reply)
		}
	}
	// Neither an empty file nor a full disk stops the start.
	fixture.Write(t, dir+"/serial", "")
	if err := os.Symlink("/dev/full", dir+"/serial.new"); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, "-dns", "127.0.0.1:0", "-config", dir+"/milepost.toml", "-providers", providers)
	p.waitFor(t, "serial: is empty or damaged")
	p.waitFor(t, "serial: the highest serial cannot be kept: no space left on device")
	if reply, err := query(p.dns, "_tcp.example.com.", dns.TypeSOA, false); err != nil || len(reply.Answer) != 1 {
		t.Error(err, reply)
	}
	if code, stdout, stderr := milepost(t, "check", "-config", dir+"/milepost.toml", providers); code != 0 || stdout == "" || !strings.HasPrefix(stderr, "warning: "+dir+"/serial: is empty or damaged") {
		t.Errorf("%d %s%s", code, stdout, stderr)
	}
	fixture.Write(t, dir+"/serial", "nonsense")
	code, _, stderr := milepost(t, "serve", "-http", "127.0.0.1:0", "-dns", "127.0.0.1:0", "-config", dir+"/milepost.toml", "-providers", providers)
	if want := dir + "/milepost.toml:4: dns.serial_file: " + dir + "/serial: is no serial; remove the file if it is not milepost's\nmilepost: 1 mistake in the configuration; docs/configuration.md says what is allowed\n"; code != 1 || stderr != want {
		t.Errorf("%d %s", code, stderr)
	}
}

// What is wrong with a configuration and the catalogue together has a line, too.
func TestBadPlans(t *testing.T) {
	providers := fixture.Directory(t, "example.com.toml", familyDAV)
	const ns = "[[dns.name_server]]\nname = \"ns1.example.net\"\n"
	for _, tc := range []struct{ name, config, want string }{
		{"a zone that overlaps one that every domain has", ns + "[service]\naddresses = [\"192.0.2.1\"]\n[[dns.zone]]\nname = \"_imaps._tcp.example.com\"\n",
			"milepost.toml:6: dns.zone[1].name: lies in the zone _tcp.example.com, which every domain has; zones may not overlap\n"},
		{"a name server without an address", "[service]\naddresses = [\"192.0.2.1\"]\n" + ns + "[[dns.name_server]]\nname = \"ns2.autoconfig.example.com\"\n",
			"milepost.toml:6: dns.name_server[2].name: lies in the zone autoconfig.example.com and has no address; nobody could find it\n"},
		{"a service without an address", ns + "[service]\nhost = \"mail.example.net\"\n",
			"milepost.toml:3: service.addresses: the service's addresses are missing: autoconfig is a zone of its own, and no CNAME can stand at the top of one (RFC 1034 §3.6.2)\n"},
		{"zones that hold nothing", ns + "[dns]\ndomain_zones = [\"_tpc\"]\n",
			`milepost.toml:4: dns.domain_zones: "_tpc" holds nothing that is made of a provider; @, _tcp, autoconfig, autodiscover, mta-sts, _mta-sts, ua-auto-config, _ua-auto-config and single labels, as _imaps._tcp, are allowed` + "\n"},
		{"a whole domain without its hosts", ns + "[dns]\ndomain_zones = []\n[[dns.zone]]\nname = \"example.com\"\n[service]\nhost = \"mail.example.net\"\n",
			"milepost.toml:6: dns.zone[1].name: _caldavs._tcp.example.com leads to dav.example.com, which lies in the zone example.com and has no address there; the records of a zone that is set by name can give it one\n" +
				"milepost.toml:6: dns.zone[1].name: _imaps._tcp.example.com leads to mail.example.com, which lies in the zone example.com and has no address there; the records of a zone that is set by name can give it one\n"},
		{"no name server", "[service]\naddresses = [\"192.0.2.1\"]\n[dns]\ndomain_zones = [\"_tcp\"]\n",
			"milepost.toml:3: dns.name_server: no name server is set; only domains whose autoconfig is in a zone, and a service with addresses, have one of their own\n"},
		{"mistakes in zones and in looks", "[dns]\nttl = 0\n[service]\ncolour = \"red\"\n",
			"milepost.toml:2: dns.ttl: is 0; 1 to 604800 are allowed\n" +
				`milepost.toml:4: service.colour: "red" is no colour; "#1d5f8a", say, is allowed: six hexadecimal digits` + "\n"},
		{"a domain without provider", ns + "[dns]\ndomain_zones = []\n[[dns.zone]]\nname = \"example.org\"\n",
			"milepost.toml:6: dns.zone[1].name: the catalogue has nothing for the zone example.org: no provider is known for a domain in it\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(fixture.Directory(t, "milepost.toml", tc.config))
			for _, args := range [][]string{
				{"check", "-config", "milepost.toml", providers},
				{"serve", "-http", "127.0.0.1:0", "-dns", "127.0.0.1:0", "-config", "milepost.toml", "-providers", providers},
			} {
				code, stdout, stderr := milepost(t, args...)
				mistakes := count(strings.Count(tc.want, "\n"), "mistake")
				if want := tc.want + "milepost: " + mistakes + " in the configuration; docs/configuration.md says what is allowed\n"; code != 1 || stdout != "" || stderr != want {
					t.Errorf("%s: exit code %d\n%s\nwant\n%s", args[0], code, stderr, want)
				}
			}
		})
	}
}
