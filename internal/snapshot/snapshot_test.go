package snapshot_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/snapshot"
)

func options() snapshot.Options {
	return snapshot.Options{
		Inputs: config.Inputs{File: "milepost.toml", Options: []config.Option{
			{Flag: "providers", Setting: "catalogue.providers", Value: "providers"}, {Flag: "no-builtin", Setting: "catalogue.builtin", Value: "false"}}},
		Zones: true,
		Now:   func() time.Time { return time.Unix(1_000_000, 0) },
	}
}

// What is wrong with any part is said at once, each with its place.
func TestEveryMistake(t *testing.T) {
	p := fixture.ReadPage(t, "testdata/bad/everything.txtar")
	t.Chdir(fixture.Directory(t, p.List()...))
	s, err := snapshot.Build(t.Context(), options(), nil)
	if err == nil || s != nil {
		t.Fatal("accepted")
	}
	p.Expect(t, "messages", err.Error()+"\n")
}

// A new installation has no provider of its own yet. A directory that had some and is
// empty is not taken over until somebody says so.
func TestEmptyDirectory(t *testing.T) {
	t.Chdir(fixture.Directory(t, "providers/.keep", "", "milepost.toml", "[catalogue]\nproviders = [\"providers\"]\n"))
	build := func(previous *snapshot.Snapshot, own, take bool) (*snapshot.Snapshot, error) {
		fixture.Write(t, "providers/.keep", "")
		if os.Remove("providers/family.toml"); own {
			fixture.Write(t, "providers/family.toml", fixture.Family)
		}
		return snapshot.Build(t.Context(), snapshot.Options{Inputs: config.Inputs{File: "milepost.toml"}, TakeShrunk: take}, previous)
	}
	const none = "providers: has no .toml file; each provider is a file of its own"
	fresh, err := build(nil, false, false)
	if err != nil || fresh.Warnings.Error() != none || len(fresh.Catalogue.Providers()) < 100 {
		t.Fatal(err)
	}
	still, err := build(fresh, false, false)
	if err != nil {
		t.Error("what was empty before:", err)
	}
	first, err := build(still, true, false)
	if err != nil || len(first.Catalogue.Own()) != 1 {
		t.Fatal(err)
	}
	if _, err := build(first, false, false); err == nil || err.Error() != none+"; if that is meant, SIGUSR1 takes it over, as a restart does" {
		t.Error(err)
	}
	if last, err := build(first, false, true); err != nil || len(last.Catalogue.Own()) != 0 {
		t.Error(err)
	}
	alone := config.Option{Flag: "no-builtin", Setting: "catalogue.builtin", Value: "false"}
	if _, err := snapshot.Build(t.Context(), snapshot.Options{Inputs: config.Inputs{File: "milepost.toml", Options: []config.Option{alone}}}, nil); err == nil || err.Error() != none {
		t.Error("nothing would be served:", err)
	}
}

const hoster = `display_name = "Hoster"
domains = ["hoster.example"]
domains_from = "customers.list"
[[incoming]]
protocol = "imap"
hostname = "mail.hoster.example"
[[outgoing]]
hostname = "mail.hoster.example"
`

func customers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d.example\n", i)
	}
	return b.String()
}

// A list that has lost most of its domains is not taken over until somebody says so.
func TestShrunkList(t *testing.T) {
	t.Chdir(fixture.Directory(t, "milepost.toml", "[dns]\nttl = 3600\n", "providers/hoster.toml", hoster))
	build := func(previous *snapshot.Snapshot, list string, take bool) (*snapshot.Snapshot, error) {
		fixture.Write(t, "providers/customers.list", list)
		o := options()
		o.TakeShrunk = take
		return snapshot.Build(t.Context(), o, previous)
	}
	for _, tc := range []struct {
		name, list  string
		before, now int
		refused     bool
	}{
		{"emptied", "", 1000, 0, true},
		{"cut off", customers(499), 1000, 499, true},
		{"an odd number", customers(5), 11, 5, true},
		{"half of it left", customers(500), 1000, 500, false},
		{"one bad line", customers(999) + "no domain\n", 1000, 999, false},
		{"grown", customers(2000), 1000, 2000, false},
		{"a short list", customers(2), 9, 2, false},
		{"a short list, emptied", "", 1, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, err := build(nil, customers(tc.before), false)
			if err != nil {
				t.Fatal(err)
			}
			next, err := build(first, tc.list, false)
			if want := fmt.Sprintf("providers/customers.list: has %d domains, and had %d; ", tc.now, tc.before); tc.refused && (err == nil || !strings.HasPrefix(err.Error(), want)) {
				t.Errorf("%v, want %s", err, want)
			}
			if tc.refused {
				next, err = build(first, tc.list, true)
			}
			if err != nil || next.Catalogue.Domains() != tc.now+1 {
				t.Error(err)
			}
		})
	}
}

// A reload raises the serials of what has changed, and of nothing else.
func TestSerials(t *testing.T) {
	provider := func(domain, host string) string {
		return strings.NewReplacer("mail.hoster.example", host, "hoster.example", domain, "domains_from", "#").Replace(hoster)
	}
	t.Chdir(fixture.Directory(t, "milepost.toml", "[dns]\nttl = 3600\n",
		"providers/a.toml", provider("a.example", "mail.a.example"), "providers/b.toml", provider("b.example", "mail.b.example")))
	first, err := snapshot.Build(t.Context(), options(), nil)
	if err != nil {
		t.Fatal(err)
	}
	fixture.Write(t, "providers/b.toml", provider("b.example", "new.b.example"))
	next, err := snapshot.Build(t.Context(), options(), first)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for name := range next.Zones.Changed(first.Zones) {
		got = append(got, name)
	}
	if diff := cmp.Diff([]string{"_tcp.b.example.", "autoconfig.b.example.", "autodiscover.b.example."}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Certificates are for the service's host and for names of the admin's own domains.
func TestMayHaveCertificate(t *testing.T) {
	t.Chdir(fixture.Directory(t,
		"milepost.toml", "[service]\nhost = \"mail.example.net\"\n[catalogue]\nproviders = [\"providers\"]\n",
		"providers/family.toml", strings.Replace(fixture.Family, `"example.com"`, `"example.com", "*.wild.example", "bücher.example"`, 1)))
	s, err := snapshot.Build(t.Context(), snapshot.Options{Inputs: config.Inputs{File: "milepost.toml"}, Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"mail.example.net": true, "autoconfig.example.com": true, "autodiscover.example.com": true, "ua-auto-config.example.com": true, "mta-sts.example.com": true,
		"AutoConfig.Example.COM": true, "autoconfig.xn--bcher-kva.example": true,
		"example.com": false, "www.example.com": false, "autoconfig.www.example.com": false, "autoconfig.autoconfig.example.com": false, "autoconfig": false, "autoconfig.": false,
		"autoconfig.a.wild.example": false, "autoconfig.wild.example": false, "autoconfig.gmail.com": false, "gmail.com": false, "": false, "192.0.2.1": false, "autoconfig.example.com/x": false,
	} {
		if got := s.MayHaveCertificate(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
