package zone_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/fixture"
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
	named, unsaid := 0, 0
	for _, p := range fixture.ShippedServers(t) {
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

// outgoingOfAerc is aerc 0.20's rule (lib/autoconfig/dns-srv.go): of each label the
// record with the highest weight, the first of those; _submission before _smtps; the
// target "." and port 0 are none. Without an incoming server it looks no further.
func outgoingOfAerc(rrs []dns.RR, d address.Domain) (target string, found bool) {
	best := make(map[string]*dns.SRV)
	for _, rr := range rrs {
		srv, ok := rr.(*dns.SRV)
		if !ok {
			continue
		}
		label := strings.TrimSuffix(srv.Hdr.Name, "._tcp."+d.ASCII+".")
		if old := best[label]; old == nil || srv.Weight > old.Weight || srv.Weight == old.Weight && srv.Priority < old.Priority {
			best[label] = srv
		}
	}
	offers := func(label string) bool {
		return best[label] != nil && best[label].Target != "." && best[label].Port != 0
	}
	if !offers("_imap") && !offers("_imaps") && !offers("_jmap") {
		return "", false
	}
	switch {
	case offers("_submission"):
		return fmt.Sprintf("STARTTLS %s%d", best["_submission"].Target, best["_submission"].Port), true
	case offers("_smtps"):
		return fmt.Sprintf("SSL %s%d", best["_smtps"].Target, best["_smtps"].Port), true
	}
	return "", true
}

// aerc takes what DNS says before it asks over HTTP. So whoever has an outgoing
// server that SRV records can describe must give it one.
func TestShippedGiveAercAnOutgoingServer(t *testing.T) {
	domains, asked, answered := 0, 0, 0
	for _, p := range fixture.ShippedServers(t) {
		for _, pattern := range p.Domains {
			d := pattern.Domain
			if pattern.Wildcard {
				continue
			}
			domains++
			target, found := outgoingOfAerc(zone.Records(p, d, zone.Options{}), d)
			if !found {
				continue // it goes on to HTTP
			}
			asked++
			has := make(map[string]bool)
			for _, s := range p.For(address.Address{Domain: d}).Provider.Outgoing {
				if s.SocketType == settings.SSL && s.Port == 465 || s.SocketType == settings.STARTTLS && s.Port == 587 {
					has[fmt.Sprintf("%s %s.%d", s.SocketType, strings.ToLower(string(s.Hostname)), s.Port)] = true
				}
			}
			if target != "" {
				answered++
			}
			if len(has) > 0 && !has[target] {
				t.Errorf("%s: aerc takes %q; %v are there", d, target, has)
			}
		}
	}
	t.Logf("%d domains; of %d that give aerc an incoming server, %d give it an outgoing one", domains, asked, answered)
	if domains == 0 || asked == 0 {
		t.Error("nothing was tested")
	}
}
