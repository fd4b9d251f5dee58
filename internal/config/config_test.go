package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// Each page of testdata/bad is a milepost.toml, the files it names, and what is
// wrong with them. Messages name no path of this machine, for the test goes to a
// directory of its own.
func TestBad(t *testing.T) {
	fixture.Pages(t, "testdata/bad/*.txtar", func(t *testing.T, p *fixture.Page) {
		t.Chdir(fixture.Directory(t, p.List()...))
		_, err := config.Load(config.Inputs{File: "milepost.toml"})
		if err == nil {
			t.Fatal("accepted")
		}
		p.Expect(t, "errors", err.Error()+"\n")
	})
}

// Few records may be too large, too, if one line makes them.
func TestGeneratedSize(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 60)+".", 4) + "example" // three times in each record
	t.Chdir(fixture.Directory(t,
		"milepost.toml", "[[dns.zone]]\nname = \""+long+"\"\nrecords = \"large.zone\"\n",
		"large.zone", "$GENERATE 1-48000 a$ RP m t\n$GENERATE 1-48000 b$ RP m t\n"))
	_, err := config.Load(config.Inputs{File: "milepost.toml"})
	const want = "large.zone:2: is where the file exceeds 100000 records or 64 MiB of them; so much is allowed ($GENERATE makes a record of each number)"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	t.Chdir(fixture.Directory(t, "ok.toml", `[service]
host = "Mail.Bücher.example."
addresses = ["192.0.2.1", "2001:db8::1"]
name = "Example Mail"
logo = "logo.svg"
colour = "#a00000"
support_url = "mailto:help@example.net"
[dns]
domain_zones = ["_imaps._tcp", "AutoConfig"]
not_offered = "all"
hostmaster = "host.master@example.net"
ttl = 60
negative_ttl = 30
rate_limit = 0
[[dns.secondary]]
address = "192.0.2.53"
key = "Transfer.example.net"
[[dns.secondary]]
address = "[2001:db8::53]:5353"
[[dns.key]]
name = "transfer.example.net"
algorithm = "hmac-sha512"
secret = "c2VjcmV0LW9mLXR3ZW50eS1mb3VyLW9jdA=="
[[dns.name_server]]
name = "ns1.example.net"
addresses = ["192.0.2.1"]
[[dns.zone]]
name = "_tcp.Example.com"
records = "tcp.zone"
`, "logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n", "tcp.zone", `$TTL 1h
_sip SRV 0 0 5060 sip.example.com.
 TXT "the same name"
; a comment

a TXT ( "one" ; another

  "two" )
$GENERATE 1-2 b$ A 192.0.2.$
last A 192.0.2.3
`, "empty.toml", ""))
	got, err := config.Load(config.Inputs{File: "ok.toml"})
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	for i := range got.DNS.Zones {
		for _, r := range got.DNS.Zones[i].Records {
			records = append(records, fmt.Sprintf("%d: %s", r.Line, strings.ReplaceAll(r.String(), "\t", " ")))
		}
		got.DNS.Zones[i].Records = nil
	}
	if diff := cmp.Diff([]string{
		"2: _sip._tcp.example.com. 3600 IN SRV 0 0 5060 sip.example.com.", `3: _sip._tcp.example.com. 3600 IN TXT "the same name"`,
		`8: a._tcp.example.com. 3600 IN TXT "one" "two"`, `9: b1._tcp.example.com. 3600 IN A 192.0.2.1`, `9: b2._tcp.example.com. 3600 IN A 192.0.2.2`,
		`10: last._tcp.example.com. 3600 IN A 192.0.2.3`,
	}, records); diff != "" {
		t.Error(diff)
	}
	want := config.Default()
	want.File = "ok.toml"
	want.Service = config.Service{
		Host: "mail.xn--bcher-kva.example", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		Name: "Example Mail", Colour: "#a00000", SupportURL: "mailto:help@example.net", LogoFile: "logo.svg", Logo: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n"),
	}
	want.DNS = config.DNS{
		DomainZones: []string{"_imaps._tcp", "autoconfig"}, AllNotOffered: true, Mailbox: `host\.master.example.net.`, TTL: 60, NegativeTTL: 30,
		NameServers: []config.NameServer{{Line: 25, Name: "ns1.example.net.", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}},
		Zones:       []config.Zone{{Line: 28, Name: "_tcp.example.com.", File: "tcp.zone"}},
		Secondaries: []config.Secondary{
			{Address: netip.MustParseAddrPort("192.0.2.53:53"), Key: "transfer.example.net."},
			{Address: netip.MustParseAddrPort("[2001:db8::53]:5353")}},
		Keys: []config.Key{{Name: "transfer.example.net.", Algorithm: "hmac-sha512.", Secret: "c2VjcmV0LW9mLXR3ZW50eS1mb3VyLW9jdA=="}},
	}
	same := cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}), cmpopts.IgnoreUnexported(config.Config{})}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	empty, err := config.Load(config.Inputs{File: "empty.toml"})
	if err != nil {
		t.Fatal(err)
	}
	empty.File = ""
	if diff := cmp.Diff(config.Default(), empty, same); diff != "" {
		t.Errorf("an empty file is not the default: %s", diff)
	}
}

// The password of a storage is shown nowhere, and a change of it is one all the same.
func TestStoragePassword(t *testing.T) {
	t.Chdir(t.TempDir())
	load := func(storage string) (*config.Config, error) {
		fixture.Write(t, "milepost.toml", "[tls]\nstorage = "+strconv.Quote(storage)+"\n")
		return config.Load(config.Inputs{File: "milepost.toml"})
	}
	const url = "postgres://milepost:s3cr3t@db.example.net/milepost?sslmode=verify-full"
	one, err := load(url)
	if err != nil || one.TLS.Storage != url {
		t.Fatalf("%q, %v", one.TLS.Storage, err)
	}
	if shown := one.Effective(); strings.Contains(shown, "s3cr3t") || !strings.Contains(shown, `storage = "postgres://milepost:xxxxx@db.example.net/milepost?sslmode=verify-full" # milepost.toml:2`) {
		t.Error(shown)
	}
	two, err := load(strings.Replace(url, "s3cr3t", "an0ther", 1))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(config.NeedRestart(one, two)); got != "[tls.storage]" {
		t.Errorf("with another password %s", got)
	}
	for storage, want := range map[string]string{
		"mysql://milepost:s3cr3t@db/milepost":    "mysql:// is no database that can be used; a directory, or postgres://USER@HOST/DATABASE, is allowed",
		"postgres://":                            "names no database; postgres://USER@HOST/DATABASE, say, is allowed",
		"postgres://milepost:s3cr3t%zz@db/x":     "is no URL; postgres://USER:PASSWORD@HOST/DATABASE is allowed, with what is special in the password as %40 and so on",
		"postgresql://milepost:s3cr3t@db:port/x": "is no URL; postgres://USER:PASSWORD@HOST/DATABASE is allowed, with what is special in the password as %40 and so on",
	} {
		if _, err := load(storage); err == nil || err.Error() != "milepost.toml:2: tls.storage: "+want {
			t.Errorf("%s: %v", storage, err)
		}
	}
	for url, want := range map[string]string{
		"/var/lib/milepost":                       "/var/lib/milepost",
		"postgres:///x?host=/run&password=s3cr3t": "postgres:///x?host=%2Frun&password=xxxxx",
		"postgres://milepost:s3cr3t%zz@db/x":      "postgres://…",
	} {
		if got := config.WithoutPassword(url); got != want {
			t.Errorf("%s is shown as %s", url, got)
		}
	}
}

// A mistake in a default is one of the setting: there is no file to look into.
func TestMistakeWithoutFile(t *testing.T) {
	c, err := config.Load(config.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Mistake("http.listen", errors.New("the port is in use")).Error(); got != "http.listen: the port is in use" {
		t.Error(got)
	}
}
