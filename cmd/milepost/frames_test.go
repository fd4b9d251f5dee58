package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// framed is a connection of HTTP/2 on which a client says what it likes.
type framed struct {
	*http2.Framer
	conn   *tls.Conn
	block  bytes.Buffer
	fields *hpack.Encoder
}

// dialTLS is a connection of TLS that may say anything after the handshake.
func dialTLS(t *testing.T, addr string, protocols ...string) *tls.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	secured := tls.Client(conn, trusting(protocols...))
	secured.SetDeadline(time.Now().Add(time.Minute))
	if err := secured.Handshake(); err != nil {
		conn.Close()
		t.Fatal(err)
	}
	return secured
}

func dialFrames(t *testing.T, addr string, settings ...http2.Setting) *framed {
	t.Helper()
	f := &framed{conn: dialTLS(t, addr, "h2")}
	io.WriteString(f.conn, http2.ClientPreface)
	f.Framer = http2.NewFramer(f.conn, f.conn)
	f.AllowIllegalWrites = true
	f.fields = hpack.NewEncoder(&f.block)
	if err := f.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return f
}

// fragment encodes fields: a name, its value, and so on.
func (f *framed) fragment(fields ...string) []byte {
	f.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		f.fields.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.block.Bytes())
}

// headers asks for a path, with more fields.
func (f *framed) headers(stream uint32, path string, more ...string) error {
	block := f.fragment(append([]string{":method", "GET", ":scheme", "https", ":authority", "autoconfig.example.com", ":path", path}, more...)...)
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true})
}

// ended reads until the server ends the connection, or has nothing to say for some time.
func (f *framed) ended(quiet time.Duration) bool {
	f.conn.SetReadDeadline(time.Now().Add(quiet))
	_, err := io.Copy(io.Discard, f.conn)
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}
