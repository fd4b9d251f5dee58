package httpd

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// limitedHandler serves the family, by a clock of the test's.
func limitedHandler(t testing.TB, l Limits, now *time.Time) http.Handler {
	t.Helper()
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", fixture.Family), pages.Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	return Handler(Options{
		Current: func() *snapshot.Snapshot { return s },
		Log:     slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return *now },
		Limits:  l,
		Proxies: Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("192.0.2.99/32")}},
	})
}

// countingDNS knows no domain, and counts those that it is asked for.
type countingDNS int

func (n *countingDNS) MX(context.Context, address.Domain) []address.Domain {
	*n++
	return nil
}

// One client cannot use up what all may look up in DNS.
func TestMXRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", fixture.Family), pages.Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	asked := new(countingDNS)
	h := Handler(Options{Current: func() *snapshot.Snapshot { return s }, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Limits: Limits{MXRate: 2}, Resolver: asked})
	for _, tc := range []struct {
		name, from string
		after      time.Duration
		want       countingDNS // of 50 domains
	}{
		{"a client", "192.0.2.1:1", 0, 2 * ShareMX},
		{"another", "192.0.2.2:1", 0, 2 * ShareMX},
		{"the first, later", "192.0.2.1:1", 3 * time.Second, 6},
		{"a proxy on this machine", "127.0.0.1:1", 0, 50},
	} {
		now = now.Add(tc.after)
		*asked = 0
		for i := range 50 {
			if w := fetch(h, tc.from, fmt.Sprintf("/setup?emailaddress=fred@d%d.example", i)); w.Code != http.StatusNotFound {
				t.Fatalf("%s: %d", tc.name, w.Code)
			}
		}
		if *asked != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, *asked, tc.want)
		}
	}
}

func fetch(h http.Handler, from, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Each client has its own bucket, which fills as time goes on; nobody else's requests
// matter.
func TestRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	refused := make(map[Excess]int)
	h := limitedHandler(t, Limits{
		Rate: 2, Burst: 5,
		Refused: func(e Excess) { refused[e]++ },
	}, &now)
	start := now
	for _, tc := range []struct {
		name, from string
		n          int
		after      time.Duration
		want       int // that are answered
	}{
		{"a burst", "192.0.2.1:1", 8, 0, 5},
		{"from another port", "192.0.2.1:2", 1, 0, 0},
		{"another address", "192.0.2.2:1", 5, 0, 5},
		{"half a second later", "192.0.2.1:1", 3, 500 * time.Millisecond, 1},
		{"a clock that was set back", "192.0.2.1:1", 3, -time.Hour, 0},
		{"long after", "192.0.2.1:1", 9, time.Hour, 5},
		{"IPv6", "[2001:db8:0:1::1]:1", 6, 0, 5},
		{"the same /64", "[2001:db8:0:1:ffff::2]:1", 2, 0, 0},
		{"another /64", "[2001:db8:0:2::1]:1", 2, 0, 2},
		{"IPv4 in IPv6", "[::ffff:192.0.2.3]:1", 4, 0, 4},
		{"the same as IPv4", "192.0.2.3:1", 4, 0, 1},
		{"loopback", "127.0.0.1:1", 50, 0, 50},
		{"loopback of IPv6", "[::1]:1", 50, 0, 50},
		{"a Unix socket", "@", 50, 0, 50},
		{"a proxy's own address", "192.0.2.99:1", 50, 0, 50},
	} {
		now = start.Add(tc.after)
		got := 0
		for range tc.n {
			if fetch(h, tc.from, "/v1.1/example.com").Code == http.StatusOK {
				got++
			}
		}
		if got != tc.want {
			t.Errorf("%s: %d of %d are answered, want %d", tc.name, got, tc.n, tc.want)
		}
	}
	if refused[TooFast] != 19 || len(refused) != 1 {
		t.Errorf("%v was heard of", refused)
	}
}

// With the defaults, 300 people behind one address can have their programs ask six times
// each in the same second; a flood from there is bounded all the same.
func TestOffice(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := config.Default().Limits
	h := limitedHandler(t, Limits{Rate: l.Rate, Burst: l.Burst, AtOnce: l.AtOnce}, &now)
	for i := range 300 * 6 {
		if w := fetch(h, "192.0.2.1:1", "/v1.1/example.com"); w.Code != http.StatusOK {
			t.Fatalf("request %d: %d", i+1, w.Code)
		}
	}
	for range 1000 {
		fetch(h, "192.0.2.1:1", "/v1.1/example.com")
	}
	refused := fetch(h, "192.0.2.1:1", "/v1.1/example.com")
	if refused.Code != http.StatusTooManyRequests || refused.Header().Get("Retry-After") != "1" {
		t.Fatalf("%d %v", refused.Code, refused.Header())
	}
	now = now.Add(time.Second) // as it was told
	if w := fetch(h, "192.0.2.1:1", "/v1.1/example.com"); w.Code != http.StatusOK {
		t.Errorf("after Retry-After: %d", w.Code)
	}
}

// What a client reads that asks too much: JSON where its programs ask for that, and
// never a page.
func TestRefusal(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	text := "429 too many requests: this address asks too much; ask again in 10 s\n"
	for path, want := range map[string]struct{ contentType, body string }{
		"/v1.1/example.com": {plainText, text},
		"/setup":            {plainText, text},
		"/nothing":          {plainText, text},
		"/api/v1/settings": {"application/problem+json", "{\n  \"type\": \"/api/v1/problems/too-many-requests\",\n  \"title\": \"The client asks too much\",\n  \"status\": 429,\n" +
			"  \"detail\": \"this address asks too much; ask again in 10 s\",\n  \"code\": \"too-many-requests\"\n}\n"},
	} {
		l := Limits{Rate: 1, Burst: 1}
		h := limitedHandler(t, l, &now)
		fetch(h, "192.0.2.1:1", path)
		if got := fetch(h, "192.0.2.1:1", path).Header().Get("Retry-After"); got != "1" {
			t.Errorf("%s: Retry-After: %s", path, got)
		}
		now = now.Add(-9 * time.Second) // and the bucket is full in ten
		w := fetch(h, "192.0.2.1:1", path)
		h2 := w.Header()
		if w.Code != http.StatusTooManyRequests || h2.Get("Retry-After") != "10" || h2.Get("Cache-Control") != "no-store" ||
			h2.Get("Content-Type") != want.contentType || w.Body.String() != want.body {
			t.Errorf("%s: %d %v %q", path, w.Code, h2, w.Body)
		}
	}
}

// However many clients there are, none gets more than its bound, most strangers to the
// flood are answered, and no memory grows.
func TestRateInFlood(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(Limits{Rate: 50, Burst: 100}, Proxies{}, now)
	flooder, passed, honest := netip.MustParseAddr("192.0.2.1"), 0, 0
	const requests = 200_000 // in a second
	for i := range uint32(requests) {
		now = now.Add(time.Second / requests)
		client := flooder
		if i%2 == 0 { // in the noise of as many networks as there are requests
			client = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		}
		if l.wait(client, now) == 0 && client == flooder {
			passed++
		}
		if i%(requests/100) == 0 && l.wait(netip.AddrFrom4([4]byte{198, 18, 0, byte(i / (requests / 100))}), now) == 0 {
			honest++
		}
	}
	if passed < 100 || passed > 150 {
		t.Errorf("%d requests of the flooder pass in a second, want 100 to 150", passed)
	}
	if honest < 95 {
		t.Errorf("%d of 100 honest requests are answered", honest)
	}
}

// One request too many is refused while the others are under way, and its place is
// free again behind it, after a panic too.
func TestRequestsAtOnce(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	entered, release := make(chan bool), make(chan bool)
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", fixture.Family), pages.Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	refused := 0
	h := Handler(Options{
		Current: func() *snapshot.Snapshot { return s },
		Log:     slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return now },
		Sign: func(profile []byte) ([]byte, error) { // holds a request
			entered <- true
			if <-release {
				panic("at work")
			}
			return profile, nil
		},
		Limits: Limits{AtOnce: 3, Refused: func(e Excess) {
			mu.Lock()
			defer mu.Unlock()
			if e == TooMany {
				refused++
			}
		}},
	})
	for _, panics := range []bool{false, true} {
		var held sync.WaitGroup
		for range 3 {
			held.Go(func() { fetch(h, "127.0.0.1:1", "/mobileconfig?emailaddress=fred@example.com") })
			<-entered
		}
		for range 2 {
			w := fetch(h, "127.0.0.1:1", "/v1.1/example.com")
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !strings.HasPrefix(w.Body.String(), "503 service unavailable: ") {
				t.Errorf("%d %v %q", w.Code, w.Header(), w.Body)
			}
		}
		for range 3 {
			release <- panics
		}
		held.Wait()
		if w := fetch(h, "127.0.0.1:1", "/v1.1/example.com"); w.Code != http.StatusOK {
			t.Errorf("after that: %d", w.Code)
		}
	}
	if refused != 4 {
		t.Errorf("%d refusals were heard of, want 4", refused)
	}
}

// BenchmarkRate is the bucket of one client, and of many.
func BenchmarkRate(b *testing.B) {
	for _, bc := range []struct {
		name    string
		clients uint32
	}{{"one", 1}, {"many", 1 << 20}} {
		b.Run(bc.name, func(b *testing.B) {
			now := time.Unix(1_800_000_000, 0)
			l := newLimiter(Limits{Rate: 50, Burst: 1000}, Proxies{Trusted: Loopback()}, now)
			b.ReportAllocs()
			var i uint32
			for b.Loop() {
				i++
				var addr [4]byte
				binary.BigEndian.PutUint32(addr[:], 0x01000000+i%bc.clients)
				l.wait(netip.AddrFrom4(addr), now.Add(time.Duration(i)*time.Millisecond))
			}
		})
	}
}
