// Package certs keeps certificates and their keys: from files, which are read again
// when they change, or from an ACME server (RFC 8555). They serve TLS, and sign
// profiles.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"milepost/mobileconfig"
)

// signing signs profiles with a certificate that may change. It never signs outside
// of the certificate's time.
type signing struct {
	mu     sync.Mutex
	leaf   *x509.Certificate
	signer *mobileconfig.Signer
}

// sign signs a profile; source says in an error where the certificate is from.
func (s *signing) sign(pair *tls.Certificate, source string, now time.Time, profile []byte) ([]byte, error) {
	if err := inTime(pair, source, now); err != nil {
		return nil, err
	}
	signer, err := s.of(pair)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return signer.Sign(profile)
}

func (s *signing) of(pair *tls.Certificate) (*mobileconfig.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != nil && s.leaf.Equal(pair.Leaf) {
		return s.signer, nil
	}
	signer, err := mobileconfig.NewSignerFrom(*pair)
	if err != nil {
		return nil, err
	}
	s.leaf, s.signer = pair.Leaf, signer
	return signer, nil
}

// forSigning: whatever could sign nothing is refused when it is read.
var forSigning = use{
	name: "signing profiles", expired: "no profile is given out",
	check: func(next, _ *tls.Certificate, file string, now time.Time) error {
		if _, err := mobileconfig.NewSignerFrom(*next); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return inTime(next, file, now)
	},
}

// Pair signs with what is in two files.
type Pair struct {
	files   *files
	signing signing
}

// OpenSigner returns what signs profiles until the context ends; nil: no files are
// named, and nothing does.
func OpenSigner(ctx context.Context, certFile, keyFile string, now func() time.Time, log *slog.Logger) (func([]byte) ([]byte, error), error) {
	if certFile == "" && keyFile == "" {
		return nil, nil
	}
	pair, err := Open(certFile, keyFile, now, log)
	if err != nil {
		return nil, err
	}
	go pair.files.watch(ctx, checkEvery)
	return pair.Sign, nil
}

// Open reads the files. The error says which of them is wrong and why: not PEM,
// a key of another certificate, a certificate that has expired or is not valid
// yet.
func Open(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*Pair, error) {
	f, err := openFiles(certFile, keyFile, forSigning, now, log)
	if err != nil {
		return nil, err
	}
	return &Pair{files: f}, nil
}

// Sign signs a profile. New files that are wrong are logged, and the old ones
// stay in use; an expired certificate signs nothing.
func (p *Pair) Sign(profile []byte) ([]byte, error) {
	p.files.look(checkEvery)
	return p.signing.sign(p.files.current.Load(), p.files.certFile, p.files.now(), profile)
}
