package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// Postfix's resolver finds the policy by the TXT record that milepost answers, and
// fetches it by HTTPS, with a certificate that it checks.
func TestPostfixReadsPolicy(t *testing.T) {
	fixture.Tool(t, "mta-sts-query", "postfix-mta-sts-resolver") // and what it is made of
	const policy = "[mta_sts]\nmode = \"enforce\"\nmax_age = 1209600\nmx = [\"mail.example.com\", \"*.example.net\"]\n"
	dir := fixture.Directory(t,
		"providers/example.com.toml", fixture.Family+policy,
		"milepost.toml", "[service]\naddresses = [\"127.0.0.1\"]\n[dns]\ndomain_zones = [\"autoconfig\", \"mta-sts\", \"_mta-sts\"]\n")
	p := startProcess(t, "-dns", "127.0.0.1:0", "-no-builtin", "-config", filepath.Join(dir, "milepost.toml"), "-providers", filepath.Join(dir, "providers"))

	// Port 443 of whatever name leads here, through a proxy (RFC 9110 §9.3.6).
	secure, certificate := startTLS(t, p.addr, "mta-sts.example.com")
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "mta-sts.example.com:443" {
			t.Errorf("%s %s is asked for", r.Method, r.Host)
			return
		}
		out, err := net.Dial("tcp", secure)
		if err != nil {
			t.Error(err)
			return
		}
		defer out.Close()
		w.WriteHeader(http.StatusOK)
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer in.Close()
		go io.Copy(out, in)
		io.Copy(in, out)
	}))
	defer proxy.Close()

	for domain, want := range map[string]string{
		"example.com": "VALID\ne7d3c066d549635c53bd9e975e80aac7\nmax_age 1209600\nmode enforce\nmx ['mail.example.com', '*.example.net']\nversion STSv1\n",
		"example.org": "FETCH_ERROR\n", // whose zone is not ours: refused
	} {
		resolver := exec.Command("/usr/bin/python3", "testdata/mta-sts.py", domain, p.dns)
		resolver.Env = append(os.Environ(), "https_proxy="+proxy.URL, "SSL_CERT_FILE="+certificate)
		out, err := resolver.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", domain, err, out, want)
		}
	}
}

// startTLS stands before a server for a name, and returns its address and the file of
// its certificate.
func startTLS(t *testing.T, server, name string) (addr, certificate string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: server})
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}})
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	file := fixture.Write(t, filepath.Join(t.TempDir(), "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return s.Listener.Addr().String(), file
}
