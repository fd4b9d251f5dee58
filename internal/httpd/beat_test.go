package httpd

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/internal/lookup"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// timedLogins is a directory that notes when it was asked last, and knows everybody but fred.
type timedLogins struct{ at time.Time }

func (a *timedLogins) Login(_ context.Context, _ string, who address.Address, _ lookup.Asker) (lookup.Login, error) {
	a.at = time.Now()
	if who.Local == "fred" {
		return lookup.Login{}, &lookup.UnknownAddress{Domain: who.Domain}
	}
	return lookup.Login{Name: "u77"}, nil
}

// stamped notes when an answer goes.
type stamped struct {
	*httptest.ResponseRecorder
	at time.Time
}

func (s *stamped) WriteHeader(status int) {
	s.at = time.Now()
	s.ResponseRecorder.WriteHeader(status)
}

// Whatever is answered once a directory was asked goes a period later at the earliest,
// and what it was asked for is done by then.
func TestHeldAnswers(t *testing.T) {
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", `display_name = "Example hoster"
domains = ["example.com"]
[[incoming]]
protocol = "imap"
hostname = "imap.example.com"
username = "%LOGIN%"
[[outgoing]]
hostname = "smtp.example.com"
username = "%LOGIN%"
`), pages.Branding{}, "https://mail.example.net")
	if err != nil {
		t.Fatal(err)
	}
	directory := new(timedLogins)
	h := Handler(Options{Current: func() *snapshot.Snapshot { return s }, Logins: directory})
	for _, tc := range []struct {
		name, target string
		asked        bool
		status       int
	}{
		{"a document", "/mail/config-v1.1.xml?emailaddress=anna@example.com", true, 200},
		{"a document that is refused", "/mail/config-v1.1.xml?emailaddress=fred@example.com", true, 404},
		{"Autodiscover", "/autodiscover/autodiscover.json?Email=fred@example.com&Protocol=ActiveSync", true, 404},
		{"a profile", "/mobileconfig?emailaddress=anna@example.com", true, 200},
		{"a profile that is refused", "/mobileconfig?emailaddress=anna@example.com&emailaddress=anna@example.net", true, 404},
		{"a page", "/setup?emailaddress=anna@example.com", true, 200},
		{"a page that says no", "/setup?emailaddress=fred@example.com", true, 404},
		{"JSON", "/api/v1/settings?emailaddress=anna@example.com", true, 200},
		{"a problem", "/api/v1/settings?emailaddress=fred@example.com", true, 404},
		{"no mailbox", "/mail/config-v1.1.xml?emailaddress=example.com", false, 404},
		{"no domain of ours", "/mail/config-v1.1.xml?emailaddress=anna@example.net", false, 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			directory.at = time.Time{}
			r := httptest.NewRequest(http.MethodGet, tc.target, nil)
			r.Host, r.TLS = "mail.example.net", new(tls.ConnectionState)
			w := &stamped{ResponseRecorder: httptest.NewRecorder()}
			h.ServeHTTP(w, r)
			if w.Code != tc.status || directory.at.IsZero() == tc.asked {
				t.Fatalf("%d, asked at %v\n%s", w.Code, directory.at, w.Body)
			}
			if held := w.at.Sub(directory.at); held < period {
				t.Errorf("it went %v after the directory was asked", held)
			}
		})
	}
}

// Nobody goes early or is forgotten, however many wait; who leaves is not waited for.
func TestBeat(t *testing.T) {
	var b beat
	var waiting sync.WaitGroup
	for range 500 {
		waiting.Go(func() {
			begun := time.Now()
			b.begin(context.Background())()
			if held := time.Since(begun); held < period {
				t.Errorf("held for %v", held)
			}
		})
	}
	waiting.Wait()
	left, leave := context.WithCancel(context.Background())
	leave()
	b.begin(left)()
	b.begin(context.Background())()
}
