package mobileconfig

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// Signer signs profiles, which devices then show as verified.
type Signer struct {
	pair  tls.Certificate
	chain []*x509.Certificate // the intermediates
}

// NewSigner takes a certificate with its intermediates, and its key, in PEM.
// The key must be RSA or ECDSA and belong to the certificate.
func NewSigner(certPEM, keyPEM []byte) (*Signer, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM) // it compares the two; pkcs7 does not
	if err != nil {
		return nil, err
	}
	return NewSignerFrom(pair)
}

// NewSignerFrom takes a certificate as [tls.X509KeyPair] makes it, with the same
// demands.
func NewSignerFrom(pair tls.Certificate) (*Signer, error) {
	switch pair.Leaf.PublicKeyAlgorithm {
	case x509.RSA, x509.ECDSA:
	default:
		return nil, fmt.Errorf("the key is %s; RSA and ECDSA are allowed", pair.Leaf.PublicKeyAlgorithm)
	}
	s := &Signer{pair: pair}
	for _, der := range pair.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("an intermediate certificate: %w", err)
		}
		// Devices have the roots themselves.
		if c.CheckSignatureFrom(c) != nil {
			s.chain = append(s.chain, c)
		}
	}
	// A chain in the wrong order is found here, not at the first download.
	if _, err := s.Sign(nil); err != nil {
		return nil, fmt.Errorf("the chain: %w", err)
	}
	return s, nil
}

// Certificate returns the signer's own certificate.
func (s *Signer) Certificate() *x509.Certificate { return s.pair.Leaf }

// Sign wraps a profile into CMS SignedData (RFC 5652 §5): content attached,
// SHA-256, DER.
func (s *Signer) Sign(profile []byte) ([]byte, error) {
	sd, err := pkcs7.NewSignedData(profile)
	if err != nil {
		return nil, err
	}
	sd.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256) // the library's own choice is SHA-1
	if err := sd.AddSignerChain(s.pair.Leaf, s.pair.PrivateKey, s.chain, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, err
	}
	return sd.Finish()
}
