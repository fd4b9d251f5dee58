package mobileconfig_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/mobileconfig"
	"milepost/settings"
)

// authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	pem  []byte
}

func issue(t testing.TB, name string, key crypto.Signer, by *authority, ca bool) *authority {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, IsCA: ca, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, // as a web server's
	}
	if ca {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
	parent := &authority{template, key, nil}
	if by != nil {
		parent = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func p256(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsa2048(t testing.TB) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keyPEM(t testing.TB, key crypto.Signer) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func gmx(t testing.TB) []byte {
	doc, err := mobileconfig.Render([]settings.Account{fixture.Account(t, fixture.Shipped(t), "fred@gmx.com")}, mobileconfig.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// openssl verifies what we sign, finds the profile in it byte for byte and
// SHA-256 as its digest, and refuses it with a byte flipped.
func TestOpenSSLVerifies(t *testing.T) {
	openssl := fixture.Tool(t, "openssl", "openssl")
	root := issue(t, "root", p256(t), nil, true)
	middle := issue(t, "intermediate", p256(t), root, true)
	profile := gmx(t)
	for _, tc := range []struct {
		name string
		key  crypto.Signer
		by   *authority
	}{
		{"RSA-2048", rsa2048(t), root},
		{"P-256", p256(t), root},
		{"RSA-2048 with an intermediate", rsa2048(t), middle},
		{"P-256 with an intermediate", p256(t), middle},
	} {
		t.Run(tc.name, func(t *testing.T) {
			leaf := issue(t, "mail.example.com", tc.key, tc.by, false)
			chain := leaf.pem
			if tc.by == middle {
				chain = bytes.Join([][]byte{leaf.pem, middle.pem, root.pem}, nil)
			}
			signer, err := mobileconfig.NewSigner(chain, keyPEM(t, tc.key))
			if err != nil {
				t.Fatal(err)
			}
			signed, err := signer.Sign(profile)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			write := func(name string, data []byte) string {
				file := filepath.Join(dir, name)
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
				return file
			}
			ca := write("root.pem", root.pem)
			verify := func(der []byte) ([]byte, error) {
				out := filepath.Join(dir, "content")
				text, err := exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", write("signed", der),
					"-CAfile", ca, "-purpose", "any", "-out", out).CombinedOutput()
				if err != nil {
					return text, err
				}
				return os.ReadFile(out)
			}
			content, err := verify(signed)
			if err != nil {
				t.Fatalf("%v\n%s", err, content)
			}
			if !bytes.Equal(content, profile) {
				t.Error("the content differs")
			}
			text, err := exec.Command(openssl, "cms", "-cmsout", "-print", "-inform", "DER", "-in", write("signed", signed)).CombinedOutput()
			if err != nil || !strings.Contains(string(text), "algorithm: sha256 (2.16.840.1.101.3.4.2.1)") || strings.Contains(string(text), "algorithm: sha1 ") {
				t.Errorf("the digest is not SHA-256: %v", err)
			}
			if n := strings.Count(string(text), "serialNumber:"); tc.by == middle && n != 3 || tc.by == root && n != 2 { // with the signer's own
				t.Errorf("%d serial numbers: the intermediate must be in, the root not", n)
			}
			flipped := bytes.Clone(signed)
			flipped[bytes.Index(flipped, []byte("imap.gmx.com"))] ^= 1
			if _, err := verify(flipped); err == nil {
				t.Error("a flipped byte is accepted")
			}
		})
	}
}

func TestNewSignerRefuses(t *testing.T) {
	root := issue(t, "root", p256(t), nil, true)
	other := issue(t, "other", p256(t), nil, true)
	key := p256(t)
	leaf := issue(t, "mail.example.com", key, root, false)
	for name, tc := range map[string]struct {
		cert, key []byte
		want      string
	}{
		"no certificate":           {nil, keyPEM(t, key), "failed to find any PEM data in certificate input"},
		"no key":                   {leaf.pem, []byte("hello"), "failed to find any PEM data in key input"},
		"a key of another":         {leaf.pem, keyPEM(t, p256(t)), "private key does not match public key"},
		"a chain that is no chain": {bytes.Join([][]byte{leaf.pem, issue(t, "x", p256(t), other, true).pem}, nil), keyPEM(t, key), "the chain: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mobileconfig.NewSigner(tc.cert, tc.key)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error: %v, want %s", err, tc.want)
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	profile := gmx(b)
	for _, bm := range []struct {
		name string
		key  crypto.Signer
	}{{"P-256", p256(b)}, {"RSA-2048", rsa2048(b)}} {
		b.Run(bm.name, func(b *testing.B) {
			leaf := issue(b, "mail.example.com", bm.key, nil, false)
			signer, err := mobileconfig.NewSigner(leaf.pem, keyPEM(b, bm.key))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := signer.Sign(profile); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
