//go:build linux

package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

var chaos = flag.Duration("chaos", 20*time.Second, "how long TestReplicas lasts")

// replicas are milepost processes that share a database, behind HAProxy, as docs/scale.md
// has them.
type replicas struct {
	all         []*replica
	http, https string // addresses of HAProxy
	postgres    *fixture.DatabaseServer
	dsn         string // with the password
	ldap        *fixture.LDAPServer
	pebble      *fixture.Pebble
	config      string // the file of all of them
}

// replica is one that is killed, and started again with the same addresses and the same
// disk.
type replica struct {
	*process
	dir                    string // its own disk
	http, https, dns, port string // addresses; port: of the admin listener
}

const (
	loopback       = "127.0.0.1"
	steadyDomains  = 10 // d0.example and so on, which are there all the time
	knownAddress   = "fred@d0.example"
	knownLogin     = "fred7"
	hostOfReplicas = "setup.example.net"
)

func freeAddress(t *testing.T) string {
	return net.JoinHostPort(loopback, fixture.FreePort(t, loopback))
}

func portOf(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

// newReplicas starts everything but the processes.
func newReplicas(t *testing.T, n int) *replicas {
	t.Helper()
	haproxy := fixture.Tool(t, "haproxy", "haproxy")
	r := &replicas{postgres: fixture.StartPostgres(t), http: freeAddress(t), https: freeAddress(t)}
	r.dsn = r.postgres.Database(t)
	r.ldap = fixture.Slapd(t, fixture.SlapdOptions{LDIF: fmt.Sprintf("dn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: Fred\nsn: Fred\nmail: %[3]s\n", knownLogin, fixture.SlapdSuffix, knownAddress)})
	options := fixture.PebbleOptions{}
	options.HTTPPort, _ = strconv.Atoi(portOf(r.http))
	options.TLSPort, _ = strconv.Atoi(portOf(r.https))
	r.pebble = fixture.StartPebble(t, fixture.BuildPebble(t), options)
	r.sql(t, "CREATE TABLE domains (name text PRIMARY KEY, changed timestamptz NOT NULL DEFAULT now())")
	for i := range steadyDomains {
		r.addDomain(t, fmt.Sprintf("d%d.example", i))
	}
	r.write(t)
	dir := filepath.Dir(r.config)
	for i := range n {
		r.all = append(r.all, &replica{dir: filepath.Join(dir, fmt.Sprint("disk-", i)), http: freeAddress(t), https: freeAddress(t), dns: freeAddress(t), port: freeAddress(t)})
	}
	fixture.Daemon(t, haproxy, "-db", "-f", fixture.Write(t, filepath.Join(dir, "haproxy.cfg"), r.haproxy(t)))
	return r
}

// sql runs a statement. Nothing in it is anybody's but the test's.
func (r *replicas) sql(t *testing.T, statement string) {
	t.Helper()
	psql := fixture.Tool(t, "psql", "postgresql-client")
	if out, err := exec.Command(psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, r.dsn).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", statement, err, out)
	}
}

func (r *replicas) addDomain(t *testing.T, name string) {
	t.Helper()
	r.sql(t, "INSERT INTO domains (name) VALUES ('"+name+"')")
}

// write writes the configuration that all replicas have.
func (r *replicas) write(t *testing.T) {
	t.Helper()
	ldap := &url.URL{Scheme: "ldap", User: url.UserPassword(fixture.SlapdReader, fixture.SlapdPassword), Host: r.ldap.Addr}
	provider := strings.Replace(fixture.Family, "domains = [\"example.com\"]\n", "", 1)
	provider = strings.ReplaceAll(provider, "hostname = ", "username = \"%LOGIN%\"\nhostname = ")
	dir := fixture.Directory(t, "hosted.toml", provider, "milepost.toml", fmt.Sprintf(`[tls]
acme = true
directory = %q
ca = %q
storage = %q
[service]
host = %q
addresses = [%q]
[catalogue]
providers = ["hosted.toml"]
builtin = false
[[source]]
name = "domains"
kind = "postgres"
dsn = %[3]q
domains = "SELECT name AS domain, extract(epoch FROM changed)::bigint AS changed FROM domains"
provider = "hosted"
every = "200ms"
[[directory]]
kind = "ldap"
dsn = %[6]q
base = %[7]q
filter = "(mail=%%EMAILADDRESS%%)"
login_attribute = "uid"
domains_of = "hosted"
[dns]
rate_limit = 0
ttl = 1
serial_storage = %[3]q
cookie_secret = ["e5e973e5a6b2a43f48e7dc849e37bfcf"]
[[dns.secondary]]
address = "127.0.0.1"
[proxy]
trusted = ["%[8]s/32"]
protocol = true
[limits]
rate = 0
connections_per_client = 100000
[log]
level = "warn"
`, r.pebble.Directory, r.pebble.Roots, r.dsn, hostOfReplicas, loopback, ldap.String(), fixture.SlapdSuffix, proxyAddress))
	r.config = filepath.Join(dir, "milepost.toml")
}

// haproxy is the block of docs/scale.md with the addresses of this machine. HAProxy
// comes from the one that is trusted.
func (r *replicas) haproxy(t *testing.T) string {
	t.Helper()
	block := fixture.Blocks(t, "../../docs/scale.md", "haproxy scale")[0]
	replace := func(old, by string) {
		if !strings.Contains(block, old) {
			t.Fatalf("the block has no %q", old)
		}
		block = strings.ReplaceAll(block, old, by)
	}
	replace("check port 9180", "source "+proxyAddress+" check")
	replace("bind :::80 v4v6", "bind "+r.http)
	replace("bind :::443 v4v6", "bind "+r.https)
	for i, one := range r.all {
		replace(fmt.Sprintf("192.0.2.%d:80", 11+i), one.http+" port "+portOf(one.port))
		replace(fmt.Sprintf("192.0.2.%d:443", 11+i), one.https+" port "+portOf(one.port))
	}
	return block
}

// start starts a replica.
func (r *replicas) start(t *testing.T, one *replica) {
	t.Helper()
	if err := os.MkdirAll(one.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(one.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	one.process = startLogging(t, log, "-http", one.http, "-https", one.https, "-dns", one.dns, "-admin", one.port,
		"-config", r.config, "-set", "catalogue.state="+filepath.Join(one.dir, "sources"), "-set", "tls.copy="+filepath.Join(one.dir, "copy"))
}

// await waits until requests may be sent to all.
func (r *replicas) await(t *testing.T) {
	t.Helper()
	fixture.Await(t, "a replica is not ready", func() bool {
		return !slices.ContainsFunc(r.all, func(one *replica) bool { return !one.ready() })
	})
}

func (one *replica) ready() bool {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + one.port + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Three replicas answer whatever happens: one of them is killed again and again, the
// database is away for a third of the time, the directory of login names for another. No
// request fails; afterwards all replicas say the same, octet for octet.
func TestReplicas(t *testing.T) {
	r := newReplicas(t, 3)
	t.Cleanup(func() {
		for i, one := range r.all {
			if log, _ := os.ReadFile(filepath.Join(one.dir, "log")); t.Failed() {
				t.Logf("replica %d said at last:\n%s", i, log[max(0, len(log)-3000):])
			}
		}
	})
	for _, one := range r.all {
		r.start(t, one)
	}
	r.await(t)
	fixture.Await(t, "HAProxy has no replica", func() bool {
		_, _, err := r.get("http", "d0.example", "/v1.1/d0.example")
		return err == nil
	})
	names := []string{hostOfReplicas, "autoconfig.d0.example", "autoconfig.d1.example"}
	for _, name := range names { // certificates that clients will ask for
		fixture.Await(t, "no certificate for "+name, func() bool {
			_, _, err := r.get("https", name, "/v1.1/d0.example")
			return err == nil
		})
	}
	orders := r.pebble.Orders()

	traffic := r.ask(t, names)
	random := rand.New(rand.NewPCG(1, 2))
	domains := make([]string, 0, 100)
	for i := range steadyDomains {
		domains = append(domains, fmt.Sprintf("d%d.example", i))
	}
	third := *chaos / 3
	begin, postgresRuns, ldapRuns := time.Now(), true, true
	kills := 0
	for time.Since(begin) < *chaos && !t.Failed() {
		switch past := time.Since(begin); {
		case postgresRuns && past > third && past < 2*third:
			r.postgres.Stop(t)
			postgresRuns = false
		case !postgresRuns && past >= 2*third:
			r.postgres.Start(t)
			postgresRuns = true
		case ldapRuns && past > third/2 && past < 3*third/2:
			r.ldap.Stop()
			ldapRuns = false
		case !ldapRuns && past >= 3*third/2:
			r.ldap.Start()
			ldapRuns = true
		}
		one := r.all[random.IntN(len(r.all))]
		one.kill()
		kills++
		if postgresRuns { // while one does not see it
			domain := fmt.Sprintf("new-%d.example", kills)
			r.addDomain(t, domain)
			domains = append(domains, domain)
		}
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		r.start(t, one)
		r.await(t)
		time.Sleep(3 * time.Second) // HAProxy has to see that it is there before the next one goes
	}
	if !postgresRuns {
		r.postgres.Start(t)
	}
	if !ldapRuns {
		r.ldap.Start()
	}
	t.Logf("%d kills; %s", kills, traffic.end())
	r.wantSame(t, domains, names)
	if more := r.pebble.Orders() - orders; more > 0 {
		t.Errorf("%d certificates were ordered again", more)
	}
}
