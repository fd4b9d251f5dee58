package certs_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"milepost/internal/certs"
	"milepost/internal/fixture"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// files holds a certificate and its key on disk.
type files struct{ cert, key string }

// write makes a certificate that is valid from one day before start.
func (f files) write(t *testing.T, name string, notAfter time.Time) {
	t.Helper()
	cert, key := fixture.Certificate(t, name, start.Add(-24*time.Hour), notAfter)
	fixture.Write(t, f.cert, cert)
	fixture.Write(t, f.key, key)
}

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// signer returns the name in the certificate that a profile was signed with.
func signer(t *testing.T, p *certs.Pair) string {
	t.Helper()
	signed, err := p.Sign([]byte("profile"))
	if err != nil {
		t.Fatal(err)
	}
	message, err := pkcs7.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return message.GetOnlySigner().Subject.CommonName
}

func TestRenewal(t *testing.T) {
	f := newFiles(t)
	var log bytes.Buffer
	now := start
	f.write(t, "one", start.Add(30*24*time.Hour))
	p, err := certs.Open(f.cert, f.key, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := signer(t, p); got != "one" || log.Len() > 0 {
		t.Errorf("signed by %s; %s", got, log.String())
	}

	now = start.Add(17 * 24 * time.Hour) // 13 days are left
	signer(t, p)
	now = now.Add(time.Hour)
	signer(t, p)
	if n := strings.Count(log.String(), "ends soon"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, log.String())
	}

	if err := os.WriteFile(f.cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if got := signer(t, p); got != "one" || !strings.Contains(log.String(), "the old one stays") {
		t.Errorf("signed by %s; %s", got, log.String())
	}
	for _, later := range []struct {
		wait       time.Duration
		complaints int // in all, of the same mistake
	}{{time.Hour, 1}, {22 * time.Hour, 1}, {time.Hour, 2}} {
		now = now.Add(later.wait)
		signer(t, p)
		if n := strings.Count(log.String(), "the old one stays"); n != later.complaints {
			t.Errorf("%v later: %d complaints, want %d", later.wait, n, later.complaints)
		}
	}

	f.write(t, "two", start.Add(90*24*time.Hour))
	now = now.Add(time.Hour)
	if got := signer(t, p); got != "two" {
		t.Errorf("signed by %s after the renewal", got)
	}

	now = start.Add(91 * 24 * time.Hour)
	if !strings.Contains(log.String(), "level=WARN") || strings.Contains(log.String(), "has expired") {
		t.Error(log.String())
	}
	if _, err := p.Sign(nil); err == nil || !strings.Contains(err.Error(), "the certificate expired on 2026-04-01T12:00:00Z") {
		t.Errorf("an expired certificate: %v", err)
	}
	if !strings.Contains(log.String(), `msg="the certificate has expired" for="signing profiles"`) {
		t.Error(log.String())
	}
}

func TestOpenRefuses(t *testing.T) {
	f, dir := newFiles(t), t.TempDir()
	f.write(t, "one", start.Add(24*time.Hour))
	for name, tc := range map[string]struct {
		files files
		now   time.Time
		want  string
	}{
		"a directory":   {files{dir, f.key}, start, dir + ": is a directory; must be a file"},
		"expired":       {f, start.Add(48 * time.Hour), f.cert + ": the certificate expired on 2026-01-02T12:00:00Z"},
		"not yet valid": {f, start.Add(-48 * time.Hour), f.cert + ": the certificate is not valid before 2025-12-31T12:00:00Z"},
		"no file":       {files{f.cert + "x", f.key}, start, f.cert + "x: no such file or directory"},
		"key as cert":   {files{f.key, f.key}, start, f.key + ": has no certificate in PEM; "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := certs.Open(tc.files.cert, tc.files.key, func() time.Time { return tc.now }, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error: %v\nwant:  %s", err, tc.want)
			}
		})
	}
}
