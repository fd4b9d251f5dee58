package metrics

// dnsTypes are the types of record that are counted by name, with their numbers in
// typeNumbers (IANA, Resource Record TYPEs). "none": a message without a question.
var (
	dnsTypes    = []string{"other", "none", "A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "NAPTR", "DS", "DNSKEY", "TLSA", "SVCB", "HTTPS", "IXFR", "AXFR", "ANY", "CAA"}
	typeNumbers = []uint16{0, 0, 1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 43, 48, 52, 64, 65, 251, 252, 255, 257}
)

// typeAt are the indexes of dnsTypes, by number.
var typeAt = func() (at [258]uint8) {
	for i, n := range typeNumbers {
		at[n] = uint8(i)
	}
	return at // 0 is "none": a message without a question has it
}()

// rcodes are the codes of responses that are counted by name (IANA, DNS RCODEs), with
// their numbers in rcodeNumbers.
var (
	rcodes       = []string{"other", "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "NOTAUTH", "BADVERS", "BADCOOKIE"}
	rcodeNumbers = [...]int{-1, 0, 1, 2, 3, 4, 5, 9, 16, 23}
)

var rcodeAt = func() (at [24]uint8) {
	for i, n := range rcodeNumbers[1:] {
		at[n] = uint8(i + 1)
	}
	return at
}()

// Responded counts a DNS response, by the type that was asked for (0: there was no
// question) and the whole response code.
func (m *Metrics) Responded(qtype uint16, rcode int, tcp bool) {
	if m == nil {
		return
	}
	t, r, over := 0, 0, 0
	if int(qtype) < len(typeAt) {
		t = int(typeAt[qtype])
	}
	if uint(rcode) < uint(len(rcodeAt)) {
		r = int(rcodeAt[rcode])
	}
	if tcp {
		over = 1
	}
	m.responses.add((t*len(rcodeNumbers)+r)*2 + over)
}

// DNSLimit is what the rate limit does with a response.
type DNSLimit uint8

const (
	Truncated DNSLimit = iota // an empty answer was sent that leads to TCP
	Dropped                   // none was
	dnsLimits
)

var dnsLimitNames = [dnsLimits]string{"truncated", "dropped"}

// DNSLimited counts a response that the rate limit withheld.
func (m *Metrics) DNSLimited(how DNSLimit) {
	if m != nil {
		m.dnsLimited.add(int(how))
	}
}
