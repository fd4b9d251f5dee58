package zone_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/data"
	"milepost/internal/providerfile"
	"milepost/settings"
	"milepost/zone"
)

var labels = map[string]string{
	"imap SSL": "_imaps", "imap STARTTLS": "_imap",
	"pop3 SSL": "_pop3s", "pop3 STARTTLS": "_pop3",
	"smtp SSL": "_submissions", "smtp STARTTLS": "_submission",
}

// What a shipped provider's autoconfig document names, DNS names too, and nobody is
// told that a service is missing which the document has.
func TestShippedAgreesWithAutoconfig(t *testing.T) {
	c, _, err := providerfile.Load(providerfile.Directory{FS: data.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	named, unsaid := 0, 0
	for _, p := range c.Providers() {
		if len(p.Domains) == 0 {
			continue // found by MX alone
		}
		d := p.Domains[0].Domain
		doc, err := autoconfig.Render(p.For(address.Address{Domain: d}))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := autoconfig.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		rrs := zone.Records(p, d, zone.Options{})
		if _, err := zone.New(d.ASCII+".", zone.Authority{NameServers: []string{"ns.invalid."}}, rrs); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		has := make(map[string]bool)
		for _, rr := range rrs {
			if srv, ok := rr.(*dns.SRV); ok {
				has[fmt.Sprintf("%s %d %s", srv.Hdr.Name, srv.Port, srv.Target)] = true
			}
		}
		for _, s := range append(parsed.Incoming, parsed.Outgoing...) {
			label := labels[string(s.Protocol)+" "+string(s.SocketType)]
			name := label + "._tcp." + d.ASCII + "."
			if has[name+" 0 ."] {
				t.Errorf("%s: DNS says that there is no %s, the document has it", d, label)
			}
			_, ip := netip.ParseAddr(string(s.Hostname))
			if label == "" || ip == nil || s.SocketType == settings.STARTTLS && s.Port != settings.DefaultPort(s.Protocol, s.SocketType) {
				unsaid++
				continue
			}
			named++
			if !has[fmt.Sprintf("%s %d %s.", name, s.Port, strings.ToLower(string(s.Hostname)))] {
				t.Errorf("%s: the document has %s %s:%d, DNS has not", d, label, s.Hostname, s.Port)
			}
		}
	}
	t.Logf("%d servers are named, %d are left unsaid", named, unsaid)
	if named < 2*unsaid {
		t.Error("more is left unsaid than is likely")
	}
}
