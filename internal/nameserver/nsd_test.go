package nameserver

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"

	"github.com/miekg/dns"
)

// The parts of raw messages.

func header(flags uint16, counts ...uint16) string {
	b := binary.BigEndian.AppendUint16([]byte{0x12, 0x67}, flags)
	for _, n := range counts {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return string(b)
}

func wireName(name string) string {
	var b strings.Builder
	for label := range strings.SplitSeq(name, ".") {
		b.WriteString(string(rune(len(label))) + label)
	}
	return b.String() // an absolute name ends in an empty label
}

func wireQuestion(name string, qtype, class uint16) string {
	return string(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte(wireName(name)), qtype), class))
}

func record(owner string, rrtype, class uint16, ttl uint32, rdata string) string {
	b := binary.BigEndian.AppendUint32([]byte(wireQuestion(owner, rrtype, class)), ttl)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(rdata)))) + rdata
}

// shape is what a response is, but for its records: rcode, opcode, flags, counts, and
// what OPT holds.
func shape(response []byte) string {
	if len(response) < headerSize {
		return "nothing"
	}
	flags := binary.BigEndian.Uint16(response[2:])
	rcode := int(flags & maskRcode)
	end := ""
	m := new(dns.Msg)
	if err := m.Unpack(response); err != nil {
		return err.Error()
	}
	if opt := m.IsEdns0(); opt != nil {
		rcode |= opt.ExtendedRcode()
		end = " OPT"
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				end += fmt.Sprintf(" cookie of %d", len(c.Cookie)/2)
			}
		}
	}
	said := dns.RcodeToString[rcode]
	if rcode == dns.RcodeBadVers {
		said = "BADVERS"
	}
	if op := int(flags & maskOpcode >> 11); op != 0 {
		said += fmt.Sprintf(" opcode %d", op)
	}
	for i, name := range []string{"qr", "", "", "", "", "aa", "tc", "rd", "ra", "z", "ad", "cd"} {
		if name != "" && flags&(1<<(15-i)) != 0 {
			said += " " + name
		}
	}
	for i := 4; i < headerSize; i += 2 {
		said += fmt.Sprintf(" %d", binary.BigEndian.Uint16(response[i:]))
	}
	return said + end
}

// Raw messages get what they get from NSD, which has the same zone.
func TestRawMessages(t *testing.T) {
	const (
		rd, cd     = 1 << 8, 1 << 4
		junkFlags  = 1<<10 | 1<<9 | 1<<7 | 1<<6 | 1<<5 | 1<<4 // AA TC RA Z AD CD
		notify     = 4 << 11
		update     = 5 << 11
		unassigned = 15 << 11
		malformed  = "FORMERR qr 0 0 0 0"
	)
	mail, soa := wireQuestion("mail.example.com.", dns.TypeA, 1), wireQuestion("example.com.", dns.TypeSOA, 1)
	a := record("mail.example.com.", dns.TypeA, 1, 60, "\xc0\x00\x02\x01")
	opt := func(options string) string { return record(".", dns.TypeOPT, 1232, 0, options)[1:] }
	cookie := "\x00\x0a\x00\x08abcdefgh"
	forged := "\x00\x0a\x00\x18abcdefgh\x01\x00\x00\x00abcdefghijkl"
	set := zoneSet(t, fixture.Family, nil)
	ours := listen(t, "127.0.0.1:0", Config{Zones: set})
	var theirs, zone string
	for _, rr := range set.Find("example.com.").Records() {
		zone += rr.String() + "\n"
	}
	if nsd, ok := fixture.FindTool("nsd"); ok {
		theirs = startNSD(t, nsd, zone, "    minimal-responses: yes", "    answer-cookie: yes")
	}
	for _, tc := range []struct {
		name, packet, want string
		nsd                string // what NSD 4.6.1 says, if that is something else
	}{
		{"a query", header(0, 1, 0, 0, 0) + mail, "NOERROR qr aa 1 1 0 0", ""},
		{"RD is copied", header(rd, 1, 0, 0, 0) + mail, "NOERROR qr aa rd 1 1 0 0", ""},
		{"no other flag is", header(junkFlags, 1, 0, 0, 0) + mail, "NOERROR qr aa 1 1 0 0", ""},
		{"nor for what is refused", header(rd|junkFlags, 1, 0, 0, 0) + wireQuestion("example.org.", 1, 1), "REFUSED qr rd 1 0 0 0", ""},
		{"a name that does not exist", header(cd, 1, 0, 0, 0) + wireQuestion("nothing.example.com.", 1, 1), "NXDOMAIN qr aa 1 0 1 0", ""},
		{"a response", header(1<<15, 1, 0, 0, 0) + mail, "nothing", ""},

		{"RCODE", header(1, 1, 0, 0, 0) + mail, malformed, ""},
		{"RCODE, RD and CD", header(rd|cd|5, 1, 0, 0, 0) + mail, "FORMERR qr rd 0 0 0 0", ""},
		{"RCODE and OPT", header(5, 1, 0, 0, 1) + mail + opt(""), malformed, ""},
		{"an answer", header(0, 1, 1, 0, 0) + mail + a, malformed, ""},
		{"an authority", header(0, 1, 0, 1, 0) + mail + a, malformed, ""},
		{"an authority that lacks", header(0, 1, 0, 1, 0) + mail, malformed, ""},
		{"octets for an authority", header(0, 1, 0, 1, 0) + mail + strings.Repeat("\xff", 20), malformed, ""},
		{"an additional record", header(0, 1, 0, 0, 1) + mail + a, malformed, ""},
		{"an additional record that lacks", header(0, 1, 0, 0, 1) + mail, malformed, ""},
		{"octets for an additional record", header(0, 1, 0, 0, 1) + mail + strings.Repeat("\xff", 20), malformed, ""},
		{"a record before OPT", header(0, 1, 0, 0, 2) + mail + a + opt(""), malformed, ""},
		{"a record behind OPT", header(0, 1, 0, 0, 2) + mail + opt("") + a, malformed, ""},
		{"octets behind all", header(0, 1, 0, 0, 1) + mail + opt("") + "x", "NOERROR qr aa 1 1 0 1 OPT", ""},

		{"OPT", header(0, 1, 0, 0, 1) + mail + opt(""), "NOERROR qr aa 1 1 0 1 OPT", ""},
		{"OPT of another owner", header(0, 1, 0, 0, 1) + mail + record("x.", dns.TypeOPT, 1232, 0, ""), malformed, ""},
		{"two OPT", header(0, 1, 0, 0, 2) + mail + opt("") + opt(""), malformed, ""},
		{"OPT as authority", header(0, 1, 0, 1, 0) + mail + opt(""), malformed, ""},
		{"OPT cut short", header(0, 1, 0, 0, 1) + mail + opt("")[:7], malformed, ""},
		{"an option cut short", header(0, 1, 0, 0, 1) + mail + opt("\x00\x0a\x00\x08ab"), malformed, ""},
		{"version 1", header(0, 1, 0, 0, 1) + mail + record(".", dns.TypeOPT, 1232, 1<<16, "")[1:], "BADVERS qr 1 0 0 1 OPT", ""},

		{"a cookie", header(0, 1, 0, 0, 1) + mail + opt(cookie), "NOERROR qr aa 1 1 0 1 OPT cookie of 24", ""},
		{"a cookie that somebody else made", header(0, 1, 0, 0, 1) + mail + opt(forged), "NOERROR qr aa 1 1 0 1 OPT cookie of 24", ""},
		// OPT stays, lest the client think that there is no EDNS here (RFC 6891 §6.1.1, §7).
		{"a cookie of 7 octets", header(0, 1, 0, 0, 1) + mail + opt("\x00\x0a\x00\x07abcdefg"), "FORMERR qr 1 0 0 1 OPT", malformed},
		{"no question", header(0, 0, 0, 0, 0), malformed, ""},
		{"no question, and OPT", header(0, 0, 0, 0, 1) + opt(""), "NOERROR qr 0 0 0 1 OPT", ""},
		{"no question, and a cookie", header(rd|cd, 0, 0, 0, 1) + opt(cookie), "NOERROR qr rd 0 0 0 1 OPT cookie of 24", ""},
		// RFC 7873 §5.4 has this code for it.
		{"no question, and a forged cookie", header(0, 0, 0, 0, 1) + opt(forged), "BADCOOKIE qr 0 0 0 1 OPT cookie of 24", "NOERROR qr 0 0 0 1 OPT cookie of 24"},
		{"no question, a cookie and a record", header(0, 0, 0, 0, 2) + opt(cookie) + a, malformed, ""},
		{"two questions", header(0, 2, 0, 0, 0) + mail + mail, malformed, ""},

		{"a header", header(0, 1, 0, 0, 0), malformed, ""},
		{"half a header", header(0, 1, 0, 0, 0)[:11], "nothing", ""},
		{"a question without class", header(0, 1, 0, 0, 0) + mail[:len(mail)-2], malformed, ""},
		{"a pointer to itself", header(0, 1, 0, 0, 0) + "\xc0\x0c\x00\x01\x00\x01", malformed, ""},
		{"a pointer to the header", header(0, 1, 0, 0, 0) + "\xc0\x00\x00\x01\x00\x01", malformed, ""},

		{"NOTIFY from a stranger", header(notify|1<<10|rd, 1, 0, 0, 0) + soa, "REFUSED opcode 4 qr rd 0 0 0 0", "REFUSED opcode 4 qr aa rd 0 0 0 0"},
		{"NOTIFY with the new SOA", header(notify, 1, 1, 0, 0) + soa + record("example.com.", dns.TypeSOA, 1, 0, strings.Repeat("\x00", 22)), "REFUSED opcode 4 qr 0 0 0 0", ""},
		{"UPDATE", header(update, 1, 0, 1, 0) + soa + a, "NOTIMP opcode 5 qr 0 0 0 0", ""},
		{"opcode 15", header(unassigned, 1, 0, 0, 1) + mail + opt(""), "NOTIMP opcode 15 qr 0 0 0 0", ""},
		{"class HS", header(0, 1, 0, 0, 0) + wireQuestion("mail.example.com.", 1, 4), "REFUSED qr 1 0 0 0", "REFUSED qr 0 0 0 0"},
		{"IXFR", header(cd, 1, 0, 0, 0) + wireQuestion("example.com.", dns.TypeIXFR, 1), "REFUSED qr 1 0 0 0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := shape(raw(t, ours, []byte(tc.packet))); got != tc.want {
				t.Errorf("over UDP: %s, want %s", got, tc.want)
			}
			if got := shape(firstResponse(t, "tcp", ours.Addr().String(), tc.packet)); got != tc.want {
				t.Errorf("over TCP: %s, want %s", got, tc.want)
			}
			if theirs == "" {
				t.Skip("nsd is not here to compare with; Debian has it in nsd")
			}
			want := tc.want
			if tc.nsd != "" {
				want = tc.nsd
			}
			if got := shape(firstResponse(t, "udp", theirs, tc.packet)); got != want {
				t.Errorf("NSD: %s, want %s", got, want)
			}
		})
	}
}

// firstResponse sends a message and a good query behind it, and returns what comes
// before the response to that.
func firstResponse(t *testing.T, network, addr, packet string) []byte {
	t.Helper()
	conn, err := dns.DialTimeout(network, addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	const last = 0x4711
	good := header(0, 1, 0, 0, 0) + wireQuestion("example.com.", dns.TypeSOA, 1)
	for _, m := range []string{packet, "\x47\x11" + good[2:]} {
		if _, err := conn.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	var first []byte
	for {
		buf := make([]byte, dns.MaxMsgSize)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if binary.BigEndian.Uint16(buf) == last {
			return first
		}
		first = buf[:n]
	}
}
