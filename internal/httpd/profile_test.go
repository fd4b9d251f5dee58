package httpd_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"milepost/data"
	"milepost/internal/httpd"
	"milepost/internal/providerfile"
	"milepost/mobileconfig"
)

func newSigner(t testing.TB) *mobileconfig.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mobileconfig.NewSigner(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
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
	c, _, err := providerfile.Load(providerfile.Directory{FS: data.Providers()})
	if err != nil {
		b.Fatal(err)
	}
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
