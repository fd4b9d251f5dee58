package zone_test

import (
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
