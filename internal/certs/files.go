package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"milepost/internal/textfile"
)

// warnBefore is how long before its end a certificate is complained of.
const warnBefore = 14 * 24 * time.Hour

// checkEvery is how often the files are looked at.
const checkEvery = time.Minute

// maxFile is the longest file in octets that is read; a chain has some 8,000.
const maxFile = 1 << 20

// use is what the certificate of two files is for.
type use struct {
	name    string // in a few words
	expired string // what it means that it has expired

	// check says whether a new certificate may take the old one's place; there is
	// none before the first.
	check func(next, old *tls.Certificate, file string, now time.Time) error
}

// files are a certificate and its key on disk. What is in them counts, not when
// they were written or what they are links to.
type files struct {
	certFile, keyFile string
	use               use
	now               func() time.Time
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]

	mu                       sync.Mutex
	cert, key                []byte // what current was made of
	refused                  string // why the files are not taken over; empty: they are
	checked, warned, refusal time.Time
}

// openFiles reads the files. The error says which of them is wrong and why.
func openFiles(certFile, keyFile string, use use, now func() time.Time, log *slog.Logger) (*files, error) {
	f := &files{certFile: certFile, keyFile: keyFile, use: use, now: now, log: log}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.read(); err != nil {
		return nil, err
	}
	f.checked = now()
	f.warn()
	return f, nil
}

// Check says what is wrong with a certificate for TLS and its key, as [OpenFiles] does.
// The error may be joined of two, one for each file.
func Check(certFile, keyFile string) error {
	_, err := openFiles(certFile, keyFile, forTLS, time.Now, slog.New(slog.DiscardHandler))
	return err
}

// CheckSigner says the same of those that sign profiles, as [OpenSigner] does.
func CheckSigner(certFile, keyFile string, now func() time.Time) error {
	_, err := openFiles(certFile, keyFile, forSigning, now, slog.New(slog.DiscardHandler))
	return err
}

// read takes the files over if they have changed and are right.
func (f *files) read() error {
	cert, noCert := textfile.ReadFile(f.certFile, maxFile)
	if noCert != nil {
		noCert = wrong("cert", "%s: %w", f.certFile, noCert)
	}
	key, noKey := textfile.ReadFile(f.keyFile, maxFile)
	if noKey != nil {
		noKey = wrong("key", "%s: %w", f.keyFile, noKey)
	}
	if err := errors.Join(noCert, noKey); err != nil {
		return err
	}
	if bytes.Equal(cert, f.cert) && bytes.Equal(key, f.key) {
		return nil
	}
	pair, err := f.pair(cert, key)
	if err != nil {
		return err
	}
	if err := f.use.check(&pair, f.current.Load(), f.certFile, f.now()); err != nil {
		return err
	}
	f.current.Store(&pair)
	f.cert, f.key, f.warned = cert, key, time.Time{}
	return nil
}

// pair reads both. crypto/tls does not say of which file it speaks.
func (f *files) pair(cert, key []byte) (tls.Certificate, error) {
	switch ofCert, ofKey := blocks(cert), blocks(key); {
	case !slices.Contains(ofCert, "CERTIFICATE"):
		return tls.Certificate{}, wrong("cert", "%s: has no certificate in PEM; -----BEGIN CERTIFICATE----- begins one", f.certFile)
	case slices.Contains(ofKey, encryptedKey):
		return tls.Certificate{}, wrong("key", "%s: is encrypted, and nobody is there to type a passphrase; 'openssl pkey -in %[1]s' writes it without one", f.keyFile)
	case !slices.ContainsFunc(ofKey, func(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") }):
		return tls.Certificate{}, wrong("key", "%s: has no private key in PEM; -----BEGIN PRIVATE KEY----- begins one", f.keyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, wrong("key", "%s: does not go with the certificate in %s: %s", f.keyFile, f.certFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	return pair, nil
}

// encryptedKey stands for both ways to encrypt a key (RFC 7468 §11, RFC 1421 §4.6.1.1).
const encryptedKey = "ENCRYPTED PRIVATE KEY"

// blocks returns the kinds of what is in a file of PEM.
func blocks(text []byte) (kinds []string) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return kinds
		}
		if kinds = append(kinds, block.Type); strings.HasSuffix(block.Headers["Proc-Type"], "ENCRYPTED") {
			kinds = append(kinds, encryptedKey)
		}
		text = rest
	}
}

// OptionError is a mistake in what an option says.
type OptionError struct {
	Option string // cert, key, ca, storage or directory, as in milepost.toml
	Err    error
}

func (e *OptionError) Error() string { return e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

func wrong(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}

// warn complains once a day of a certificate that is about to end, has ended, or
// is not valid yet, as after a clock was set back.
func (f *files) warn() {
	now, leaf := f.now(), f.current.Load().Leaf
	early := now.Before(leaf.NotBefore)
	if !early && leaf.NotAfter.Sub(now) > warnBefore || !f.warned.IsZero() && now.Sub(f.warned).Abs() < 24*time.Hour {
		return
	}
	f.warned = now
	switch end := date(leaf.NotAfter); {
	case early:
		f.log.Error("the certificate is not valid yet; is the clock right?", "for", f.use.name, "file", f.certFile, "begin", date(leaf.NotBefore))
	case now.After(leaf.NotAfter):
		f.log.Error("the certificate has expired", "for", f.use.name, "file", f.certFile, "end", end, "so", f.use.expired)
	default:
		f.log.Warn("the certificate ends soon", "for", f.use.name, "file", f.certFile, "end", end)
	}
}

// look reads the files again if it is time. New ones that are wrong are complained of
// once, and once a day while they stay so; the old ones stay.
func (f *files) look(every time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.checked).Abs() < every {
		return
	}
	f.checked = now
	before, err := f.current.Load(), f.read()
	switch after := f.current.Load(); {
	case err == nil:
		f.refused = ""
		if after != before {
			f.log.Info("there is a new certificate", "for", f.use.name, "file", f.certFile, "end", date(after.Leaf.NotAfter))
		}
	case err.Error() != f.refused || now.Sub(f.refusal).Abs() >= 24*time.Hour:
		f.refused, f.refusal = err.Error(), now
		f.log.Error("the new certificate is refused; the old one stays", "for", f.use.name, "err", err)
	}
	f.warn()
}

// watch looks at the files and the certificate's time until the context ends, so
// that neither waits for somebody to ask.
func (f *files) watch(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f.look(0)
		}
	}
}

// inTime says why a certificate must not be used now.
func inTime(c *tls.Certificate, source string, now time.Time) error {
	switch {
	case now.Before(c.Leaf.NotBefore):
		return fmt.Errorf("%s: the certificate is not valid before %s", source, date(c.Leaf.NotBefore))
	case now.After(c.Leaf.NotAfter):
		return fmt.Errorf("%s: the certificate expired on %s", source, date(c.Leaf.NotAfter))
	}
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
