package observe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/doctor"
	"milepost/settings"
)

func TestPublic(t *testing.T) {
	for _, tc := range []struct {
		name, address string
		want          bool
	}{
		{"somebody's", "9.9.9.9", true},
		{"somebody's, IPv6", "2620:fe::fe", true},
		{"mapped", "::ffff:9.9.9.9", true},
		{"by NAT64", "64:ff9b::9.9.9.9", true},
		{"just above 172.16.0.0/12", "172.32.0.1", true},
		{"just above 100.64.0.0/10", "100.128.0.1", true},

		{"this network", "0.0.0.0", false},
		{"this network too", "0.1.2.3", false},
		{"private, 10", "10.0.0.1", false},
		{"private, 172", "172.31.255.255", false},
		{"private, 192", "192.168.0.1", false},
		{"carriers' NAT", "100.64.0.1", false},
		{"loopback", "127.0.0.1", false},
		{"loopback, any", "127.9.9.9", false},
		{"link-local", "169.254.1.1", false},
		{"metadata", "169.254.169.254", false},
		{"metadata of ECS", "169.254.170.2", false},
		{"metadata of Alibaba", "100.100.100.200", false},
		{"metadata of Oracle", "192.0.0.192", false},
		{"Azure's host", "168.63.129.16", false},
		{"documentation", "192.0.2.1", false},
		{"documentation, second", "198.51.100.1", false},
		{"documentation, third", "203.0.113.1", false},
		{"6to4 relays", "192.88.99.1", false},
		{"benchmarks", "198.18.0.1", false},
		{"multicast", "224.0.0.1", false},
		{"reserved", "240.0.0.1", false},
		{"broadcast", "255.255.255.255", false},

		{"unspecified, IPv6", "::", false},
		{"loopback, IPv6", "::1", false},
		{"loopback, mapped", "::ffff:127.0.0.1", false},
		{"metadata, mapped", "::ffff:169.254.169.254", false},
		{"compatible", "::10.0.0.1", false},
		{"unique local", "fc00::1", false},
		{"unique local too", "fd00:ec2::254", false},
		{"link-local, IPv6", "fe80::1", false},
		{"with a zone", "fe80::1%eth0", false},
		{"a public one with a zone", "2620:fe::fe%eth0", false},
		{"site-local", "fec0::1", false},
		{"multicast, IPv6", "ff02::1", false},
		{"documentation, IPv6", "2001:db8::1", false},
		{"documentation, IPv6 too", "3fff::1", false},
		{"6to4 of a private one", "2002:a00:1::1", false},
		{"6to4", "2002:909:909::1", false},
		{"Teredo", "2001:0:a00:1::1", false},
		{"ORCHID", "2001:20::1", false},
		{"NAT64 of loopback", "64:ff9b::127.0.0.1", false},
		{"NAT64 of a private one", "64:ff9b::10.0.0.1", false},
		{"NAT64 of metadata", "64:ff9b::a9fe:a9fe", false},
		{"NAT64, local use", "64:ff9b:1::9.9.9.9", false},
		{"discard", "100::1", false},
		{"segment routing", "5f00::1", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Public(netip.MustParseAddr(tc.address)); got != tc.want {
				t.Errorf("%s: %t", tc.address, got)
			}
		})
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// webAndMail allows some ports of public addresses.
func webAndMail(at netip.AddrPort) bool {
	return slices.Contains([]uint16{53, 80, 443, 993}, at.Port()) && Public(at.Addr())
}

// What is not allowed is not connected to, whoever names it: a name server, a redirect or
// a record.
func TestForbidden(t *testing.T) {
	var dialled []string
	i := NewInternet(Options{Resolvers: []string{"127.0.0.1:53"}, Allowed: webAndMail, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
		if address != "127.0.0.1:53" { // the resolver is the admin's choice
			dialled = append(dialled, address)
		}
		return nil, errors.New("no")
	}})
	ctx := context.Background()
	if a := i.Resolve(ctx, doctor.Question{Name: "example.com", Type: dns.TypeMX, Server: "10.0.0.1"}); a.Failure != doctor.Forbidden {
		t.Errorf("%+v", a)
	}
	if x := i.Fetch(ctx, doctor.Request{Method: "GET", URL: "http://169.254.169.254/latest/"}, nil); x.Failure != doctor.Forbidden {
		t.Errorf("%+v", x)
	}
	if x := i.Fetch(ctx, doctor.Request{Method: "GET", URL: "https://example.com:6379/"}, nil); x.Failure != doctor.Forbidden {
		t.Errorf("%+v", x)
	}
	if g := i.Greet(ctx, doctor.Endpoint{Protocol: settings.IMAP, Host: "127.0.0.1", Port: 993, SocketType: settings.SSL}); g.Failure != doctor.Forbidden {
		t.Errorf("%+v", g)
	}
	if len(dialled) > 0 {
		t.Errorf("%s", dialled)
	}
}
