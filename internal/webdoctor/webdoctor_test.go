package webdoctor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
	"milepost/internal/metrics"
)

// What the administrator allows goes before what is private or the machine's own.
func TestReachable(t *testing.T) {
	w := &world{own: []netip.Addr{netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("9.9.9.10"), netip.MustParseAddr("2620:fe::fe")},
		allow: []netip.Prefix{netip.MustParsePrefix("10.1.2.0/24"), netip.MustParsePrefix("9.9.9.10/32")}}
	for _, tc := range []struct {
		name, address string
		want          bool
	}{
		{"somebody's", "9.9.9.8", true},
		{"own", "9.9.9.9", false},
		{"own, mapped", "::ffff:9.9.9.9", false},
		{"own, by NAT64", "64:ff9b::9.9.9.9", false},
		{"own, IPv6", "2620:fe::fe", false},
		{"own and allowed", "9.9.9.10", true},
		{"private and allowed", "10.1.2.3", true},
		{"private, mapped, allowed", "::ffff:10.1.2.3", true},
		{"private", "10.1.3.3", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := w.reachable(netip.MustParseAddr(tc.address)); got != tc.want {
				t.Errorf("%s: %t", tc.address, got)
			}
		})
	}
}

func TestMay(t *testing.T) {
	for _, tc := range []struct {
		domain string
		want   bool
	}{
		{"example.com", true}, {"example.co.uk", true}, {"münchen.de", true}, {"somebody.github.io", true},
		{"com", false}, {"co.uk", false}, {"localhost", false}, {"printer.local", false}, {"db.corp.internal", false}, {"jean.martin", false},
		{"mail.home.arpa", false}, {"x.onion", false}, {"host.lan", false},
	} {
		t.Run(tc.domain, func(t *testing.T) {
			if got := May(fixture.Domain(t, tc.domain)); got != tc.want {
				t.Errorf("%t", got)
			}
		})
	}
}

// dialled notes what is connected to.
type dialled struct {
	mu  sync.Mutex
	all []string
}

func (d *dialled) by(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d.mu.Lock()
		d.all = append(d.all, address)
		d.mu.Unlock()
		return dial(ctx, network, address)
	}
}

func (d *dialled) list() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.all)
}

func result(t *testing.T, d *Doctor, domain string) *doctor.Report {
	t.Helper()
	x, refusal := d.Begin(fixture.Domain(t, domain), func() bool { return true })
	if refusal != "" {
		t.Fatal(refusal)
	}
	<-x.Done()
	report, _ := x.Report()
	if report == nil {
		t.Fatal("there is no report")
	}
	return report
}

var documentation = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}

// asPostmaster has documents speak of the address that is asked for where none is typed.
func asPostmaster(p *fixture.Page) *fixture.Page {
	for i := range p.Files {
		p.Files[i].Data = bytes.ReplaceAll(p.Files[i].Data, []byte("fred@"), []byte("postmaster@"))
	}
	return p
}

// What is allowed is examined as on the command line.
func TestExamined(t *testing.T) {
	w := fixture.OpenWorld(t, asPostmaster(fixture.ReadPage(t, "../observe/testdata/worlds/good.txtar")))
	d := New(Options{Resolvers: []string{w.Resolver}, Roots: w.Roots, Dial: w.Dial, Allow: func() []netip.Prefix { return documentation }})
	if report := result(t, d, "example.com"); report.Grade != "A" {
		t.Errorf("%s", report.Text())
	}
}

// Nothing of the same is asked where it is not allowed, but for its names.
func TestNotPublic(t *testing.T) {
	w := fixture.OpenWorld(t, fixture.ReadPage(t, "../observe/testdata/worlds/good.txtar"))
	var to dialled
	d := New(Options{Resolvers: []string{w.Resolver}, Roots: w.Roots, Dial: to.by(w.Dial)})
	report := result(t, d, "example.com")
	if report.Grade == "A" || slices.ContainsFunc(to.list(), func(a string) bool { return a != w.Resolver }) || len(to.list()) == 0 {
		t.Errorf("connected to %q\n%s", to.list(), report.Text())
	}
}

// A domain all of whose ways lead inside: by A, CNAME, MX, NS and SRV records, by
// redirects, to other ports, to the machine's own address.
func TestNothingInside(t *testing.T) {
	w := fixture.OpenWorld(t, fixture.ReadPage(t, "testdata/inside.txtar"))
	var to dialled
	m := metrics.New(metrics.Sources{})
	d := New(Options{Resolvers: []string{w.Resolver}, Roots: w.Roots, Dial: to.by(w.Dial), Metrics: m,
		Own:   func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("9.9.9.9")} },
		Allow: func() []netip.Prefix { return documentation }})
	report := result(t, d, "example.com")
	asked := make(map[string]bool)
	for _, a := range to.list() {
		asked[a] = true
		at := netip.MustParseAddrPort(a)
		if a != w.Resolver && (!documentation[0].Contains(at.Addr()) || !slices.Contains(ports, at.Port())) {
			t.Errorf("%s was connected to", a)
		}
	}
	for _, a := range []string{"192.0.2.51:53", "192.0.2.80:80", "192.0.2.80:443"} { // else the rest shows nothing
		if !asked[a] {
			t.Errorf("%s was not connected to: %q", a, to.list())
		}
	}
	text, err := report.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "* OK secret") || strings.Contains(string(text), "<secret") {
		t.Errorf("the report shows what is inside:\n%s", text)
	}
	for _, reason := range []string{"address", "port", "name"} {
		if strings.Contains(scrape(m), fmt.Sprintf("milepost_doctor_refused_total{reason=%q} 0", reason)) {
			t.Errorf("nothing was refused for its %s", reason)
		}
	}
}

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// The machine's own name is resolved, and what it leads to is not asked.
func TestOwnName(t *testing.T) {
	w := fixture.OpenWorld(t, fixture.ReadPage(t, "testdata/inside.txtar"))
	for name, own := range map[string]bool{"own.example.com": true, "": false} {
		var to dialled
		d := New(Options{Resolvers: []string{w.Resolver}, Dial: to.by(w.Dial), Host: func() string { return name }})
		result(t, d, "example.com")
		got := slices.ContainsFunc(to.list(), func(a string) bool { return strings.HasPrefix(a, "9.9.9.9:") })
		if got == own {
			t.Errorf("%q: connected to %q", name, to.list())
		}
	}
}

// A name that means something else the second time is not asked a second time.
func TestRebinding(t *testing.T) {
	var mu sync.Mutex
	times := make(map[string]int)
	resolver := serveDNS(t, func(q dns.Question) string {
		mu.Lock()
		defer mu.Unlock()
		times[fmt.Sprint(q.Name, " ", dns.TypeToString[q.Qtype])]++
		if q.Qtype != dns.TypeA {
			return ""
		}
		if times[q.Name+" A"] == 1 {
			return "192.0.2.80"
		}
		return "127.0.0.1"
	})
	var to dialled
	d := New(Options{Resolvers: []string{resolver}, Allow: func() []netip.Prefix { return documentation },
		Dial: to.by(func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == resolver {
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		})})
	result(t, d, "example.com")
	mu.Lock()
	defer mu.Unlock()
	for question, n := range times {
		if n > 1 {
			t.Errorf("%s was asked %d times", question, n)
		}
	}
	web := 0
	for _, a := range to.list() {
		if a != resolver && !strings.HasPrefix(a, "192.0.2.80:") {
			t.Errorf("%s was connected to", a)
		}
		if strings.HasSuffix(a, ":443") {
			web++
		}
	}
	if web < 3 {
		t.Errorf("only %d requests: %q", web, to.list())
	}
}

// serveDNS answers with an address or nothing.
func serveDNS(t *testing.T, answer func(dns.Question) string) string {
	t.Helper()
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		if ip := answer(q.Question[0]); ip != "" {
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(ip)}}
		}
		w.WriteMsg(m)
	})}
	go s.ActivateAndServe()
	<-started
	t.Cleanup(func() { s.Shutdown() })
	return packets.LocalAddr().String()
}

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// waiting is a world in which nothing answers until it is let go.
func waiting(t *testing.T, ctx context.Context) (d *Doctor, now *clock, release func()) {
	gate := make(chan struct{})
	now = &clock{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	d = New(Options{Context: ctx, Resolvers: []string{"127.0.0.1:53"}, Now: now.Now, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		select {
		case <-gate:
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return d, now, release
}

func TestBounds(t *testing.T) {
	d, now, release := waiting(t, context.Background())
	shares := 0
	begin := func(domain string, share bool) (*Diagnosis, Refusal) {
		return d.Begin(fixture.Domain(t, domain), func() bool { shares++; return share })
	}
	if x, no := begin("a.com", false); x != nil || no != TooOften {
		t.Errorf("a client without a share: %v, %q", x, no)
	}
	first, _ := begin("a.com", true)
	if first == nil {
		t.Fatal("nothing is begun")
	}
	if again, no := begin("a.com", false); again != first || no != "" {
		t.Error("a domain is examined twice at once")
	}
	for _, domain := range []string{"b.com", "c.com", "d.com"} {
		if _, no := begin(domain, true); no != "" {
			t.Fatal(domain, no)
		}
	}
	before := shares
	if x, no := begin("e.com", true); x != nil || no != Busy || shares != before {
		t.Errorf("a fifth: %v, %q; %d shares", x, no, shares-before)
	}
	if report, _ := first.Report(); report != nil {
		t.Error("there is a report before the end")
	}
	release()
	<-first.Done()
	report, at := first.Report()
	if report == nil || !at.Equal(now.Now()) {
		t.Fatal("there is no report, or not of now")
	}
	now.pass(fresh - 1)
	if x, no := begin("a.com", false); x != first || no != "" {
		t.Error("what is fresh is not shown")
	}
	now.pass(1)
	if x, no := begin("a.com", false); x != nil || no != TooOften {
		t.Error("what is not fresh is no reason for a share")
	}
	if d.Find(first.Domain) != first {
		t.Error("it is not kept")
	}
	now.pass(Kept - fresh)
	if d.Find(first.Domain) != nil {
		t.Error("it is kept for ever")
	}
}

// A server that stops ends what is under way, and shows no half of it.
func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d, _, _ := waiting(t, ctx)
	x, _ := d.Begin(fixture.Domain(t, "a.com"), func() bool { return true })
	cancel()
	<-x.Done()
	if report, _ := x.Report(); report != nil || d.Find(x.Domain) != nil {
		t.Error("half a report is kept")
	}
}

// A mistake of ours that something foreign meets costs an answer, or the diagnosis, and is
// logged.
func TestFence(t *testing.T) {
	var log bytes.Buffer
	d := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Host: func() string { panic("mail.example.com") }})
	x, _ := d.Begin(fixture.Domain(t, "a.com"), func() bool { return true })
	<-x.Done()
	if report, _ := x.Report(); report != nil || d.Find(x.Domain) != nil || d.underWay != 0 {
		t.Error("half a report is kept")
	}
	w := d.newWorld()
	w.Internet = nil
	ctx := t.Context()
	for name, got := range map[string]doctor.Failure{
		"Resolve": w.Resolve(ctx, doctor.Question{Name: "a.com", Type: dns.TypeA}).Failure,
		"Fetch":   w.Fetch(ctx, doctor.Request{Method: "GET", URL: "https://a.com/"}, nil).Failure,
		"Greet":   w.Greet(ctx, doctor.Endpoint{Protocol: "imap", Host: "a.com", Port: 993}).Failure,
	} {
		if got != doctor.NotAsked {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := strings.Count(log.String(), "msg=panic stack="); n != 4 || strings.Contains(log.String(), "mail.example.com") {
		t.Errorf("%d panics are logged:\n%s", n, log.String())
	}
}

// However many domains are examined and whatever is found, memory is bounded.
func TestForget(t *testing.T) {
	now := &clock{now: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	done := make(chan struct{})
	close(done)
	for _, tc := range []struct {
		name         string
		number, size int
		every        time.Duration
		want         int
	}{
		{"few", 10, 1000, time.Second, 10},
		{"many", 1000, 1000, time.Second, maxKept},
		{"large", 50, maxReport / 10, time.Second, 10},
		{"old", 100, 1000, Kept / 10, 10},
		{"one that is too large", 1, maxReport + 1, time.Second, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(Options{Now: now.Now})
			running := &Diagnosis{Domain: fixture.Domain(t, "running.com"), done: make(chan struct{})}
			d.kept["running.com"] = running
			last := ""
			for i := range tc.number {
				now.pass(tc.every)
				last = fmt.Sprintf("d%d.com", i)
				d.kept[last] = &Diagnosis{Domain: fixture.Domain(t, last), done: done, at: now.Now(), report: new(doctor.Report), octets: tc.size}
				d.forget()
			}
			if got := len(d.kept) - 1; got != tc.want || d.kept["running.com"] != running || tc.want > 0 && d.kept[last] == nil {
				t.Errorf("%d are kept, want %d", got, tc.want)
			}
		})
	}
}

// One address has few connections at a time, and gives each place back.
func TestPlaces(t *testing.T) {
	var p places
	a := netip.MustParseAddr("9.9.9.9")
	var leave []func()
	for range perAddress {
		l, err := p.enter(context.Background(), a)
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.enter(ctx, a); err == nil {
		t.Error("there is no bound")
	}
	if l, err := p.enter(ctx, netip.MustParseAddr("9.9.9.8")); err == nil {
		l()
	}
	leave[0]()
	leave[0]() // a connection may be closed twice
	l, err := p.enter(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, leave := range append(leave, l) {
		leave()
	}
	if len(p.taken) != 0 {
		t.Errorf("%d addresses are remembered", len(p.taken))
	}
}

// Nobody is flooded: an address gets so many connections, whoever has what examined; one
// that the administrator allows gets what it is asked for.
func TestShares(t *testing.T) {
	_, now, release := waiting(t, t.Context())
	release()
	d := New(Options{Now: now.Now, Allow: func() []netip.Prefix { return documentation }})
	took := func(address string) (n int) {
		for range 3 { // diagnoses
			w := d.newWorld()
			for range 400 {
				if w.allowed(netip.AddrPortFrom(netip.MustParseAddr(address), 443)) {
					n++
				}
			}
		}
		return n
	}
	for _, tc := range []struct {
		name, address string
		after         time.Duration
		want          int
	}{
		{"the first", "9.9.9.9", 0, connectsAtOnce},
		{"its other form", "::ffff:9.9.9.9", 0, 0},
		{"by NAT64", "64:ff9b::9.9.9.9", 0, 0},
		{"a second later", "9.9.9.9", time.Second, 8},
		{"allowed", "192.0.2.1", 0, 1200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now.pass(tc.after)
			if n := took(tc.address); n != tc.want {
				t.Errorf("%d connections, want %d", n, tc.want)
			}
		})
	}
}

// Nor does one connection bring a host more requests than a domain needs.
func TestPerHost(t *testing.T) {
	w := New(Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }}).newWorld()
	for i := range perHost + 1 {
		host := []string{"9.9.9.9", "9.9.9.9."}[i%2]
		x := w.Fetch(t.Context(), doctor.Request{Method: "GET", URL: fmt.Sprintf("https://%s/%d", host, i)}, nil)
		if asked := x.Failure != doctor.NotAsked; asked != (i < perHost) {
			t.Fatalf("request %d: %s", i, x.Failure)
		}
	}
}
