package certs

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"
)

// Expiry is when a certificate ends.
type Expiry struct {
	Name     string // one of the names that it is for
	NotAfter time.Time
}

// tlsConfig is TLS 1.2 and up with HTTP/2, for certificates that get chooses. RFC
// 8996 §2 forbids what is older.
func tlsConfig(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{
		GetCertificate: get,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     append([]string{"h2", "http/1.1"}, protocols...),
	}
}

// Files serves TLS with the certificate in two files.
type Files struct {
	files   *files
	signing signing
}

// OpenFiles reads a certificate with its intermediates, and its key, in PEM. Until
// the context ends it looks at them again, each minute if every is 0. The error
// says which of them is wrong and why. A certificate outside of its time is no
// error: it is served, with a complaint in the log, for a server that is not there
// tells its admin less.
func OpenFiles(ctx context.Context, certFile, keyFile string, every time.Duration, log *slog.Logger) (*Files, error) {
	f, err := openFiles(certFile, keyFile, forTLS, time.Now, log)
	if err != nil {
		return nil, err
	}
	if every == 0 {
		every = checkEvery
	}
	go f.watch(ctx, every)
	return &Files{files: f}, nil
}

// forTLS: a certificate outside of its time does not replace one within.
var forTLS = use{
	name: "TLS", expired: "clients refuse it",
	check: func(next, old *tls.Certificate, file string, now time.Time) error {
		if old == nil || inTime(old, file, now) != nil {
			return nil
		}
		return inTime(next, file, now)
	},
}

// TLSConfig is for servers; each handshake takes the certificate of that moment.
func (f *Files) TLSConfig() *tls.Config {
	return tlsConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.files.current.Load(), nil })
}

// Sign signs a profile with the same certificate, unless it is outside of its time.
func (f *Files) Sign(profile []byte) ([]byte, error) {
	return f.signing.sign(f.files.current.Load(), f.files.certFile, time.Now(), profile)
}

// Expiries is when the certificate ends.
func (f *Files) Expiries() []Expiry {
	leaf := f.files.current.Load().Leaf
	name := leaf.Subject.CommonName
	if len(leaf.DNSNames) > 0 {
		name = leaf.DNSNames[0]
	}
	return []Expiry{{name, leaf.NotAfter}}
}
