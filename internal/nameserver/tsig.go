package nameserver

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"

	"github.com/miekg/dns"
)

// tsig signs and verifies with the keys of the current configuration (RFC 8945).
// The library always has one: without a provider it accepts every signature.
type tsig struct{ *Server }

var hashes = map[string]func() hash.Hash{
	dns.HmacSHA256: sha256.New,
	dns.HmacSHA384: sha512.New384,
	dns.HmacSHA512: sha512.New,
}

// Verify compares a signature with the one that our key makes.
func (t tsig) Verify(msg []byte, rr *dns.TSIG) error {
	want, err := t.Generate(msg, rr)
	if err != nil {
		return err
	}
	mac, err := hex.DecodeString(rr.MAC)
	if err != nil || !hmac.Equal(want, mac) {
		return dns.ErrSig
	}
	return nil
}

// Generate makes a signature.
func (t tsig) Generate(msg []byte, rr *dns.TSIG) ([]byte, error) {
	key, ok := t.state().keys[dns.CanonicalName(rr.Hdr.Name)]
	if !ok {
		return nil, dns.ErrSecret
	}
	newHash := hashes[key.Algorithm]
	if newHash == nil || dns.CanonicalName(rr.Algorithm) != key.Algorithm { // a key goes with one algorithm alone
		return nil, dns.ErrKeyAlg
	}
	secret, err := base64.StdEncoding.DecodeString(key.Secret)
	if err != nil {
		return nil, dns.ErrSecret
	}
	h := hmac.New(newHash, secret)
	h.Write(msg)
	return h.Sum(nil), nil
}
