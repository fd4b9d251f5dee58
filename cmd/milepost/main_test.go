package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/snapshot"
)

func milepost(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	dir := fixture.Directory(t, "example.com.toml", fixture.Family)
	bad := fixture.Directory(t, "a.toml", fixture.Family, "b.toml", fixture.Family+"x = 1\n")
	many := fixture.Directory(t, "many.toml", strings.NewReplacer(`"example.com"`, `"a.example", "b.example"`, "mail.example.com", "mail.%EMAILDOMAIN%").Replace(fixture.Family))
	wild := fixture.Directory(t, "wild.toml", strings.Replace(fixture.Family, `"example.com"`, `"*.example.com"`, 1))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()

	for _, tc := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // what must be in them; stdout "" must be empty
	}{
		{"nothing", nil, 2, "", "SYNOPSIS"},
		{"help", []string{"help"}, 0, "EXIT STATUS", ""},
		{"--help", []string{"--help"}, 0, "EXIT STATUS", ""},
		{"help of a command", []string{"help", "dns"}, 0, "SYNOPSIS\n    milepost dns ", ""},
		{"help of help", []string{"help", "help"}, 0, "SYNOPSIS\n    milepost help [COMMAND]\n", ""},
		{"help of no command", []string{"help", "start"}, 2, "", `milepost: "start" is no command; serve`},
		{"help of two commands", []string{"help", "show", "dns"}, 2, "", `milepost: help: "dns" is one word too many`},
		{"unknown command", []string{"start"}, 2, "", `milepost: "start" is no command; serve, show, dns, check, import, export, config, doctor, discover, version and help are`},
		{"unknown flag", []string{"show", "-x"}, 2, "", "milepost: show: flag provided but not defined: -x"},
		{"unknown flag: where they stand", []string{"show", "-x"}, 2, "", "milepost: 'milepost help show' lists the options\n"},
		{"version", []string{"version"}, 0, "milepost ", ""},
		{"--version", []string{"--version"}, 0, "milepost ", ""},
		{"version with a word", []string{"version", "1"}, 2, "", `milepost: version: "1" is one word too many`},

		{"show an address", []string{"show", "fred@gmail.com"}, 0, "<hostname>imap.gmail.com</hostname>", ""},
		{"show a domain", []string{"show", "gmail.com"}, 0, "<domain>gmail.com</domain>", ""},
		{"show text", []string{"show", "-format", "text", "fred@laposte.net"}, 0, "imap      imap.laposte.net  993   SSL          password-cleartext  fred\n", ""},
		{"show with own directory", []string{"show", "-providers", dir, "fred@example.com"}, 0, "<hostname>mail.example.com</hostname>", ""},
		{"show without the shipped ones", []string{"show", "-no-builtin", "-providers", dir, "gmail.com"}, 1, "", "milepost: no provider is known for the domain gmail.com"},
		{"show all servers", []string{"show", "-all-servers", "orange.fr"}, 0, "<hostname>smtp-msa.orange.fr</hostname>", ""},
		{"show autodiscover", []string{"show", "-format", "autodiscover", "fred@gmail.com"}, 0, "<LoginName>fred@gmail.com</LoginName>", ""},
		{"show autodiscover for a domain", []string{"show", "-format", "autodiscover", "gmail.com"}, 0, "<Server>imap.gmail.com</Server>", ""},
		{"show mobilesync", []string{"show", "-format", "mobilesync", "fred@outlook.com"}, 0, "<Url>https://outlook.office365.com/Microsoft-Server-ActiveSync</Url>", ""},
		{"show mobilesync without ActiveSync", []string{"show", "-format", "mobilesync", "fred@free.fr"}, 1, "", "milepost: autodiscover error 601: the provider has no ActiveSync"},
		{"show autodiscover-json", []string{"show", "-format", "autodiscover-json", "gmail.com"}, 0, `{"Protocol":"AutodiscoverV1","Url":"https://autodiscover.gmail.com/autodiscover/autodiscover.xml"}`, ""},
		{"show pacc", []string{"show", "-format", "pacc", "fred@gmail.com"}, 0, `{"protocols":{"imap":{"host":"imap.gmail.com"}`, ""},
		{"show pacc without a document", []string{"show", "-format", "pacc", "fred@icloud.com"}, 1, "", "has no TLS from the first byte on port 587, and the format knows nothing else"},
		{"show with a public address", []string{"show", "-format", "autodiscover-json", "-public-url", "https://mail.example.net/", "gmail.com"}, 0, `"Url":"https://mail.example.net/autodiscover/autodiscover.xml"`, ""},
		{"show with a bad public address", []string{"show", "-public-url", "http://x.example/y", "gmail.com"}, 2, "", `is not a URL that starts with https://`},
		{"show all servers for all domains", []string{"show", "-all-servers", "-providers", many, "a.example"}, 0, "<hostname>mail.%EMAILDOMAIN%</hostname>", ""},
		{"show one domain", []string{"show", "-providers", many, "a.example"}, 0, "<hostname>mail.a.example</hostname>", ""},
		{"show an unknown domain", []string{"show", "fred@unknown.test"}, 1, "", "milepost: no provider is known for the domain unknown.test"},
		{"show nothing", []string{"show"}, 2, "", "milepost: show: one address or domain is needed"},
		{"show no address", []string{"show", "fred@"}, 2, "", "milepost: show: domain is empty"},
		{"show unknown format", []string{"show", "-format", "yaml", "gmail.com"}, 2, "", `milepost: show: -format "yaml" is unknown; autoconfig, autodiscover, mobilesync, autodiscover-json, mobileconfig, pacc, mta-sts, json, text are allowed`},
		{"show a key without its certificate", []string{"show", "-sign-key", "key.pem", "gmail.com"}, 1, "", "-sign-key: has no certificate; -sign-cert is missing\n"},
		{"show with an option behind", []string{"show", "fred@gmail.com", "-format=text"}, 2, "", "milepost: show: the option -format stands too late; options come first"},
		{"check with an option behind", []string{"check", dir, "-config", "milepost.toml"}, 2, "", "milepost: check: the option -config stands too late; options come first"},
		{"show all servers as JSON", []string{"show", "-format", "json", "-all-servers", "gmail.com"}, 2, "", "-all-servers goes with -format autoconfig"},

		{"dns", []string{"dns", "gmail.com"}, 0, "$ORIGIN gmail.com.\n$TTL 3600\n", "milepost: dns: the names autoconfig, autodiscover and _autodiscover._tcp are left out; -service-host NAME or -service-address IP says where they lead\n"},
		{"dns of two domains", []string{"dns", "-service-host", "mp.example.net", "-providers", many, "a.example", "b.example", "A.example."}, 0, "\n_imaps._tcp         3600  IN  SRV    0 1 993 mail.a.example.\n", ""},
		{"dns of all domains", []string{"dns", "-service-host", "mp.example.net", "-format", "nsupdate", "-no-builtin", "-providers", many, "-all"}, 0, "send\n; b.example\n", ""},
		{"dns with a service host", []string{"dns", "-service-host", "mp.example.net", "gmail.com"}, 0, " IN  CNAME  mp.example.net.\n", ""},
		{"dns with addresses", []string{"dns", "-service-address", "192.0.2.1", "-service-address", "2001:db8::1", "-service-address", "::ffff:192.0.2.1", "gmail.com"}, 0, "autoconfig          3600  IN  A      192.0.2.1\nautoconfig          3600  IN  AAAA   2001:db8::1\nautodiscover  ", ""},
		{"dns with the configuration's host", []string{"dns", "-set", "service.host=mp.example.net", "gmail.com"}, 0, " IN  CNAME  mp.example.net.\n", ""},
		{"dns with the configuration's addresses", []string{"dns", "-set", "service.addresses=192.0.2.1", "gmail.com"}, 0, "autoconfig          3600  IN  A      192.0.2.1\n", ""},
		{"dns with a digest", []string{"dns", "-service-host", "mp.example.net", "gmail.com"}, 0, "_ua-auto-config     3600  IN  TXT    \"v=UAAC1; a=sha256; d=", ""},
		{"dns with a digest that would replace another", []string{"dns", "-service-host", "mp.example.net", "-format", "nsupdate", "gmail.com"}, 0, "; Of _ua-auto-config, an older record has to stay beside the new one for a while; docs/dns.md says how.\n", ""},
		{"dns with name servers", []string{"dns", "-service-host", "mp.example.net", "-name-server", "ns1.example.net", "-name-server", "ns2.example.net.", "gmail.com"}, 0, " IN  NS     ns1.example.net.\n@                   3600  IN  NS     ns2.example.net.\n", ""},
		{"dns with a TTL", []string{"dns", "-service-host", "mp.example.net", "-ttl", "60", "gmail.com"}, 0, "\n$TTL 60\n@                   60  IN  SOA ", ""},
		{"dns of what is not offered", []string{"dns", "-not-offered", "all", "-service-host", "mp.example.net", "-providers", dir, "example.com"}, 0, "_carddavs._tcp      3600  IN  SRV    0 0 0 .\n", ""},
		{"dns not offered, unknown", []string{"dns", "-not-offered", "dav", "gmail.com"}, 2, "", `invalid value "dav" for flag -not-offered: "dav" is unknown; mail and all are allowed`},
		{"dns json", []string{"dns", "-service-host", "mp.example.net", "-format", "json", "gmail.com"}, 0, `"target": "imap.gmail.com."`, ""},
		{"dns terraform", []string{"dns", "-service-host", "mp.example.net", "-format", "terraform", "gmail.com"}, 0, `"milepost__imaps__tcp_gmail_com"`, ""},
		{"dns octodns", []string{"dns", "-service-host", "mp.example.net", "-format", "octodns", "gmail.com"}, 0, "# config/gmail.com.yaml\n", ""},
		{"dns of unknown domains", []string{"dns", "unknown.test", "gmail.com", "other.test"}, 1, "", "milepost: no provider is known for the domain unknown.test\nmilepost: no provider is known for the domain other.test\nmilepost: to add it, write a file"},
		{"dns of nothing", []string{"dns"}, 2, "", "milepost: dns: either -all or domains, behind the options, are needed"},
		{"dns of all and one", []string{"dns", "-all", "gmail.com"}, 2, "", "either -all or domains"},
		{"dns of all, which is none", []string{"dns", "-all", "-no-builtin", "-providers", wild}, 1, "", "the catalogue names no domain"},
		{"dns of an address", []string{"dns", "fred@gmail.com"}, 2, "", `milepost: dns: "…@gmail.com" is an address; a domain is the part behind the @`},
		{"dns with mistakes", []string{"dns", "-providers", bad, "gmail.com"}, 1, "", "milepost: 2 mistakes in the catalogue"},
		{"dns unknown format", []string{"dns", "-format", "xml", "gmail.com"}, 2, "", `invalid value "xml" for flag -format: is unknown; zone, json, nsupdate, terraform, octodns are allowed`},
		{"dns bad service host", []string{"dns", "-service-host", "192.0.2.1", "gmail.com"}, 2, "", `for flag -service-host: "192.0.2.1" is no host name: `},
		{"dns service host that would be its own alias", []string{"dns", "-service-host", "autodiscover.gmail.com", "gmail.com"}, 0, "CNAME  autodiscover.gmail.com.\n", ""},
		{"dns bad service address", []string{"dns", "-service-address", "fe80::1%eth0", "gmail.com"}, 2, "", `for flag -service-address: "fe80::1%eth0" is no IP address; "192.0.2.1" and "2001:db8::1", say, are allowed`},
		{"dns bad name server", []string{"dns", "-name-server", "ns_1.example.net", "gmail.com"}, 2, "", `for flag -name-server: "ns_1.example.net" is no host name: domain label "ns_1" has the character '_'`},
		{"dns name server in the zone", []string{"dns", "-name-server", "ns.gmail.com", "gmail.com"}, 1, "", "milepost: dns: the name server ns.gmail.com lies in the zone gmail.com and has no address there"},
		{"dns TTL of nothing", []string{"dns", "-ttl", "0", "gmail.com"}, 2, "", "for flag -ttl: is no number of seconds; 1 to 2147483647 are allowed"},
		{"dns TTL too long", []string{"dns", "-ttl", "2147483648", "gmail.com"}, 2, "", "1 to 2147483647 are allowed"},

		{"check", []string{"check"}, 0, "no mistakes", ""},
		{"check a directory", []string{"check", dir}, 0, "milepost: 1 provider, 1 domain, no mistakes", ""},
		{"check a file", []string{"check", filepath.Join(dir, "example.com.toml")}, 0, "1 provider", ""},
		{"check mistakes", []string{"check", bad}, 1, "", bad + "/b.toml:8: outgoing[1].x: is unknown; "},
		{"check two files", []string{"check", bad + "/a.toml", bad + "/b.toml"}, 1, "", "b.toml:2: domains: example.com is claimed at " + bad + "/a.toml:2 already"},
		{"check nothing there", []string{"check", filepath.Join(dir, "absent")}, 1, "", "absent: no such file or directory"},

		{"serve: a word too many", []string{"serve", dir}, 2, "", "milepost.toml is given with -config, directories of provider files with -providers"},
		{"serve: no catalogue", []string{"serve", "-no-builtin"}, 1, "", "-no-builtin: there are no providers: without the shipped ones, a directory in catalogue.providers (or -providers) is needed\n"},
		{"serve: mistakes", []string{"serve", "-providers", bad}, 1, "", "milepost: 2 mistakes in the catalogue"},
		{"serve: port in use", []string{"serve", "-http", port}, 1, "", "milepost: -http: " + port + ": the port is in use"},
		{"serve: DNS port in use", []string{"serve", "-http", "127.0.0.1:0", "-dns", port}, 1, "", "milepost: -dns: " + port + ": the port is in use"},
		{"serve: no DNS port", []string{"serve", "-http", "127.0.0.1:0", "-dns", "127.0.0.1"}, 2, "", `flag -dns: "127.0.0.1" has no port; HOST:PORT and :PORT are allowed`},
		{"serve: no time to drain", []string{"serve", "-drain", "5"}, 2, "", `invalid value "5" for flag -drain: "5" is no time; "5s" and "1m30s", say, are allowed`},
		{"serve: a time to drain below zero", []string{"serve", "-drain", "-1s"}, 2, "", `flag -drain: is "-1s"; "0s" to "1h" are allowed`},
		{"serve: a certificate without its key", []string{"serve", "-sign-cert", "cert.pem"}, 1, "", "-sign-cert: has no key; -sign-key is missing\n"},
		{"serve: no configuration", []string{"serve", "-config", "absent.toml"}, 1, "", "absent.toml: no such file or directory\nmilepost: 1 mistake in the configuration"},
		{"serve: a directory as configuration", []string{"serve", "-config", dir}, 1, "", dir + ": is a directory; must be a file\nmilepost: 1 mistake in the configuration"},
		{"serve: no address", []string{"serve", "-http", "here"}, 2, "", `flag -http: "here" has no port`},
		{"serve: a port alone", []string{"serve", "-http", "80"}, 2, "", `flag -http: "80" is a port alone; ":80" and "127.0.0.1:80", say, are allowed`},
		{"serve: no port", []string{"serve", "-http", ":99999"}, 2, "", `flag -http: "99999" is no port; 0 to 65535 are allowed`},
		{"serve: a Unix socket", []string{"serve", "-http", "unix:/run/milepost"}, 2, "", "flag -http: names a Unix socket, which is not served"},
		{"serve: IPv6 without brackets", []string{"serve", "-http", "::1:8080"}, 2, "", `an IPv6 address stands in brackets: "[::1]:8080"`},
		{"serve: an unknown host", []string{"serve", "-http", "127.0.0.1:0", "-dns", "256.1.1.1:53"}, 1, "", `-dns: 256.1.1.1:53: the host "256.1.1.1" is unknown`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := milepost(t, tc.args...)
			if code != tc.code || !strings.Contains(stdout, tc.stdout) || tc.stdout == "" && stdout != "" || !strings.Contains(stderr, tc.stderr) || tc.stderr == "" && stderr != "" {
				t.Errorf("exit code %d\nstdout: %.600s\nstderr: %.600s", code, stdout, stderr)
			}
		})
	}
}

// What the system says of a port comes with what an admin can do about it.
func TestListenError(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"no permission", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}, "no permission for that port; 'setcap cap_net_bind_service=+ep /"},
		{"port in use", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}, "the port is in use; another program (or another milepost) has it: 'ss -lntup' lists them"},
		{"no such address", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}, "this machine has no such address"},
	} {
		if got := config.ListenAddress(":53").Explain(tc.err); !strings.HasPrefix(got.Error(), tc.want) {
			t.Errorf("%s: %s", tc.name, got)
		}
	}
}

// The JSON form has every server with its six fields, as stored.
func TestShowJSON(t *testing.T) {
	code, stdout, stderr := milepost(t, "show", "-format", "json", "fred@orange.fr")
	if code != 0 {
		t.Fatal(stderr)
	}
	var p struct {
		ID                 string
		Incoming, Outgoing []struct {
			Protocol, Hostname string
			Port               int
			SocketType         string `json:"socket_type"`
			Authentication     []string
			Username           string
		}
	}
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		t.Fatal(err)
	}
	if p.ID != "orange.fr" || len(p.Incoming) != 4 || len(p.Outgoing) != 3 {
		t.Errorf("%s", stdout)
	}
	for _, s := range append(p.Incoming, p.Outgoing...) {
		if s.Protocol == "" || s.Hostname == "" || s.Port == 0 || s.SocketType == "" || len(s.Authentication) == 0 || s.Username != "%EMAILADDRESS%" {
			t.Errorf("%+v", s)
		}
	}
}

// An admin reads at which addresses the server says that it is, and what to do if it
// is not.
func TestAnnounceDNS(t *testing.T) {
	dir := fixture.Directory(t, "example.com.toml", fixture.Family)
	s, err := snapshot.Build(t.Context(), snapshot.Options{Inputs: config.Inputs{Options: []config.Option{
		{Flag: "providers", Setting: "catalogue.providers", Value: dir}, {Flag: "dns", Setting: "dns.listen", Value: "127.0.0.1:0"}}}, Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Guessed = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	var out, errs bytes.Buffer
	announceDNS(&out, &errs, &net.TCPAddr{IP: net.IPv4zero, Port: 5353}, s)
	const want = "milepost: dns listening on 0.0.0.0:5353\n" +
		"milepost: dns says that this server is at 192.0.2.1 and 2001:db8::1; if it is elsewhere, set addresses in [service] of milepost.toml\n" +
		"try dig @127.0.0.1 -p 5353 _submissions._tcp.example.com SRV\n"
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("%s%s", &out, &errs)
	}
}
