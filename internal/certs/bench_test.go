package certs_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"milepost/internal/certs"
	"milepost/internal/fixture"
)

// BenchmarkHandshake makes whole handshakes in memory, in turn with a certificate from
// files and the same one in the storage of ACME, which is looked up by its name.
func BenchmarkHandshake(b *testing.B) {
	const name = "autoconfig.example.com"
	cert, key := fixture.Certificate(b, name, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour))
	stored := "storage/certificates/127.0.0.1-14000-dir/" + name + "/" + name
	dir := fixture.Directory(b, "cert.pem", cert, "key.pem", key,
		stored+".crt", cert, stored+".key", key, stored+".json", `{"sans":["`+name+`"],"issuer_data":{}}`)
	log := slog.New(slog.DiscardHandler)
	files, err := certs.OpenFiles(b.Context(), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), 0, log)
	if err != nil {
		b.Fatal(err)
	}
	acme, err := certs.NewACME(b.Context(), certs.ACMEOptions{Allowed: allowed, Directory: "https://127.0.0.1:14000/dir", Storage: filepath.Join(dir, "storage"), HTTPSPort: 1}, log)
	if err != nil {
		b.Fatal(err)
	}
	configs := []*tls.Config{files.TLSConfig(), acme.TLSConfig()}
	const batch = 20
	var took [2]time.Duration
	for b.Loop() {
		for i, c := range configs {
			begun := time.Now()
			for range batch {
				handshake(b, c, name)
			}
			took[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(took[0].Microseconds())/float64(batch*b.N), "µs/files")
	b.ReportMetric(float64(took[1].Microseconds())/float64(batch*b.N), "µs/ACME")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ACME-of-files")

	hello := &tls.ClientHelloInfo{ServerName: name}
	begun := time.Now()
	const lookUps = 10_000
	for range lookUps {
		if _, err := configs[1].GetCertificate(hello); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(begun).Nanoseconds())/lookUps, "ns/look-up")
}

// handshake is one of both sides, that resumes nothing.
func handshake(b *testing.B, config *tls.Config, name string) {
	b.Helper()
	ours, theirs := net.Pipe()
	defer theirs.Close()
	done := make(chan error, 1)
	go func() {
		defer ours.Close()
		done <- tls.Server(ours, config).Handshake()
	}()
	client := tls.Client(theirs, &tls.Config{ServerName: name, InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}})
	if err := client.Handshake(); err != nil {
		b.Fatal(err)
	}
	client.Read(make([]byte, 1)) // the session tickets, and the end
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
