package nameserver

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
)

var goodKey = config.Key{Name: "good.", Algorithm: dns.HmacSHA256, Secret: secret}

// transferred asks for a zone, and returns what came as zone lines.
func transferred(s *Server, m *dns.Msg) (string, error) {
	var t dns.Transfer
	if m.IsTsig() != nil {
		t.TsigSecret = map[string]string{"good.": secret, "bad.": secret}
	}
	envelopes, err := t.In(m, s.Addr().String())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for e := range envelopes {
		if e.Error != nil {
			err = e.Error
		}
		for _, rr := range e.RR {
			fmt.Fprintln(&b, rr)
		}
	}
	return b.String(), err
}

func TestTransfer(t *testing.T) {
	set := zoneSet(t, fixture.Family, nil)
	z := set.Find("example.com.")
	var whole strings.Builder
	for _, rr := range append(z.Records()[:len(z.Records()):len(z.Records())], z.SOA()) {
		fmt.Fprintln(&whole, rr)
	}
	soa := z.SOA().String() + "\n"
	axfr := func(name string) *dns.Msg { return new(dns.Msg).SetAxfr(name) }
	ixfr := func(serial uint32) *dns.Msg { return new(dns.Msg).SetIxfr("example.com.", serial, ".", ".") }
	sign := func(m *dns.Msg, key, algorithm string) *dns.Msg {
		return m.SetTsig(key, algorithm, 300, time.Now().Unix())
	}
	byAddress := []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1")}}
	byKey := []config.Secondary{{Address: netip.MustParseAddrPort("127.0.0.1:1"), Key: "good."}}
	for _, tc := range []struct {
		name        string
		secondaries []config.Secondary
		keys        []config.Key
		ask         *dns.Msg
		want        string
		err         string
	}{
		{"by address", byAddress, nil, axfr("example.com."), whole.String(), ""},
		{"in other letters", byAddress, nil, axfr("EXAMPLE.com."), whole.String(), ""},
		{"by key", byKey, []config.Key{goodKey}, sign(axfr("example.com."), "good.", dns.HmacSHA256), whole.String(), ""},
		{"by key alone", nil, []config.Key{goodKey}, sign(axfr("example.com."), "good.", dns.HmacSHA256), whole.String(), ""},
		{"IXFR from an old serial", byAddress, nil, ixfr(0), whole.String(), ""},
		{"IXFR, up to date", byAddress, nil, ixfr(1), soa, ""},
		{"IXFR, ahead", byAddress, nil, ixfr(7), soa, ""},
		{"nobody", nil, nil, axfr("example.com."), "", "bad xfr rcode: 5"},
		{"without the key that is asked for", byKey, []config.Key{goodKey}, axfr("example.com."), "", "bad xfr rcode: 5"},
		{"an unknown key", byAddress, nil, sign(axfr("example.com."), "good.", dns.HmacSHA256), "", "bad authentication"},
		{"a key with another secret", byAddress, []config.Key{{Name: "bad.", Algorithm: dns.HmacSHA256, Secret: "AAAAAAAAAAAAAAAAAAAAAA=="}}, sign(axfr("example.com."), "bad.", dns.HmacSHA256), "", "bad authentication"},
		{"a key with another algorithm", byAddress, []config.Key{goodKey}, sign(axfr("example.com."), "good.", dns.HmacSHA512), "", "bad authentication"},
		{"a signature of yesterday", byAddress, []config.Key{goodKey}, axfr("example.com.").SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix()-86400), "", "bad authentication"},
		{"a name in the zone", byAddress, nil, axfr("mail.example.com."), "", "bad xfr rcode: 9"},
		{"outside", byAddress, nil, axfr("example.org."), "", "bad xfr rcode: 5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := listen(t, "127.0.0.1:0", Config{Zones: set, Keys: tc.keys})
			s.current.Store(Config{Zones: set, Keys: tc.keys, Secondaries: tc.secondaries}.snapshot()) // without a NOTIFY
			got, err := transferred(s, tc.ask)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error %v, want %s\n%.200s", err, tc.err, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%.2000s", diff)
			}
		})
	}
}

// What is wrong with a signature is said as RFC 8945 §5.2 asks.
func TestBadSignatures(t *testing.T) {
	s := listen(t, "127.0.0.1:0", Config{Zones: zoneSet(t, fixture.Family, nil), Keys: []config.Key{goodKey}})
	for _, tc := range []struct {
		name, key, secret string
		signed            int64
		want              uint16
	}{
		{"unknown key", "other.", secret, 0, dns.RcodeBadKey},
		{"wrong secret", "good.", "AAAAAAAAAAAAAAAAAAAAAA==", 0, dns.RcodeBadSig},
		{"a clock an hour behind", "good.", secret, -3600, dns.RcodeBadTime},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(tc.name+" "+network, func(t *testing.T) {
				m := question("example.com.", dns.TypeSOA).SetTsig(tc.key, dns.HmacSHA256, 300, time.Now().Unix()+tc.signed)
				packet, _, err := dns.TsigGenerate(m, tc.secret, "", false)
				if err != nil {
					t.Fatal(err)
				}
				conn, err := dns.DialTimeout(network, s.Addr().String(), time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(time.Minute))
				if _, err := conn.Write(packet); err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 4096)
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				reply := new(dns.Msg)
				if err := reply.Unpack(buf[:n]); err != nil {
					t.Fatal(err)
				}
				tsig := reply.IsTsig()
				if reply.Rcode != dns.RcodeNotAuth || tsig == nil || tsig.Error != tc.want || len(reply.Answer) > 0 {
					t.Fatalf("%s", reply)
				}
				if signed := tsig.MACSize > 0; signed != (tc.want == dns.RcodeBadTime) {
					t.Errorf("signed: %t", signed)
				}
				if tc.want == dns.RcodeBadTime && tsig.OtherLen != 6 {
					t.Errorf("it lacks our time: %s", tsig)
				}
			})
		}
	}
}

// secondary is what gets a NOTIFY.
func secondary(t *testing.T, handle func(w dns.ResponseWriter, m *dns.Msg)) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: c, Handler: dns.HandlerFunc(handle), TsigSecret: map[string]string{"good.": secret}, NotifyStartedFunc: func() { close(started) }}
	ended := make(chan error)
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { server.Shutdown(); <-ended })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// A secondary that comes later is told of every zone, even if none has changed, and
// so are all if the configuration is replaced while the server starts.
func TestNotifyNewcomers(t *testing.T) {
	told := make(chan string, 10)
	addr := secondary(t, func(w dns.ResponseWriter, m *dns.Msg) {
		told <- m.Question[0].Name
		w.WriteMsg(new(dns.Msg).SetReply(m))
	})
	expect := func() {
		t.Helper()
		select {
		case got := <-told:
			if got != "example.com." {
				t.Errorf("told of %s", got)
			}
		case <-time.After(time.Minute):
			t.Fatal("not told")
		}
	}
	set := zoneSet(t, fixture.Family, nil)
	log := make(records, 10)
	s := listenLog(t, "127.0.0.1:0", Config{Zones: set}, slog.New(log))
	update(context.Background(), s, Config{Zones: zoneSet(t, fixture.Family, set), Secondaries: []config.Secondary{{Address: addr}}})
	expect()

	early, err := Listen("127.0.0.1:0", Config{Zones: set, Secondaries: []config.Secondary{{Address: addr}}}.current(), time.Now, slog.New(log))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	update(ctx, early, Config{Zones: set, Secondaries: []config.Secondary{{Address: addr}}})
	ended := make(chan error)
	go func() { ended <- early.Serve(ctx) }()
	expect()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Secondaries are told of every zone at the start and of what has changed later;
// the first NOTIFY here is lost, and comes again.
func TestNotify(t *testing.T) {
	told := make(chan string, 10)
	var lost atomic.Bool
	addr := secondary(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if !lost.Swap(true) {
			return
		}
		serial := uint32(0)
		if len(m.Answer) == 1 {
			serial = m.Answer[0].(*dns.SOA).Serial
		}
		told <- fmt.Sprintf("%s %s %d, signed %t, opcode %d, aa %t", m.Question[0].Name, dns.Type(m.Question[0].Qtype), serial, m.IsTsig() != nil && w.TsigStatus() == nil, m.Opcode, m.Authoritative)
		reply := new(dns.Msg).SetReply(m)
		if t := m.IsTsig(); t != nil {
			reply.SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix())
		}
		w.WriteMsg(reply)
	})
	first := zoneSet(t, fixture.Family, nil)
	withKey := func(c Config) Config {
		c.Keys, c.Secondaries = []config.Key{goodKey}, []config.Secondary{{Address: addr, Key: "good."}}
		return c
	}
	log := make(records, 10)
	s := listenLog(t, "127.0.0.1:0", withKey(Config{Zones: first}), slog.New(log))
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("not told %q", want)
		}
	}
	expect("example.com. SOA 1, signed true, opcode 4, aa true")
	log.expect(t, "notified") // else what is not acknowledged yet would be said again
	same := zoneSet(t, fixture.Family, first)
	update(context.Background(), s, withKey(Config{Zones: same}))
	changed := zoneSet(t, strings.ReplaceAll(fixture.Family, "imap", "pop3"), same)
	update(context.Background(), s, withKey(Config{Zones: changed}))
	expect("example.com. SOA 3, signed true, opcode 4, aa true")
	log.expect(t, "notified")
	if len(told) > 0 {
		t.Errorf("told once more: %s", <-told)
	}
}

// within waits for what must not take longer than a minute.
func within(t *testing.T, complaint string, wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal(complaint)
	}
}

// A secondary is told of one zone a tick, and of none once the server ends.
func TestNotifyPace(t *testing.T) {
	var told atomic.Int64
	acknowledged := make(chan struct{}, 100)
	addr := secondary(t, func(w dns.ResponseWriter, m *dns.Msg) {
		told.Add(1)
		w.WriteMsg(new(dns.Msg).SetReply(m))
		acknowledged <- struct{}{}
	})
	c := fixture.Catalogue(t, "many.toml", strings.ReplaceAll(fixture.Family,
		`["example.com"]`, `["a.example", "b.example", "c.example", "d.example", "e.example", "f.example"]`))
	set, err := zones.New(c, &config.Config{DNS: config.DNS{DomainZones: []string{"_tcp"},
		NameServers: []config.NameServer{{Name: "ns1.example.com."}}}}, nil, zones.Time{Now: time.Unix(1, 0), Serial: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Listen("127.0.0.1:0", Config{Zones: set, Secondaries: []config.Secondary{{Address: addr}}}.current(), time.Now, slog.New(failing{t}))
	if err != nil {
		t.Fatal(err)
	}
	ticks := make(chan time.Time)
	s.notifier.ticks = func() <-chan time.Time { return ticks }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	for range 3 {
		within(t, "a tick is not taken", func() { ticks <- time.Time{} })
	}
	for range 3 {
		within(t, "a zone is not told of", func() { <-acknowledged })
	}
	cancel()
	if err := <-ended; err != nil || told.Load() != 3 {
		t.Errorf("told of %d zones after 3 ticks, and %v", told.Load(), err)
	}
}

func timeSigned(t *dns.TSIG) string { return fmt.Sprint(t.TimeSigned) }

// Times in signatures are of the server's clock, not of the machine's.
func TestSignatureTimes(t *testing.T) {
	const now = 1_900_000_000
	notified := make(chan uint64, 1)
	addr := secondary(t, func(w dns.ResponseWriter, m *dns.Msg) {
		notified <- m.IsTsig().TimeSigned
		w.WriteMsg(new(dns.Msg).SetReply(m))
	})
	s, err := Listen("127.0.0.1:0", Config{Zones: zoneSet(t, fixture.Family, nil), Keys: []config.Key{goodKey}, Secondaries: []config.Secondary{{Address: addr, Key: "good."}}}.current(),
		func() time.Time { return time.Unix(now, 0) }, slog.New(failing{t}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	within(t, "no NOTIFY", func() {
		if got := <-notified; got != now {
			t.Errorf("NOTIFY is signed at %d", got)
		}
	})
	for _, tc := range []struct {
		name   string
		m      *dns.Msg
		behind int64
		time   func(*dns.TSIG) string
		want   string
	}{
		{"an answer", question("example.com.", dns.TypeMX), 0, timeSigned, "1900000000"},
		{"a transfer", new(dns.Msg).SetAxfr("example.com."), 0, timeSigned, "1900000000"},
		{"a refusal", new(dns.Msg).SetAxfr("example.org."), 0, timeSigned, "1900000000"},
		{"to a client whose clock is wrong", question("example.com.", dns.TypeMX), 3600, func(t *dns.TSIG) string { return t.OtherData }, fmt.Sprintf("%012x", now)},
	} {
		packet, _, err := dns.TsigGenerate(tc.m.SetTsig("good.", dns.HmacSHA256, 300, time.Now().Unix()-tc.behind), secret, "", false)
		if err != nil {
			t.Fatal(err)
		}
		reply := new(dns.Msg)
		if err := reply.Unpack(firstResponse(t, "tcp", s.Addr().String(), string(packet))); err != nil {
			t.Fatal(err)
		}
		if got := reply.IsTsig(); got == nil || tc.time(got) != tc.want {
			t.Errorf("%s: want %s: %s", tc.name, tc.want, reply)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
