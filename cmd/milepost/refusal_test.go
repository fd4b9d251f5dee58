package main

import (
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// What keeps a server from starting is told in a line each: where it stands, what is
// wrong with it, and what would be right. The exit code is 1. What can be known before
// anything is opened, check says too.
func TestRefusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	start := time.Now().Add(-time.Hour)
	cert, key := fixture.Certificate(t, "one", start, start.AddDate(0, 2, 0))
	other, otherKey := fixture.Certificate(t, "other", start, start.AddDate(0, 2, 0))
	encrypted := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")}))
	dir := fixture.Directory(t, "cert.pem", cert, "key.pem", key, "other.pem", other, "other.key", otherKey, "locked.key", encrypted,
		"empty", "", "directory/file", "", "providers/example.com.toml", fixture.Family)
	t.Chdir(dir)

	const (
		host      = "[service]\nhost = \"mail.example.net\"\n"
		noHost    = "service.host is not set, so the server itself gets no certificate; only autoconfig. and the like of one's own providers' domains do\n"
		https     = "[https]\nlisten = [\"127.0.0.1:0\"]\n[tls]\n"
		inUse     = ": the port is in use; another program (or another milepost) has it: 'ss -lntup' lists them\n"
		mistake   = "milepost: 1 mistake in the configuration; docs/configuration.md says what is allowed\n"
		inData    = "milepost: 1 mistake in the catalogue; docs/catalogue.md says what is allowed\n"
		beginCert = "has no certificate in PEM; -----BEGIN CERTIFICATE----- begins one\n"
	)
	for _, tc := range []struct {
		name, config string
		environ      string
		want         string
	}{
		{"no certificate", https + "cert = \"none.pem\"\nkey = \"key.pem\"\n", "", "milepost.toml:4: tls.cert: none.pem: no such file or directory\n" + mistake},
		{"no key", https + "cert = \"cert.pem\"\nkey = \"none.pem\"\n", "", "milepost.toml:5: tls.key: none.pem: no such file or directory\n" + mistake},
		{"neither", https + "cert = \"none.pem\"\nkey = \"none.key\"\n", "", "milepost.toml:4: tls.cert: none.pem: no such file or directory\nmilepost.toml:5: tls.key: none.key: no such file or directory\n" + strings.Replace(mistake, "1 mistake", "2 mistakes", 1)},
		{"a number as address", "[http]\nlisten = [80]\n", "", "milepost.toml:2: http.listen: element 1 is an integer; must be a string, as in [\":80\"]\n" + mistake},
		{"a directory as key", https + "cert = \"cert.pem\"\nkey = \"directory\"\n", "", "milepost.toml:5: tls.key: directory: is a directory; must be a file\n" + mistake},
		{"the key of another certificate", https + "cert = \"cert.pem\"\nkey = \"other.key\"\n", "", "milepost.toml:5: tls.key: other.key: does not go with the certificate in cert.pem: private key does not match public key\n" + mistake},
		{"certificate and key exchanged", https + "cert = \"key.pem\"\nkey = \"cert.pem\"\n", "", "milepost.toml:4: tls.cert: key.pem: " + beginCert + mistake},
		{"a certificate as key", https + "cert = \"cert.pem\"\nkey = \"cert.pem\"\n", "", "milepost.toml:5: tls.key: cert.pem: has no private key in PEM; -----BEGIN PRIVATE KEY----- begins one\n" + mistake},
		{"an empty certificate", https + "cert = \"empty\"\nkey = \"key.pem\"\n", "", "milepost.toml:4: tls.cert: empty: " + beginCert + mistake},
		{"an encrypted key", https + "cert = \"cert.pem\"\nkey = \"locked.key\"\n", "", "milepost.toml:5: tls.key: locked.key: is encrypted, and nobody is there to type a passphrase; 'openssl pkey -in locked.key' writes it without one\n" + mistake},
		{"the key of another certificate, to sign", "[signing]\ncert = \"other.pem\"\nkey = \"key.pem\"\n", "", "milepost.toml:3: signing.key: key.pem: does not go with the certificate in other.pem: private key does not match public key\n" + mistake},
		{"no roots in a file", https + "acme = true\nstorage = \"s\"\nca = \"empty\"\n" + host, "", "milepost.toml:6: tls.ca: empty: " + beginCert + mistake},
		{"no file of roots", https + "acme = true\nstorage = \"s\"\nca = \"none\"\n" + host, "", "milepost.toml:6: tls.ca: none: no such file or directory\n" + mistake},
		{"a file as storage", https + "acme = true\nstorage = \"empty\"\n" + host, "", "milepost: milepost.toml:5: tls.storage: empty: cannot keep anything there: not a directory; the directory must be writable for this process, with some room\n"},
		{"a storage where nothing can be made", https + "acme = true\nstorage = \"/proc/certificates\"\n" + host, "", "milepost: milepost.toml:5: tls.storage: /proc/certificates: cannot keep anything there: no such file or directory; the directory must be writable for this process, with some room\n"},
		{"no HTTPS directory", https + "acme = true\ndirectory = \"http://127.0.0.1/dir\"\n" + host, "", `milepost.toml:5: tls.directory: "http://127.0.0.1/dir" is not a URL that starts with https://` + "\n" + mistake},
		{"HTTPS without certificates", "[https]\nlisten = [\":0\"]\n", "", "milepost.toml:2: https.listen: HTTPS needs certificates; set acme = true, or cert and key, in [tls]\n" + mistake},
		{"the port of HTTPS in use", "[https]\nlisten = [\"" + port + "\"]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n", "", "milepost: milepost.toml:2: https.listen: " + port + inUse},
		{"the port of the admin listener in use", "[admin]\nlisten = \"" + port + "\"\n", "", "milepost: milepost.toml:2: admin.listen: " + port + inUse},
		{"the port of DNS in use", "[dns]\nlisten = \"" + port + "\"\n", "", "milepost: milepost.toml:2: dns.listen: " + port + inUse},
		{"another machine's address", "[admin]\nlisten = \"192.0.2.1:80\"\n", "", "milepost: milepost.toml:2: admin.listen: 192.0.2.1:80: this machine has no such address\n"},
		{"two ports in use", "[https]\nlisten = [\"" + port + "\"]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[admin]\nlisten = \"" + port + "\"\n", "",
			"milepost: milepost.toml:2: https.listen: " + port + inUse + "milepost: milepost.toml:7: admin.listen: " + port + inUse},
		{"an unknown key", "[http]\nlistn = []\n", "", "milepost.toml:2: http.listn: is unknown; did you mean listen?\n" + mistake},
		{"an unknown table", "[htp]\nlisten = []\n", "", "milepost.toml:1: htp: is unknown; did you mean http?\n" + mistake},
		{"a variable of the environment", "", "MILEPOST_LIMITS_RATE=many", "MILEPOST_LIMITS_RATE: is \"many\"; 0 to 1000000 are allowed\n" + mistake},
		{"a port from the environment", "", "MILEPOST_ADMIN_LISTEN=" + port, "milepost: MILEPOST_ADMIN_LISTEN: " + port + inUse},
		{"a variable that is misspelt, and a mistake", "[limits]\nrate = \"50\"\n", "MILEPOST_LIMITS_RATES=50", "warning: MILEPOST_LIMITS_RATES: is unknown; did you mean MILEPOST_LIMITS_RATE?\nmilepost.toml:2: limits.rate: is a string; must be an integer, as 50\n" + mistake},
		{"a warning and a mistake", https + "acme = true\nca = \"none\"\n", "", "warning: milepost.toml:4: tls.acme: " + noHost + "milepost.toml:5: tls.ca: none: no such file or directory\n" + mistake},
		{"no logo", "[service]\nlogo = \"none.svg\"\n", "", "milepost.toml:2: service.logo: none.svg: no such file or directory\n" + mistake},
		{"no providers", "[catalogue]\nproviders = [\"none\", \"providers\"]\n", "", "milepost.toml:2: catalogue.providers: none: no such file or directory\n" + inData},
		{"no serial", "[dns]\nlisten = \"127.0.0.1:0\"\nserial_file = \"directory\"\n", "", "milepost.toml:3: dns.serial_file: directory: is a directory; must be a file\n" + mistake},
		{"not TOML", "http listen\n", "", "milepost.toml:1: expected '=' after key\n" + mistake},
		{"everything at once", "[http]\nlisten = [\"here\"]\n[https]\nlisten = [\":0\"]\n[limits]\nrate = -1\n[log]\nlevel = \"loud\"\n[service]\ncolour = \"red\"\n[signing]\ncert = \"cert.pem\"\nkey = \"none\"\n[catalogue]\nproviders = [\"none\"]\n", "MILEPOST_LIMITS_BURST=0",
			"MILEPOST_LIMITS_BURST: is \"0\"; 1 to 1000000 are allowed\n" +
				"milepost.toml:2: http.listen: \"here\" has no port; HOST:PORT and :PORT are allowed\n" +
				"milepost.toml:4: https.listen: HTTPS needs certificates; set acme = true, or cert and key, in [tls]\n" +
				"milepost.toml:6: limits.rate: is -1; 0 to 1000000 are allowed\n" +
				"milepost.toml:8: log.level: \"loud\" is unknown; debug, info, warn and error are allowed\n" +
				"milepost.toml:10: service.colour: \"red\" is no colour; \"#1d5f8a\", say, is allowed: six hexadecimal digits\n" +
				"milepost.toml:13: signing.key: none: no such file or directory\n" +
				strings.Replace(mistake, "1 mistake", "7 mistakes", 1) +
				"milepost.toml:15: catalogue.providers: none: no such file or directory\n" + inData},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fixture.Write(t, filepath.Join(dir, "milepost.toml"), tc.config)
			commands := [][]string{{"serve", "-http", "127.0.0.1:0", "-config", "milepost.toml"}}
			if strings.Contains(tc.config, "[http]") {
				commands = [][]string{{"serve", "-config", "milepost.toml"}}
			}
			if strings.HasSuffix(tc.want, "says what is allowed\n") { // before anything is opened
				commands = append(commands, []string{"check", "-config", "milepost.toml"})
			}
			for _, args := range commands {
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = append(os.Environ(), runMain+"=1", config.FileVariable+"=", tc.environ)
				out, err := cmd.CombinedOutput()
				if cmd.ProcessState.ExitCode() != exitNo || string(out) != tc.want {
					t.Errorf("%s: %v\n%s\nwant\n%s", args[0], err, out, tc.want)
				}
			}
		})
	}
}
