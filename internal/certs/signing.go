// Package certs keeps the certificate and key that profiles are signed with:
// read from files, again when these change, and never used outside of the
// certificate's time.
package certs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"milepost/internal/textfile"
	"milepost/mobileconfig"
)

// warnBefore is how long before its end a certificate is complained of.
const warnBefore = 14 * 24 * time.Hour

// checkEvery is how often the files are looked at.
const checkEvery = time.Minute

// Pair signs with what is in two files.
type Pair struct {
	certFile, keyFile string
	now               func() time.Time
	log               *slog.Logger

	mu        sync.Mutex
	signer    *mobileconfig.Signer
	cert, key []byte // what signer was made of
	checked   time.Time
	warned    time.Time
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
	go pair.Watch(ctx)
	return pair.Sign, nil
}

// Open reads the files. The error says which of them is wrong and why: not PEM,
// a key of another certificate, a certificate that has expired or is not valid
// yet.
func Open(certFile, keyFile string, now func() time.Time, log *slog.Logger) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, now: now, log: log}
	if err := p.read(); err != nil {
		return nil, err
	}
	p.checked = now()
	p.warn()
	return p, nil
}

// read takes the files over if they have changed and are right.
func (p *Pair) read() error {
	cert, err := textfile.ReadFile(p.certFile, maxFile)
	if err != nil {
		return fmt.Errorf("%s: %w", p.certFile, err)
	}
	key, err := textfile.ReadFile(p.keyFile, maxFile)
	if err != nil {
		return fmt.Errorf("%s: %w", p.keyFile, err)
	}
	if bytes.Equal(cert, p.cert) && bytes.Equal(key, p.key) {
		return nil
	}
	signer, err := mobileconfig.NewSigner(cert, key)
	if err != nil {
		return fmt.Errorf("%s with %s: %w", p.certFile, p.keyFile, err)
	}
	leaf := signer.Certificate()
	switch now := p.now(); {
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s: the certificate is not valid before %s", p.certFile, leaf.NotBefore.UTC().Format(time.RFC3339))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s: the certificate expired on %s", p.certFile, leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	p.signer, p.cert, p.key, p.warned = signer, cert, key, time.Time{}
	return nil
}

// maxFile is the longest file in octets that is read; a chain has some 8,000.
const maxFile = 1 << 20

// warn complains once a day of a certificate that is about to end, or has.
func (p *Pair) warn() {
	now, end := p.now(), p.signer.Certificate().NotAfter
	if end.Sub(now) > warnBefore || now.Sub(p.warned) < 24*time.Hour {
		return
	}
	p.warned = now
	if now.After(end) {
		p.log.Error("the certificate for signing profiles has expired; no profile is given out", "file", p.certFile, "end", end.UTC().Format(time.RFC3339))
		return
	}
	p.log.Warn("the certificate for signing profiles ends soon", "file", p.certFile, "end", end.UTC().Format(time.RFC3339))
}

// Watch looks at the files and the certificate's time until the context ends,
// so that a warning does not wait for a download.
func (p *Pair) Watch(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.current()
		}
	}
}

// Sign signs a profile. New files that are wrong are logged, and the old ones
// stay in use; an expired certificate signs nothing.
func (p *Pair) Sign(profile []byte) ([]byte, error) {
	signer, err := p.current()
	if err != nil {
		return nil, err
	}
	return signer.Sign(profile)
}

func (p *Pair) current() (*mobileconfig.Signer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Sub(p.checked) >= checkEvery {
		p.checked = now
		if err := p.read(); err != nil {
			p.log.Error("the new certificate for signing profiles is refused; the old one stays", "err", err)
		}
		p.warn()
	}
	if end := p.signer.Certificate().NotAfter; now.After(end) {
		return nil, fmt.Errorf("%s: the certificate expired on %s", p.certFile, end.UTC().Format(time.RFC3339))
	}
	return p.signer, nil
}
