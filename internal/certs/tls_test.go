package certs_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"milepost/internal/certs"
	"milepost/internal/fixture"
)

// linked are files behind symbolic links, as Kubernetes and certbot have them.
type linked struct{ dir string }

func (l linked) files() (cert, key string) {
	return filepath.Join(l.dir, "live", "cert.pem"), filepath.Join(l.dir, "live", "key.pem")
}

// swap writes a certificate into a directory of its own, and has the link lead there.
func (l linked) swap(t *testing.T, name string, from, to time.Time) {
	t.Helper()
	cert, key := fixture.Certificate(t, name, from, to)
	fixture.Write(t, filepath.Join(l.dir, name, "cert.pem"), cert)
	fixture.Write(t, filepath.Join(l.dir, name, "key.pem"), key)
	if err := os.Symlink(name, filepath.Join(l.dir, "next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(l.dir, "next"), filepath.Join(l.dir, "live")); err != nil {
		t.Fatal(err)
	}
}

func openTLS(t *testing.T, l linked) (*certs.Files, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	cert, key := l.files()
	f, err := certs.OpenFiles(t.Context(), cert, key, time.Millisecond, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return f, log
}

// served is the name in the certificate that a client gets.
func served(t *testing.T, f *certs.Files) string {
	t.Helper()
	c, err := f.TLSConfig().GetCertificate(&tls.ClientHelloInfo{ServerName: "any.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.Subject.CommonName
}

func await(t *testing.T, what string, right func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !right(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

func TestTLSFilesAreReadAgain(t *testing.T) {
	now, l := time.Now(), linked{t.TempDir()}
	l.swap(t, "one", now.Add(-time.Hour), now.Add(60*24*time.Hour))
	f, log := openTLS(t, l)
	if served(t, f) != "one" {
		t.Error("not the first one")
	}
	signed, err := f.Sign([]byte("profile"))
	if err != nil {
		t.Fatal(err)
	}
	if message, err := pkcs7.Parse(signed); err != nil || message.GetOnlySigner().Subject.CommonName != "one" {
		t.Errorf("signed by another: %v", err)
	}

	l.swap(t, "two", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	await(t, "the second one is not served", func() bool { return served(t, f) == "two" })
	if e := f.Expiries(); len(e) != 1 || e[0].Name != "two" || e[0].NotAfter.Sub(now).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("expiries %v", e)
	}

	const refusal = `msg="the new certificate is refused; the old one stays" for=TLS`
	for name, spoil := range map[string]func(cert, key string){
		"nonsense":     func(cert, _ string) { fixture.Write(t, cert, "nonsense") },
		"another key":  func(_, key string) { _, k := fixture.Certificate(t, "three", now, now); fixture.Write(t, key, k) },
		"no file":      func(cert, _ string) { os.Remove(cert) },
		"it has ended": func(string, string) { l.swap(t, "ended", now.Add(-48*time.Hour), now.Add(-24*time.Hour)) },
	} {
		good := "before " + name
		l.swap(t, good, now.Add(-time.Hour), now.Add(90*24*time.Hour))
		await(t, good+" is not served", func() bool { return served(t, f) == good })
		refused := strings.Count(log.String(), refusal)
		spoil(l.files())
		await(t, name+" is not refused", func() bool { return strings.Count(log.String(), refusal) > refused })
		if got := served(t, f); got != good {
			t.Errorf("%s: %s is served", name, got)
		}
	}
	l.swap(t, "four", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	await(t, "the fourth one is not served", func() bool { return served(t, f) == "four" })
	await(t, "nothing says so", func() bool {
		return strings.Contains(log.String(), `level=INFO msg="there is a new certificate" for=TLS file=`+filepath.Join(l.dir, "live", "cert.pem"))
	})
}

func TestTLSOutOfTime(t *testing.T) {
	now := time.Now()
	for name, tc := range map[string]struct {
		from, to  time.Time
		log, sign string
	}{
		"ended":         {now.Add(-48 * time.Hour), now.Add(-24 * time.Hour), `msg="the certificate has expired" for=TLS`, "the certificate expired on"},
		"not yet valid": {now.Add(24 * time.Hour), now.Add(48 * time.Hour), `msg="the certificate is not valid yet; is the clock right?" for=TLS`, "the certificate is not valid before"},
		"ends soon":     {now.Add(-24 * time.Hour), now.Add(48 * time.Hour), `msg="the certificate ends soon" for=TLS`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := linked{t.TempDir()}
			l.swap(t, "one", tc.from, tc.to)
			f, log := openTLS(t, l)
			if served(t, f) != "one" {
				t.Error("it is not served")
			}
			if !strings.Contains(log.String(), tc.log) {
				t.Errorf("the log: %s", log)
			}
			if _, err := f.Sign(nil); (err == nil) != (tc.sign == "") || err != nil && !strings.Contains(err.Error(), tc.sign) {
				t.Errorf("a signature: %v", err)
			}
			l.swap(t, "two", now.Add(-time.Hour), now.Add(90*24*time.Hour))
			await(t, "the second one is not served", func() bool { return served(t, f) == "two" })
		})
	}
}

func TestTLSConfig(t *testing.T) {
	now, l := time.Now(), linked{t.TempDir()}
	l.swap(t, "one", now, now.Add(90*24*time.Hour))
	f, _ := openTLS(t, l)
	if c := f.TLSConfig(); c.MinVersion != tls.VersionTLS12 || strings.Join(c.NextProtos, " ") != "h2 http/1.1" {
		t.Errorf("from %x, %v", c.MinVersion, c.NextProtos)
	}
	cert, key := l.files()
	if _, err := certs.OpenFiles(t.Context(), key, cert, 0, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), key+": has no certificate in PEM; ") {
		t.Errorf("the wrong way round: %v", err)
	}
}

// What crypto/tls says where there is no certificate for a name is what metrics know a
// refused name by.
func TestRefusedWords(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go tls.Client(client, &tls.Config{ServerName: "autoconfig.example.org"}).Handshake()
	none := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	err := tls.Server(server, &tls.Config{GetCertificate: none}).Handshake()
	if err == nil || !strings.HasSuffix(err.Error(), certs.Refused) {
		t.Errorf("%v, not %s", err, certs.Refused)
	}
}
