package zone_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/zone"
)

// Types that exist in messages alone (RFC 6895 §3.1) have no place in a zone: a
// secondary would refuse the transfer.
func TestMetaTypes(t *testing.T) {
	for _, rrtype := range []string{"TYPE0", "TYPE41", "TYPE128", "TYPE249", "TYPE250", "TYPE252", "TYPE255"} {
		rr, err := dns.NewRR("x.example. 60 IN " + rrtype + ` \# 1 00`)
		if err != nil {
			continue // it has a syntax of its own, which that is not
		}
		_, err = zone.New("example.", zone.Authority{NameServers: []string{"ns.invalid."}}, []dns.RR{rr})
		if err == nil || !strings.HasSuffix(err.Error(), ": is no record of a zone") {
			t.Errorf("%s: %v", rr, err)
		}
	}
}

// The mistakes of a zone come out in one order each time.
func TestMistakesHaveAnOrder(t *testing.T) {
	var rrs []dns.RR
	for i := range 800 {
		for _, rrtype := range []string{"TXT", "SPF", "AVC", "NINFO"} {
			rr, err := dns.NewRR(fmt.Sprintf("x.example. 60 IN %s \"%0100d\"", rrtype, i))
			if err != nil {
				t.Fatal(err)
			}
			rrs = append(rrs, rr)
		}
	}
	authority := zone.Authority{NameServers: []string{"ns.invalid."}}
	_, first := zone.New("example.", authority, rrs)
	if first == nil || strings.Count(first.Error(), "fit into an answer") != 4 {
		t.Fatal(first)
	}
	for range 10 {
		if _, err := zone.New("example.", authority, rrs); err == nil || err.Error() != first.Error() {
			t.Fatalf("%v, and before\n%v", err, first)
		}
	}
}
