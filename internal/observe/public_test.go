package observe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/doctor"
	"milepost/settings"
)

func TestPublic(t *testing.T) {
	for at, want := range map[string]bool{
		"93.184.215.14:443": true, "93.184.215.14:993": true, "93.184.215.14:53": true, "[2606:2800:220:1::1]:443": true, "[64:ff9b::5db8:d70e]:443": true,
		"93.184.215.14:22": false, "93.184.215.14:25": false, "93.184.215.14:6379": false,
		"127.0.0.1:443": false, "127.77.1.2:443": false, "0.0.0.0:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "100.64.1.1:443": false,
		"169.254.169.254:80": false, "192.0.2.1:443": false, "198.18.0.1:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false, "240.0.0.1:443": false,
		"[::1]:443": false, "[::]:443": false, "[fe80::1]:443": false, "[fe80::1%25eth0]:443": false, "[fd00:ec2::254]:80": false, "[fc00::1]:443": false, "[ff02::1]:443": false, "[2001:db8::1]:443": false,
		"[::ffff:127.0.0.1]:443": false, "[::ffff:10.0.0.1]:443": false, "[64:ff9b::7f00:1]:443": false, "[64:ff9b::a9fe:a9fe]:80": false, "[2002:7f00:1::1]:443": false, "[2002:a00:1::]:443": false, "[::7f00:1]:443": false,
	} {
		a, err := netip.ParseAddrPort(at)
		if err != nil {
			if want {
				t.Error(at, err)
			}
			continue
		}
		if got := Public(a); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}

// What is not allowed is not connected to, whoever names it: a name server, a redirect or
// a record.
func TestForbidden(t *testing.T) {
	var dialled []string
	i := NewInternet(Options{Resolvers: []string{"127.0.0.1:53"}, Allowed: Public, Dial: func(_ context.Context, network, address string) (net.Conn, error) {
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
