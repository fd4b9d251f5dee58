//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// renamed replaces a server name in the first record that a client sends, which net's
// own client would not send so.
type renamed struct {
	net.Conn
	from, to string
	done     bool
	first    byte // of what the server sends
}

func (r *renamed) Write(b []byte) (int, error) {
	if !r.done {
		r.done = true
		b = bytes.Replace(b, []byte(r.from), []byte(r.to), 1)
	}
	return r.Conn.Write(b)
}

func (r *renamed) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if n > 0 && r.first == 0 {
		r.first = b[0]
	}
	return n, err
}

// A server that gets its certificates by ACME gives none to names that are not served,
// and asks nobody about them; what is no server name at all is refused, too.
func TestHostileNames(t *testing.T) {
	orders := fixture.ListenSilently(t)
	config := strings.Replace(everything, "cert = \"cert.pem\"\nkey = \"key.pem\"\n", fmt.Sprintf("acme = true\nstorage = \"certificates\"\ndirectory = %q\n", "https://"+orders.Addr()+"/dir"), 1)
	config = strings.Replace(config, "host = \"mail.example.net\"\n", "", 1)
	p := serving(t, site(t, config))
	stop := p.watched(t)
	routines, descriptors := p.holds(t)
	for _, tc := range []struct{ name, sni string }{
		{"an address", "192.0.2.1"},
		{"an address of IPv6", "2001:db8::1"},
		{"a trailing dot", "autoconfig.example.com."},
		{"not served", "autoconfig.example.org"},
		{"below one that is served", "a.autoconfig.example.com"},
		{"255 octets", strings.Repeat("a", 255)},
		{"NUL", "autoconfig.example.com\x00"},
		{"NUL inside", "autoconfig.example.com\x00.example.org"},
		{"a wildcard", "*.example.com"},
		{"a path", "../../autoconfig.example.com"},
		{"octets that are no text", "\xff\xfe.example.com"},
		{"a line", "autoconfig.example.com\nlevel=ERROR"},
		{"a space", "autoconfig.example.com "},
	} {
		for _, protocol := range []string{"h2", "acme-tls/1"} {
			conn, err := net.Dial("tcp", p.https)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(time.Minute))
			r := &renamed{Conn: conn, from: strings.Repeat("x", len(tc.sni)), to: tc.sni}
			err = tls.Client(r, &tls.Config{InsecureSkipVerify: true, ServerName: r.from, NextProtos: []string{protocol}}).Handshake()
			if err == nil || r.first != 21 { // an alert (RFC 8446 §5.1)
				t.Errorf("%s, %s: the server answers with a record of type %d: %v", tc.name, protocol, r.first, err)
			}
			conn.Close()
		}
	}
	for _, config := range []*tls.Config{
		{InsecureSkipVerify: true}, // no name
		{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}},
		{InsecureSkipVerify: true, ServerName: "autoconfig.example.com", NextProtos: []string{"acme-tls/1"}}, // there is no challenge
		{InsecureSkipVerify: true, ServerName: "AUTOCONFIG.example.com", NextProtos: []string{"acme-tls/1"}},
	} {
		if conn, err := tls.Dial("tcp", p.https, config); err == nil {
			t.Errorf("%q %q: the handshake goes well", config.ServerName, config.NextProtos)
			conn.Close()
		}
	}
	if n := orders.Count(); n > 0 {
		t.Errorf("the ACME server was asked %d times", n)
	}
	p.wantNoMore(t, routines, descriptors)
	// A name that is served is asked for, so the ones before were refused for what they are.
	conn, err := net.Dial("tcp", p.https)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "AUTOCONFIG.example.com"}).Handshake()
	fixture.Await(t, "the ACME server is not asked", func() bool { return orders.Count() > 0 })
	stop()
}

// A client can neither renegotiate, which would cost the server as many handshakes as
// it likes, nor send a request in its first flight, which anybody could send again
// (RFC 8446 §8).
func TestHandshakes(t *testing.T) {
	openssl := fixture.Tool(t, "openssl", "openssl")
	p := serving(t, site(t, everything))
	stop := p.watched(t)
	session := t.TempDir() + "/session"
	connect := func(input string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, openssl, append([]string{"s_client", "-connect", p.https}, args...)...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out lockedBuffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		fixture.Await(t, "no handshake", func() bool { return strings.Contains(out.String(), "Verify return code") })
		io.WriteString(in, input)
		cmd.Wait() // the server ends the connection
		return out.String()
	}
	const request = "GET /v1.1/example.com HTTP/1.0\r\n\r\n"
	if said := connect(request, "-tls1_2", "-ign_eof"); !strings.Contains(said, "<domain>example.com</domain>") {
		t.Errorf("no answer:\n%s", said)
	}
	if said := connect("R\n", "-tls1_2"); !strings.Contains(said, "RENEGOTIATING") || !strings.Contains(said, "unexpected message") {
		t.Errorf("renegotiation:\n%s", said)
	}
	if said := connect(request, "-tls1_3", "-ign_eof", "-sess_out", session); !strings.Contains(said, "Max Early Data: 0") {
		t.Errorf("the first flight:\n%s", said)
	}
	stop()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
