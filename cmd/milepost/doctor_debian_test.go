//go:build unix

package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/miekg/dns"
	"go.uber.org/zap"

	"milepost/internal/fixture"
)

// What is not milepost's in the network of these tests. The documentation has 192.0.2.1
// for milepost.
const (
	parentAddress = "192.0.2.53" // the name server of example.com
	mailAddress   = "192.0.2.25"
)

// parentZone is example.com with the lines of docs/dns.md in it.
func parentZone(t *testing.T, mail string) string {
	t.Helper()
	return "$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster 1 3600 600 1209600 300\n@ NS ns\nns A " + parentAddress + "\n@ MX 10 mail\nmail A " + mail + "\n" +
		"setup A 192.0.2.1\n" + fixture.Blocks(t, dnsManual, "zone")[0]
}

// startNames runs NSD with a zone example.com, and unbound at 127.0.0.1:53, which knows
// nothing but where that is.
func startNames(t *testing.T, nsd, unbound, zone string) {
	t.Helper()
	dir := fixture.Directory(t, "example.com.zone", zone)
	fixture.Write(t, filepath.Join(dir, "nsd.conf"), fixture.NSD(parentAddress, "53", dir)+"zone:\n    name: example.com\n    zonefile: example.com.zone\n")
	fixture.Write(t, filepath.Join(dir, "unbound.conf"), fmt.Sprintf(`server:
    interface: 127.0.0.1
    username: ""
    chroot: ""
    directory: %q
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    module-config: "iterator"
    local-zone: "thunderbird.net." always_nxdomain
remote-control:
    control-enable: no
stub-zone:
    name: example.com
    stub-addr: %s
`, dir, parentAddress))
	fixture.Daemon(t, nsd, "-d", "-c", filepath.Join(dir, "nsd.conf"))
	fixture.Daemon(t, unbound, "-d", "-c", filepath.Join(dir, "unbound.conf"))
	fixture.AwaitAnswer(t, parentAddress+":53", "mail.example.com.", dns.TypeA, func(m *dns.Msg) bool { return len(m.Answer) == 1 })
	fixture.AwaitAnswer(t, "127.0.0.1:53", "mail.example.com.", dns.TypeA, func(m *dns.Msg) bool { return m.Rcode != dns.RcodeServerFailure })
}

// mailCertificate has pebble issue one for the mail server, as its admin would.
func mailCertificate(t *testing.T, pebble *fixture.Pebble, dir string) (cert, key string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(fixture.ReadFile(t, pebble.Roots)))
	storage := &certmagic.FileStorage{Path: filepath.Join(dir, "storage")}
	var config *certmagic.Config
	cache := certmagic.NewCache(certmagic.CacheOptions{GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return config, nil }, Logger: zap.NewNop()})
	t.Cleanup(cache.Stop)
	config = certmagic.New(cache, certmagic.Config{Storage: storage, Logger: zap.NewNop(), OCSP: certmagic.OCSPConfig{DisableStapling: true}})
	issuer := certmagic.NewACMEIssuer(config, certmagic.ACMEIssuer{CA: pebble.Directory, TrustedRoots: roots, Email: "postmaster@example.com", Agreed: true, Logger: zap.NewNop(), ListenHost: mailAddress, DisableTLSALPNChallenge: true})
	issuer.TestCA = ""
	config.Issuers = []certmagic.Issuer{issuer}
	if err := config.ManageSync(t.Context(), []string{"mail.example.com"}); err != nil {
		t.Fatal(err)
	}
	got, err := config.CacheManagedCertificate(t.Context(), "mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	var chain strings.Builder
	for _, der := range got.Certificate.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(got.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return fixture.Write(t, filepath.Join(dir, "cert.pem"), chain.String()),
		fixture.Write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

// startMail runs Dovecot and Postfix as Debian has them, but for their certificate and for
// submission, which Debian leaves to the admin.
func startMail(t *testing.T, dovecot, postfix, cert, key string) {
	t.Helper()
	dir := fixture.Directory(t,
		"dovecot.conf", fmt.Sprintf(`!include /etc/dovecot/dovecot.conf
listen = %s
ssl = required
ssl_cert = <%s
ssl_key = <%s
log_path = /dev/stderr
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0666
  }
}
`, mailAddress, cert, key),
		"main.cf", fmt.Sprintf(`compatibility_level = 3.6
myhostname = mail.example.com
inet_protocols = ipv4
alias_maps =
smtpd_tls_chain_files = %s, %s
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
message_size_limit = 52428800
maillog_file = /dev/stdout
`, key, cert),
		"master.cf", fixture.ReadFile(t, "/usr/share/postfix/master.cf.dist")+fmt.Sprintf(`
%[1]s:submission inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
%[1]s:submissions inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
`, mailAddress))
	run := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	run("postconf", "-c", dir, "-F", "*/*/chroot = n")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/spool/postfix")
	run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/var/lib/postfix")
	run("chown", "postfix", "/var/lib/postfix")
	fixture.Daemon(t, postfix, "-c", dir, "start-fg")
	await(t, mailAddress+":465")
	fixture.Daemon(t, dovecot, "-F", "-c", filepath.Join(dir, "dovecot.conf"))
	await(t, mailAddress+":993")
	fixture.Await(t, "Dovecot has no socket for Postfix", func() bool {
		_, err := os.Stat("/var/spool/postfix/private/auth")
		return err == nil
	})
}

// await waits for a server.
func await(t *testing.T, address string) {
	t.Helper()
	fixture.Await(t, "nothing listens on "+address, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// examined is what 'milepost doctor -format json' prints.
type examined struct {
	Clients []struct {
		Name, Verdict string
		Because       []string
	}
	Findings []struct{ ID, Severity, Seen string }
	Grade    string
}

func examineAs(t *testing.T, args ...string) (code int, report examined, took time.Duration) {
	t.Helper()
	start := time.Now()
	code, stdout, stderr := milepost(t, append([]string{"doctor", "-format", "json"}, args...)...)
	took = time.Since(start)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%d: %v\n%s%s", code, err, stdout, stderr)
	}
	return code, report, took
}

// milepost set up by docs/quickstart.md and docs/dns.md, among Debian's servers: every
// program works.
func TestDoctorAmongServers(t *testing.T) {
	nsd, unbound := fixture.Tool(t, "nsd", "nsd"), fixture.Tool(t, "unbound", "unbound")
	dovecot, postfix := fixture.Tool(t, "dovecot", "dovecot-core"), fixture.Tool(t, "postfix", "postfix")
	for file, debian := range map[string]string{"imapd": "dovecot-imapd", "pop3d": "dovecot-pop3d"} {
		if matches, _ := filepath.Glob("/usr/share/dovecot/protocols.d/" + file + ".protocol"); matches == nil {
			t.Skipf("Dovecot has no %s here; Debian has it in %s", file, debian)
		}
	}
	if !fixture.Namespace(t) {
		return
	}
	startNames(t, nsd, unbound, parentZone(t, mailAddress))
	pebble := fixture.StartPebble(t, fixture.BuildPebble(t), fixture.PebbleOptions{HTTPPort: 80, TLSPort: 443, Resolver: "127.0.0.1:53"})

	configuration := strings.NewReplacer(
		`[service]`, "[service]\naddresses = [\"192.0.2.1\"]",
		`acme = true`, fmt.Sprintf("acme = true\ndirectory = %q\nca = %q\nstorage = \"certificates\"", pebble.Directory, pebble.Roots),
	).Replace(fixture.Blocks(t, quickstart, "toml configuration")[0]) + "[dns]\nlisten = \"192.0.2.1:53\"\n"
	dir := fixture.Directory(t,
		"milepost.toml", configuration,
		"providers/example.com.toml", fixture.Blocks(t, quickstart, "toml postfix")[0]+`
[[incoming]]
protocol = "pop3"
hostname = "mail.example.com"
[[outgoing]]
hostname = "mail.example.com"
socket_type = "STARTTLS"
`)
	startProcess(t, "-http", "192.0.2.1:80", "-config", filepath.Join(dir, "milepost.toml"))
	cert, key := mailCertificate(t, pebble, t.TempDir())
	startMail(t, dovecot, postfix, cert, key)

	ca := fixture.Write(t, filepath.Join(dir, "ca.pem"), pebble.IssuedPEM)
	for _, certificates := range []string{"are ordered", "are there"} {
		code, report, took := examineAs(t, "-resolver", "127.0.0.1", "-ca", ca, "fred@example.com")
		t.Logf("%.1f s, while certificates %s", took.Seconds(), certificates)
		if certificates == "are ordered" {
			continue // how long a CA takes is not the doctor's
		}
		if code != 0 || len(report.Clients) < 15 || took > 10*time.Second {
			t.Errorf("%d after %s", code, took)
		}
		for _, c := range report.Clients {
			if c.Verdict != "works" {
				t.Errorf("%s %s: %s", c.Name, c.Verdict, c.Because)
			}
		}
		for _, f := range report.Findings {
			t.Errorf("%s %s: %s", f.Severity, f.ID, f.Seen)
		}
	}
}

// Where nothing answers the diagnosis ends all the same.
func TestDoctorWithoutAnswers(t *testing.T) {
	nsd, unbound := fixture.Tool(t, "nsd", "nsd"), fixture.Tool(t, "unbound", "unbound")
	if !fixture.Namespace(t) {
		return
	}
	// Everything but DNS is where packets are lost; then DNS is too.
	zone := strings.ReplaceAll(parentZone(t, "203.0.113.25"), "192.0.2.1", "203.0.113.1") +
		"@ A 203.0.113.80\nautoconfig A 203.0.113.1\nautodiscover A 203.0.113.1\n_imaps._tcp SRV 0 1 993 mail\n_submissions._tcp SRV 0 1 465 mail\n_autodiscover._tcp SRV 0 0 443 setup\n"
	var own []string // the names are this zone's own
	for line := range strings.Lines(zone) {
		if f := strings.Fields(line); len(f) < 2 || f[1] != "NS" || f[0] == "@" {
			own = append(own, line)
		}
	}
	startNames(t, nsd, unbound, strings.Join(own, ""))
	for _, tc := range []struct{ name, resolver, finding string }{
		{"web and mail", "127.0.0.1", "web-unreachable"},
		{"DNS", "203.0.113.53", "dns-fails"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, report, took := examineAs(t, "-resolver", tc.resolver, "fred@example.com")
			t.Logf("%.1f s", took.Seconds())
			if code != exitNo || took > 20*time.Second || len(report.Findings) == 0 || report.Findings[0].ID != tc.finding {
				t.Errorf("%d after %s: %v", code, took, report.Findings)
			}
		})
	}
}
