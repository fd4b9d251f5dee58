package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"milepost/internal/fixture"

	"github.com/miekg/dns"
)

// consumer is a secondary that follows the catalog zone.
type consumer struct {
	name string
	// start starts it on a port of 127.0.0.1, set up as docs/dns.md says.
	start func(t *testing.T, port, ourPort string)
}

var consumers = []consumer{
	{"Knot", func(t *testing.T, port, ourPort string) {
		knotd, work := fixture.Tool(t, "knotd", "knot"), t.TempDir()
		block := fixture.Blocks(t, dnsManual, "knot.conf catalog")[0]
		block = strings.Replace(block, "address: 192.0.2.1", "address: 127.0.0.1@"+ourPort, 1)
		block = strings.Replace(block, "  - id: member\n", fmt.Sprintf("  - id: default\n    storage: %q\n  - id: member\n    storage: %[1]q\n", work), 1)
		fixture.Write(t, filepath.Join(work, "knot.conf"), fmt.Sprintf(`server:
    listen: 127.0.0.1@%s
    rundir: %q
database:
    storage: %[2]q
log:
  - target: stderr
    any: info
`, port, work)+strings.ReplaceAll(block, "192.0.2.1", "127.0.0.1"))
		fixture.Daemon(t, knotd, "-c", filepath.Join(work, "knot.conf"))
	}},
	{"BIND", func(t *testing.T, port, ourPort string) {
		named, work := fixture.Tool(t, "named", "bind9"), t.TempDir()
		block := strings.ReplaceAll(fixture.Blocks(t, dnsManual, "named.conf catalog")[0], "192.0.2.1", "127.0.0.1 port "+ourPort)
		block = strings.Replace(block, "options {\n", fmt.Sprintf(`options {
    directory %q;
    pid-file none;
    session-keyfile none;
    managed-keys-directory %[1]q;
    listen-on port %s { 127.0.0.1; };
    listen-on-v6 { none; };
    recursion no;
    dnssec-validation no;
`, work, port), 1)
		fixture.Write(t, filepath.Join(work, "named.conf"), "controls { };\n"+block)
		fixture.Daemon(t, named, "-g", "-n", "1", "-c", filepath.Join(work, "named.conf"))
	}},
	{"PowerDNS", func(t *testing.T, port, ourPort string) {
		pdns, pdnsutil, sqlite := fixture.Tool(t, "pdns_server", "pdns-server"), fixture.Tool(t, "pdnsutil", "pdns-server"), fixture.Tool(t, "sqlite3", "sqlite3")
		work := t.TempDir()
		database := filepath.Join(work, "pdns.sqlite3")
		if out, err := exec.Command(sqlite, database, ".read /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql").CombinedOutput(); err != nil || len(out) > 0 {
			t.Skipf("no database for PowerDNS; Debian has what it needs in pdns-backend-sqlite3: %v\n%s", err, out)
		}
		fixture.Write(t, filepath.Join(work, "pdns.conf"), fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
local-address=127.0.0.1
local-port=%s
socket-dir=%s
`, database, port, work)+strings.ReplaceAll(fixture.Blocks(t, dnsManual, "pdns.conf catalog")[0], "192.0.2.1", "127.0.0.1"))
		commands := strings.ReplaceAll(fixture.Blocks(t, dnsManual, "pdnsutil catalog")[0], "192.0.2.1", "127.0.0.1:"+ourPort)
		for command := range strings.Lines(commands) {
			args := append([]string{"--config-dir=" + work}, strings.Fields(command)[1:]...)
			if out, err := exec.Command(pdnsutil, args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
		}
		fixture.Daemon(t, pdns, "--config-dir="+work, "--daemon=no", "--guardian=no", "--disable-syslog", "--loglevel=6")
	}},
}

// Secondaries that are set up as docs/dns.md says learn from the catalog zone which zones
// there are: a domain that is added is answered for there, and one that is removed is
// not, and nobody has touched them.
func TestCatalogZone(t *testing.T) {
	for _, c := range consumers {
		t.Run(c.name, func(t *testing.T) {
			ourPort, port := fixture.FreePort(t, "127.0.0.1"), fixture.FreePort(t, "127.0.0.1")
			providers := fixture.Directory(t, "example.com.toml", fixture.Family)
			config := fixture.Blocks(t, dnsManual, "toml catalog")[0] + "domain_zones = [\"_tcp\"]\n"
			if c.name == "PowerDNS" {
				config += "[[dns.name_server]]\nname = \"ns1.example.net\"\n" + fixture.Blocks(t, dnsManual, "toml powerdns")[0]
			} else {
				config += fixture.Blocks(t, dnsManual, "toml secondaries")[0]
			}
			config = fixture.Write(t, filepath.Join(t.TempDir(), "milepost.toml"), strings.NewReplacer(
				"192.0.2.53\"", "127.0.0.1:"+port+`"`, "192.0.2.54\"", "127.0.0.1:"+port+`"`, "192.0.2.55\"", "127.0.0.1:"+port+`"`, "192.0.2.1", "127.0.0.1",
			).Replace(config))
			p := startProcess(t, "-dns", "127.0.0.1:"+ourPort, "-config", config, "-providers", providers)
			c.start(t, port, ourPort) // later, for BIND waits a minute for a primary that is not there
			secondary := "127.0.0.1:" + port
			answers := func(domain string) {
				t.Helper()
				fixture.AwaitAnswer(t, secondary, "_imaps._tcp."+domain+".", dns.TypeSRV, func(m *dns.Msg) bool {
					return len(m.Answer) == 1 && m.Answer[0].(*dns.SRV).Target == "mail.example.com."
				})
			}
			answers("example.com")
			setDomains := func(list string) {
				t.Helper()
				fixture.Write(t, filepath.Join(providers, "example.com.toml"), strings.Replace(fixture.Family, `["example.com"]`, list, 1))
				if err := p.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				p.waitFor(t, "msg=reloaded")
			}
			setDomains(`["example.com", "added.example"]`)
			answers("added.example")
			setDomains(`["added.example"]`)
			fixture.AwaitAnswer(t, secondary, "_imaps._tcp.example.com.", dns.TypeSRV, func(m *dns.Msg) bool {
				return m.Rcode == dns.RcodeRefused
			})
			answers("added.example")
		})
	}
}
