package nameserver

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/dchest/siphash"
)

// Sizes of a COOKIE option (RFC 7873 §4, RFC 9018 §4).
const (
	clientCookieSize = 8
	serverCookieSize = 16
	cookieSize       = clientCookieSize + serverCookieSize
	maxCookieSize    = clientCookieSize + 32
)

// How old a server cookie may be, and how far ahead of our clock (RFC 9018 §4.3).
const (
	cookieAge    = time.Hour
	cookieFuture = 5 * time.Minute
)

// cookies makes and checks server cookies, version 1 (RFC 9018 §4). A valid one
// proves that the client gets what is sent to its address.
type cookies struct{ k0, k1 uint64 }

// secretAge is how long a secret makes cookies (RFC 7873 §7.1: 26 hours at most).
const secretAge = 24 * time.Hour

// newCookies draws a secret.
func newCookies() cookies {
	var secret [16]byte
	rand.Read(secret[:])
	return cookiesOf(secret)
}

func cookiesOf(secret [16]byte) cookies {
	return cookies{binary.LittleEndian.Uint64(secret[:8]), binary.LittleEndian.Uint64(secret[8:])}
}

// wellFormed tells whether an option has the size of a client cookie, or of that
// and a server cookie (RFC 7873 §5.2.2).
func wellFormed(option []byte) bool {
	n := len(option)
	return n == clientCookieSize || clientCookieSize+8 <= n && n <= maxCookieSize
}

// appendTo appends the client cookie and a server cookie for it.
func (c cookies) appendTo(dst, client []byte, addr netip.Addr, now time.Time) []byte {
	start := len(dst)
	dst = append(dst, client...)
	dst = append(dst, 1, 0, 0, 0) // version, reserved
	dst = binary.BigEndian.AppendUint32(dst, uint32(now.Unix()))
	return binary.LittleEndian.AppendUint64(dst, c.hash(dst[start:], addr))
}

// hash is SipHash-2-4 of client cookie, version, reserved, timestamp and address.
func (c cookies) hash(head []byte, addr netip.Addr) uint64 {
	var buf [clientCookieSize + 8 + 16]byte
	m, _ := addr.Unmap().WithZone("").AppendBinary(append(buf[:0], head...)) // it has no error
	return siphash.Hash(c.k0, c.k1, m)
}

// valid tells whether an option holds a server cookie that was made here, for this
// client, and not too long ago.
func (c cookies) valid(option []byte, addr netip.Addr, now time.Time) bool {
	if len(option) != cookieSize || option[clientCookieSize] != 1 {
		return false
	}
	made := time.Duration(int32(uint32(now.Unix())-binary.BigEndian.Uint32(option[12:]))) * time.Second // RFC 1982
	if made > cookieAge || made < -cookieFuture {
		return false
	}
	var want [8]byte
	binary.LittleEndian.PutUint64(want[:], c.hash(option[:clientCookieSize+8], addr))
	return subtle.ConstantTimeCompare(want[:], option[clientCookieSize+8:]) == 1
}
