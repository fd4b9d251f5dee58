package certs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milepost/internal/certs"
	"milepost/internal/fixture"
)

// site is a server with ACME, and the ACME server that validates at its ports.
type site struct {
	pebble      *fixture.Pebble
	http, https net.Listener
	options     certs.ACMEOptions
	log         *logBuffer

	mu       sync.Mutex
	outcomes map[certs.Outcome]int
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func listen(t *testing.T) net.Listener { return listenAt(t, "127.0.0.1:0") }

func listenAt(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// newSite allows names below example.com and nowhere.example.
func newSite(t *testing.T, program string, options fixture.PebbleOptions) *site {
	s := &site{http: listen(t), https: listen(t), log: new(logBuffer), outcomes: make(map[certs.Outcome]int)}
	options.HTTPPort, options.TLSPort = port(s.http), port(s.https)
	s.pebble = fixture.StartPebble(t, program, options)
	s.options = certs.ACMEOptions{
		Allowed:   allowed,
		Directory: s.pebble.Directory, CA: s.pebble.Roots, Storage: filepath.Join(t.TempDir(), "acme"),
		HTTPPort: port(s.http), HTTPSPort: port(s.https),
		Observe: func(o certs.Outcome) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.outcomes[o]++
		},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s", s.log)
		}
	})
	return s
}

func allowed(name string) bool {
	return strings.HasSuffix(name, ".example.com") || strings.HasSuffix(name, ".nowhere.example")
}

func (s *site) count(o certs.Outcome) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outcomes[o]
}

// serve answers at the listeners until stop is called.
func (s *site) serve(t *testing.T) (a *certs.ACME, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := certs.NewACME(ctx, s.options, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	answer(a, s.http, s.https)
	stop = sync.OnceFunc(func() {
		cancel()
		a.Wait()
	})
	t.Cleanup(stop)
	return a, stop
}

// answer serves a word over HTTPS, and 404 over HTTP.
func answer(a *certs.ACME, plain, encrypted net.Listener) {
	word := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answer") })
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	go (&http.Server{Handler: a.HTTPChallenge(http.NotFoundHandler()), ErrorLog: quiet}).Serve(plain)
	go (&http.Server{Handler: word, TLSConfig: a.TLSConfig(), ErrorLog: quiet}).ServeTLS(encrypted, "", "")
}

// get makes a handshake for a name, verifies the certificate, and asks for a page.
func (s *site) get(name string) (*x509.Certificate, error) {
	return get(s.https.Addr().String(), name, s.pebble.Issued)
}

func get(addr, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	resp, err := client.Get("https://" + name + "/")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "answer" || resp.ProtoMajor != 2 {
		return nil, errors.New("not what was served: " + resp.Proto + " " + string(body))
	}
	return resp.TLS.PeerCertificates[0], nil
}

func (s *site) must(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	c, err := s.get(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

func (s *site) wantOrders(t *testing.T, want int) {
	t.Helper()
	if got := s.pebble.Orders(); got != want {
		t.Errorf("%d orders were made, want %d", got, want)
	}
}

func TestACME(t *testing.T) {
	program := fixture.BuildPebble(t)
	for name, test := range map[string]func(*testing.T, *site){
		"TLS-ALPN-01 only":            func(t *testing.T, s *site) { s.options.HTTPPort = 0; testOrder(t, s, "tls-alpn-01") },
		"HTTP-01 only":                func(t *testing.T, s *site) { s.options.HTTPSPort = 0; testOrder(t, s, "http-01") },
		"a refused name":              testRefused,
		"many handshakes at once":     testAtOnce,
		"the limit":                   testLimit,
		"a name whose order failed":   testFailed,
		"a restart":                   testRestart,
		"a file that is broken":       testBroken,
		"no way to the server":        testNoServer,
		"a clock that was set back":   testFutureLock,
		"the service's own host":      testOwn,
		"a disk that becomes full":    testFull,
		"a directory nobody can open": testUnwritable,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSite(t, program, fixture.PebbleOptions{})) })
	}
	t.Run("nonces that are rejected", func(t *testing.T) { testOrder(t, newSite(t, program, fixture.PebbleOptions{RejectNonces: 30}), "") })
	t.Run("renewals", func(t *testing.T) {
		testRenewals(t, newSite(t, program, fixture.PebbleOptions{Validity: 40 * time.Minute})) // due at once
	})
}

func testOrder(t *testing.T, s *site, challenge string) {
	begun := time.Now()
	a, _ := s.serve(t)
	c := s.must(t, "autoconfig.example.com")
	t.Logf("from NewACME to the first HTTPS answer for a new name: %v", time.Since(begun).Round(time.Millisecond))
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("the key is %T", c.PublicKey)
	}
	s.wantOrders(t, 1)
	if !strings.Contains(s.log.String(), `msg="acme: challenge accepted" identifier=autoconfig.example.com challenge_type=`+challenge) {
		t.Errorf("the challenge was not %s", challenge)
	}
	if s.count(certs.OrderStarted) != 1 || s.count(certs.OrderSucceeded) != 1 || s.count(certs.OrderFailed) != 0 {
		t.Errorf("outcomes %v", s.outcomes)
	}
	if e := a.Expiries(); len(e) != 1 || e[0].Name != "autoconfig.example.com" || !e[0].NotAfter.Equal(c.NotAfter) {
		t.Errorf("expiries %v", e)
	}
	again := time.Now()
	s.must(t, "AUTOCONFIG.example.com")
	t.Logf("the second: %v", time.Since(again).Round(time.Microsecond))
}

func testRefused(t *testing.T, s *site) {
	_, stop := s.serve(t)
	for _, name := range []string{"autoconfig.example.org", "127.0.0.1", "xn--.example.org", "_.example.com.evil.example"} {
		if _, err := s.get(name); err == nil {
			t.Errorf("%s has a certificate", name)
		}
		if _, err := tls.Dial("tcp", s.https.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true}); err == nil || err.Error() != "remote error: tls: unrecognized name" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor does a challenge for a name that is not allowed read or log anything.
	conn, err := tls.Dial("tcp", s.https.Addr().String(), &tls.Config{ServerName: "a.example.org", NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err == nil {
		conn.Close()
		t.Error("a challenge for a.example.org was answered")
	}
	resp, _ := fixture.Get(t, "http://"+s.http.Addr().String()+"/.well-known/acme-challenge/token")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a challenge of a stranger: %s", resp.Status)
	}
	stop()
	s.wantOrders(t, 0)
	if held, _ := os.ReadDir(s.options.Storage); len(held) > 0 {
		t.Errorf("the storage holds %v", held)
	}
	if log := s.log.String(); strings.Contains(log, "example.org") || strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Error("a stranger's name is in the log")
	}
}

func testAtOnce(t *testing.T, s *site) {
	s.serve(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.get("autoconfig.example.com"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.wantOrders(t, 1)
}

func testLimit(t *testing.T, s *site) {
	s.options.NewOrdersPerHour = 3
	s.options.DefaultServerName = "service.example.net"
	a, _ := s.serve(t)
	s.must(t, "a.example.com")
	s.must(t, "b.example.com")
	for range 3 {
		if _, err := s.get("c.example.com"); err == nil {
			t.Error("a third name has a certificate")
		}
	}
	s.wantOrders(t, 2)
	if s.count(certs.OrderRefused) != 3 || strings.Count(s.log.String(), "as many certificates were ordered as an hour may have") != 1 {
		t.Errorf("outcomes %v", s.outcomes)
	}
	// One was kept for the service itself.
	if a.Ready() == nil {
		t.Error("it is ready before it has a certificate")
	}
	s.must(t, "service.example.net")
	if err := a.Ready(); err != nil {
		t.Error(err)
	}
	s.must(t, "a.example.com")
}

func testFailed(t *testing.T, s *site) {
	s.serve(t)
	var orders int // one, or two with both challenges
	for i := range 5 {
		if _, err := s.get("autoconfig.nowhere.example"); err == nil {
			t.Error("a name without an address has a certificate")
		}
		if i == 0 {
			orders = s.pebble.Orders()
		}
	}
	s.wantOrders(t, orders)
	log := s.log.String()
	if n := s.count(certs.OrderFailed); n != 1 || strings.Count(log, `msg="there is no certificate" name=autoconfig.nowhere.example`) != 1 {
		t.Errorf("%d orders failed", n)
	}
	if strings.Contains(log, "level=ERROR") {
		t.Error("a stranger's handshake is an error in the log")
	}
	s.must(t, "autoconfig.example.com")
}

func testRestart(t *testing.T, s *site) {
	_, stop := s.serve(t)
	before := s.must(t, "autoconfig.example.com")
	s.restart(t, stop)
	if after := s.must(t, "autoconfig.example.com"); !after.Equal(before) {
		t.Error("another certificate after the restart")
	}
	s.wantOrders(t, 1)
}

// testRenewals: they are made though no new order is left, and not for a name that is
// no longer allowed.
func testRenewals(t *testing.T, s *site) {
	var gone atomic.Bool
	s.options.Allowed = func(name string) bool { return name == "a.example.com" || name == "b.example.com" && !gone.Load() }
	s.options.NewOrdersPerHour = 3
	a, _ := s.serve(t)
	before := s.must(t, "a.example.com")
	s.must(t, "b.example.com")
	gone.Store(true)
	if err := a.Renew(); err != nil {
		t.Fatal(err)
	}
	await(t, "a.example.com is not renewed", func() bool { return !s.must(t, "a.example.com").Equal(before) })
	await(t, "b.example.com is still there", func() bool { e := a.Expiries(); return len(e) == 1 && e[0].Name == "a.example.com" })
	s.wantOrders(t, 3)
	if s.count(certs.OrderSucceeded) != 3 || s.count(certs.OrderRefused) != 0 {
		t.Errorf("outcomes %v", s.outcomes)
	}
	if _, err := s.get("b.example.com"); err == nil {
		t.Error("b.example.com is served")
	}
}

// Nobody asked while it was time to renew it. The library waits some seconds for a
// better time to renew than so short a life has.
func TestExpired(t *testing.T) {
	t.Parallel()
	s := newSite(t, fixture.BuildPebble(t), fixture.PebbleOptions{Validity: 2 * time.Second})
	s.serve(t)
	shown := func() *x509.Certificate {
		conn, err := tls.Dial("tcp", s.https.Addr().String(), &tls.Config{ServerName: "expired.example.com", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0]
	}
	before := shown()
	time.Sleep(time.Until(before.NotAfter.Add(2 * time.Second)))
	if after := shown(); after.Equal(before) {
		t.Error("the expired certificate was not renewed")
	}
	s.wantOrders(t, 2)
}

// restart serves again at the same ports.
func (s *site) restart(t *testing.T, stop func()) {
	t.Helper()
	stop()
	s.relisten(t)
	s.serve(t)
}

func (s *site) relisten(t *testing.T) {
	t.Helper()
	for _, l := range []*net.Listener{&s.http, &s.https} {
		addr := (*l).Addr().String()
		(*l).Close()
		*l = listenAt(t, addr)
	}
}

// oneComplaint: handshakes of strangers do not fill the log.
func (s *site) oneComplaint(t *testing.T, words string) {
	t.Helper()
	for range 3 {
		if _, err := s.get("a.example.com"); err == nil {
			t.Error("a.example.com is served")
		}
	}
	n := 0
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, `msg="there is no certificate" name=a.example.com`) && strings.Contains(line, words) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d complaints of %q", n, words)
	}
}

func testBroken(t *testing.T, s *site) {
	_, stop := s.serve(t)
	s.must(t, "a.example.com")
	files, err := filepath.Glob(filepath.Join(s.options.Storage, "certificates", "*", "*", "*.crt"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	fixture.Write(t, files[0], "nonsense")
	s.restart(t, stop)
	s.oneComplaint(t, "unusable")
	s.must(t, "b.example.com")
	s.wantOrders(t, 2)
}

func testNoServer(t *testing.T, s *site) {
	s.options.Directory, s.options.NewOrdersPerHour = "https://"+nobody(t)+"/dir", 2
	s.serve(t)
	s.oneComplaint(t, "connection refused")
	if s.count(certs.OrderStarted) != 1 || s.count(certs.OrderFailed) != 1 {
		t.Errorf("outcomes %v", s.outcomes)
	}
}

// nobody is an address at which nobody listens.
func nobody(t *testing.T) string {
	return net.JoinHostPort("127.0.0.1", fixture.FreePort(t, "127.0.0.1"))
}

func testFutureLock(t *testing.T, s *site) {
	future := time.Now().Add(24 * time.Hour)
	text := `{"created":"` + future.Format(time.RFC3339) + `","updated":"` + future.Format(time.RFC3339) + `"}`
	lock := fixture.Write(t, filepath.Join(s.options.Storage, "locks", "issue_cert_a.example.com.lock"), text)
	if err := os.Chtimes(lock, future, future); err != nil {
		t.Fatal(err)
	}
	s.serve(t)
	s.must(t, "a.example.com")
}

func testOwn(t *testing.T, s *site) {
	openssl := fixture.Tool(t, "openssl", "openssl")
	s.options.DefaultServerName, s.options.Email = "Service.example.net", "secret.local@example.com"
	a, _ := s.serve(t)
	if _, err := a.Sign([]byte("profile")); err == nil || err.Error() != "service.example.net: has no certificate yet" {
		t.Errorf("a signature without a certificate: %v", err)
	}
	if a.Ready() == nil {
		t.Error("it is ready before the storage was asked")
	}
	a.Start()
	sent := false
	var signed []byte
	fixture.Await(t, "the service has no certificate", func() bool {
		var err error
		signed, err = a.Sign([]byte("profile"))
		if ready := a.Ready(); ready == nil && err != nil {
			sent = true // before there was a certificate: it has to be ordered
		}
		return err == nil
	})
	if !sent {
		t.Error("who waits until the service is ready keeps the ACME server's question from it")
	}
	verify(t, openssl, signed, s.pebble)

	// Without a name, a client gets the same certificate.
	conn, err := tls.Dial("tcp", s.https.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if c := conn.ConnectionState().PeerCertificates[0]; c.VerifyHostname("service.example.net") != nil {
		t.Errorf("without a name: %v", c.DNSNames)
	}
	s.wantOrders(t, 1)
	if log := s.log.String(); strings.Contains(log, "secret.local") || !strings.Contains(log, "…@example.com") {
		t.Error("the local part of the account's address is in the log, or nothing of it")
	}
}

// verify has openssl check a signature against the root of pebble.
func verify(t *testing.T, openssl string, signed []byte, p *fixture.Pebble) {
	t.Helper()
	dir := t.TempDir()
	file := fixture.Write(t, filepath.Join(dir, "profile"), string(signed))
	roots := fixture.Write(t, filepath.Join(dir, "root.pem"), p.IssuedPEM)
	out, err := exec.Command(openssl, "cms", "-verify", "-purpose", "any", "-inform", "DER", "-in", file, "-CAfile", roots).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "profile") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

// testFull: what is in memory is served, nothing is ordered, and room ends the trouble
// after a restart.
func testFull(t *testing.T, s *site) {
	if os.Getuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be mounted here: %v %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	s.options.Storage = filepath.Join(dir, "acme")
	_, stop := s.serve(t)
	s.must(t, "a.example.com")
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 512))
	}
	f.Close()
	if _, err := s.get("b.example.com"); err == nil {
		t.Error("an order was made that cannot be kept")
	}
	s.must(t, "a.example.com")
	s.wantOrders(t, 1)
	if log := s.log.String(); !strings.Contains(log, "no space left on device") {
		t.Error("nothing says that the disk is full")
	}
	s.restart(t, stop) // it holds a certificate, so it starts
	s.must(t, "a.example.com")
	if log := s.log.String(); strings.Count(log, "no certificate can be ordered or renewed") != 1 {
		t.Error("the start does not say that the disk is full")
	}
}

func testUnwritable(t *testing.T, s *site) {
	s.options.Storage = filepath.Join(fixture.Write(t, filepath.Join(t.TempDir(), "file"), ""), "acme")
	_, err := certs.NewACME(t.Context(), s.options, slog.New(slog.DiscardHandler))
	want := s.options.Storage + ": cannot keep anything there: not a directory; the directory must be writable for this process, with some room"
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

func TestACMEOptions(t *testing.T) {
	notPEM := fixture.Write(t, filepath.Join(t.TempDir(), "roots.pem"), "nonsense")
	for name, tc := range map[string]struct {
		options certs.ACMEOptions
		want    string
	}{
		"plain HTTP":         {certs.ACMEOptions{Directory: "http://acme.example/dir", HTTPPort: 80}, `"http://acme.example/dir" is no URL of an ACME directory; https://HOST/PATH is allowed`},
		"no port":            {certs.ACMEOptions{}, "an ACME server must reach this one over HTTP or HTTPS; neither listens"},
		"fewer than nothing": {certs.ACMEOptions{HTTPPort: 80, NewOrdersPerHour: -1}, "-1 new orders an hour; 1 and more are allowed"},
		"no roots":           {certs.ACMEOptions{HTTPPort: 80, CA: notPEM}, notPEM + ": has no certificate in PEM; -----BEGIN CERTIFICATE----- begins one"},
		"no file of roots":   {certs.ACMEOptions{HTTPPort: 80, CA: notPEM + "x"}, notPEM + "x: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.options.Storage = t.TempDir()
			if _, err := certs.NewACME(t.Context(), tc.options, slog.New(slog.DiscardHandler)); err == nil || err.Error() != tc.want {
				t.Errorf("%v\nwant %s", err, tc.want)
			}
		})
	}
}
