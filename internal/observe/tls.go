package observe

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"milepost/internal/doctor"
)

// shown says what a server showed, and what programs mind about it.
func (i *Internet) shown(host string, state tls.ConnectionState) *doctor.TLS {
	t := &doctor.TLS{Version: tls.VersionName(state.Version)}
	if len(state.PeerCertificates) == 0 {
		return t
	}
	leaf, now := state.PeerCertificates[0], i.Now()
	t.Names, t.Issuer, t.Key = leaf.DNSNames, leaf.Issuer.CommonName, key(leaf)
	t.DaysLeft = int(math.Floor(leaf.NotAfter.Sub(now).Hours() / 24))
	// Each problem is looked for as if there were no other.
	within := now
	switch {
	case now.After(leaf.NotAfter):
		t.Problems, within = append(t.Problems, doctor.Expired), leaf.NotAfter.Add(-time.Second)
	case now.Before(leaf.NotBefore):
		t.Problems, within = append(t.Problems, doctor.NotYet), leaf.NotBefore.Add(time.Second)
	}
	if leaf.VerifyHostname(host) != nil {
		t.Problems = append(t.Problems, doctor.WrongName)
	}
	chain := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:min(len(state.PeerCertificates), 10)] {
		chain.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: i.Roots, Intermediates: chain, CurrentTime: within})
	invalid, _ := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case err == nil:
	case invalid.Reason == x509.Expired && invalid.Cert != nil && len(t.Problems) == 0:
		t.Problems = append(t.Problems, doctor.Expired) // one above it
		t.DaysLeft = min(t.DaysLeft, int(math.Floor(invalid.Cert.NotAfter.Sub(now).Hours()/24)))
	case bytes.Equal(leaf.RawIssuer, leaf.RawSubject):
		t.Problems = append(t.Problems, doctor.SelfSigned)
	case len(state.PeerCertificates) == 1 && len(leaf.IssuingCertificateURL) > 0:
		t.Problems = append(t.Problems, doctor.Incomplete)
	default:
		t.Problems = append(t.Problems, doctor.Untrusted)
	}
	if k, ok := leaf.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() < 2048 {
		t.Problems = append(t.Problems, doctor.WeakKey)
	}
	return t
}

func key(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + strings.TrimSpace(k.Curve.Params().Name)
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}
