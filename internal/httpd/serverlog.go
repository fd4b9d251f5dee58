package httpd

import (
	"bytes"
	"strings"
)

// serverLog takes what net/http has to say.
type serverLog struct{ Service }

func (s serverLog) Write(line []byte) (int, error) {
	text := ownWords(string(bytes.TrimSpace(line)))
	switch {
	case strings.HasPrefix(text, "http: TLS handshake error"):
		// Scanners, clients that leave: nobody here can do anything about it.
		s.Handshaken(text)
		s.Log.Debug("a TLS handshake failed", "err", text)
	case strings.HasPrefix(text, "http2: server") || strings.HasPrefix(text, "http2: received") || strings.HasPrefix(text, "timeout waiting"):
		s.Log.Debug("an HTTP/2 connection ended", "err", text)
	default:
		s.Log.Warn("net/http complains", "err", text)
	}
	return len(line), nil
}

// ownWords leaves out what may be a stranger's: net/http quotes the protocols that a
// client of TLS names and a greeting that is none of HTTP/2, prints whole frames, and
// what a panic was about.
func ownWords(text string) string {
	if what, stack, ok := strings.Cut(text, "\ngoroutine "); ok {
		what, _, _ = strings.Cut(what, ": ") // before the address and the value
		return what + "\ngoroutine " + stack
	}
	if i := strings.IndexAny(text, "\"{"); i >= 0 {
		return text[:i] + "…"
	}
	return text
}
