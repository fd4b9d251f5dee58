package mx

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/address"
)

// What an answer says of customer.example.
func TestRead(t *testing.T) {
	var long, loop, lines []string
	for i := range 20 {
		long = append(long, fmt.Sprintf("a%d.example. 300 IN CNAME a%d.example.", i, i+1))
		lines = append(lines, fmt.Sprintf("customer.example. 300 IN MX 10 mx%02d.hoster.example.", 19-i))
	}
	loop = []string{"customer.example. 300 IN CNAME customer.example."}
	for _, tc := range []struct {
		name  string
		lines []string
		want  string // hosts, or the error
	}{
		{"one", []string{"customer.example. 300 IN MX 10 MX1.Hoster.example."}, "mx1.hoster.example"},
		{"the letters of the question", []string{"Customer.EXAMPLE. 300 IN MX 10 mx1.hoster.example."}, "mx1.hoster.example"},
		{"the lowest preference alone", []string{"customer.example. 300 IN MX 20 backup.hoster.example.", "customer.example. 300 IN MX 0 mx.customer.example."}, "mx.customer.example"},
		{"Microsoft's check of a domain", []string{"customer.example. 300 IN MX 0 customer-example.mail.protection.outlook.com.", "customer.example. 300 IN MX 32767 ms1.msv1.invalid."}, "customer-example.mail.protection.outlook.com"},
		{"several of it, in one order", []string{"customer.example. 300 IN MX 5 b.hoster.example.", "customer.example. 300 IN MX 5 a.hoster.example.", "customer.example. 300 IN MX 5 a.hoster.example."}, "a.hoster.example b.hoster.example"},
		{"many", lines, "mx00.hoster.example mx01.hoster.example mx02.hoster.example mx03.hoster.example mx04.hoster.example mx05.hoster.example mx06.hoster.example mx07.hoster.example"},
		{"null MX", []string{"customer.example. 300 IN MX 0 ."}, ""},
		{"null MX beside another", []string{"customer.example. 300 IN MX 0 .", "customer.example. 300 IN MX 0 mx1.hoster.example."}, "mx1.hoster.example"},
		{"a host in A-labels", []string{"customer.example. 300 IN MX 0 mx.xn--bcher-kva.example."}, "mx.xn--bcher-kva.example"},
		{"an address as host", []string{"customer.example. 300 IN MX 0 192.0.2.1."}, ""},
		{"a host that is none", []string{`customer.example. 300 IN MX 0 a\.b_c.example.`}, ""},
		{"nothing", nil, ""},
		{"another name's", []string{"other.example. 300 IN MX 0 forged.example."}, ""},
		{"another class's", []string{"customer.example. 300 CH MX 0 forged.example."}, ""},
		{"beside the chain", []string{"customer.example. 300 IN MX 0 mx1.hoster.example.", "other.example. 300 IN MX 0 forged.example."}, "mx1.hoster.example"},
		{"an alias, in any order", []string{"b.example. 300 IN MX 0 mx1.hoster.example.", "a.example. 300 IN CNAME b.example.", "customer.example. 300 IN CNAME A.example."}, "mx1.hoster.example"},
		{"an alias of what is not here", []string{"customer.example. 300 IN CNAME a.example.", "other.example. 300 IN MX 0 forged.example."}, ""},
		{"eight aliases", append([]string{"customer.example. 300 IN CNAME a13.example.", "a20.example. 300 IN MX 0 mx1.hoster.example."}, long...), "mx1.hoster.example"},
		{"nine", append([]string{"customer.example. 300 IN CNAME a12.example.", "a20.example. 300 IN MX 0 mx1.hoster.example."}, long...), errLoop.Error()},
		{"itself", loop, errLoop.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := newQuestion("customer.example")
			var asked dns.Msg
			if err := asked.Unpack(q.packet); err != nil {
				t.Fatal(err)
			}
			a := q.read(packed(reply(&asked, tc.lines...)))
			got := names(a.hosts)
			if a.err != nil {
				got = a.err.Error()
			}
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// Whatever comes back: nothing is taken that is not the question's, and what is taken
// is within bounds.
func FuzzRead(f *testing.F) {
	q := newQuestion("customer.example")
	var asked dns.Msg
	if err := asked.Unpack(q.packet); err != nil {
		f.Fatal(err)
	}
	f.Add(q.packet[2:])
	for _, m := range []*dns.Msg{
		good(&asked),
		reply(&asked, "customer.example. 300 IN CNAME a.example.", "a.example. 0 IN MX 10 mx.example.", ";example. 60 IN SOA ns.example. x.example. 1 2 3 4 5"),
		new(dns.Msg).SetRcode(&asked, dns.RcodeNameError),
	} {
		f.Add(packed(m)[2:])
	}
	f.Fuzz(func(t *testing.T, rest []byte) {
		other := append([]byte{byte(q.id>>8) ^ 1, byte(q.id)}, rest...)
		if a := q.read(other); a.err != errUnwanted {
			t.Fatalf("another id is taken: %v", a)
		}
		a := q.read(append([]byte{byte(q.id >> 8), byte(q.id)}, rest...))
		if a.err != nil {
			if a.hosts != nil {
				t.Fatal("hosts and an error")
			}
			return
		}
		if !strings.Contains(strings.ToLower(string(rest)), "\x08customer\x07example\x00") {
			t.Fatal("the question is not in it")
		}
		if a.ttl < 0 || a.ttl > mostTTL || a.lasts() < leastTTL || a.lasts() > mostTTL || len(a.hosts) > maxHosts {
			t.Fatalf("%v", a)
		}
		for _, h := range a.hosts {
			if again, err := address.ParseDomain(h.ASCII); err != nil || again != h {
				t.Fatalf("%v: %v", h, err)
			}
		}
		if !slices.IsSortedFunc(a.hosts, func(a, b address.Domain) int { return strings.Compare(a.ASCII, b.ASCII) }) {
			t.Fatalf("%v", a.hosts)
		}
	})
}
