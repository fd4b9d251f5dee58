package httpd_test

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/mobileconfig"
)

func newSigner(t testing.TB) *mobileconfig.Signer {
	t.Helper()
	cert, key := fixture.Certificate(t, "mail.example.com", time.Time{}, time.Now().Add(time.Hour))
	s, err := mobileconfig.NewSigner([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A profile is signed if there is a signer. If it cannot sign, there is no
// profile: an unsigned one would take a verified one's place.
func TestSignedProfile(t *testing.T) {
	c := familyCatalogue(t)
	const request = "GET /mobileconfig?emailaddress=fred@example.com HTTP/1.1\nHost: x\n\n"
	for name, tc := range map[string]struct {
		sign   func([]byte) ([]byte, error)
		status string
		begins string
	}{
		"signed":   {newSigner(t).Sign, "200 OK", "\n\n\x30\x82"}, // a DER sequence
		"unsigned": {nil, "200 OK", "\n\n<?xml"},
		"broken":   {func([]byte) ([]byte, error) { return nil, errors.New("no") }, "500 Internal Server Error", "\n\n500 "},
	} {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, startOptions(t, httpd.Options{Current: current(t, c, ""), Sign: tc.sign}, io.Discard), request)
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+"\n") || !strings.Contains(got, tc.begins) {
				t.Errorf("%.400q", got)
			}
		})
	}
}

// BenchmarkSignedProfile makes a signed profile through the whole stack, beside
// the bare signature, in turn.
func BenchmarkSignedProfile(b *testing.B) {
	c := fixture.Shipped(b)
	s := newSigner(b)
	h := httpd.Handler(httpd.Options{Current: current(b, c, ""), Log: slog.New(slog.DiscardHandler), Sign: s.Sign})
	request := func() *http.Request {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET /mobileconfig?emailaddress=fred@gmx.com HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			b.Fatal(err)
		}
		r.RemoteAddr = "127.0.0.1:1"
		return r
	}
	w := httptest.NewRecorder()
	httpd.Handler(httpd.Options{Current: current(b, c, ""), Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, request())
	profile := w.Body.Bytes()
	var stack, bare time.Duration
	for b.Loop() {
		start := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request())
		stack += time.Since(start)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		start = time.Now()
		if _, err := s.Sign(profile); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(start)
	}
	b.ReportMetric(float64(stack.Nanoseconds())/float64(b.N), "ns/profile")
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N), "ns/signature")
	b.ReportMetric(stack.Seconds()/bare.Seconds(), "of-signature")
}
