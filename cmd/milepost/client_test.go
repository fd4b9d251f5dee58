package main

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// everything is a configuration with all that can be served, for startProcess. Whoever
// comes from [proxyAddress] speaks the PROXY protocol.
const everything = `[https]
listen = ["127.0.0.1:0"]
[tls]
cert = "cert.pem"
key = "key.pem"
[service]
host = "mail.example.net"
addresses = ["127.0.0.1"]
[catalogue]
providers = ["providers"]
builtin = false
check_every = "0s"
[dns]
listen = "127.0.0.1:0"
rate_limit = 0
[proxy]
trusted = ["127.0.0.2/32"]
protocol = true
[limits]
rate = 0
[admin]
listen = "127.0.0.1:0"
pprof = true
`

const proxyAddress = "127.0.0.2"

// site writes a configuration, with a certificate and the provider example.com beside
// it, and returns its directory.
func site(t *testing.T, config string) (dir string) {
	t.Helper()
	cert, key := fixture.Certificate(t, "mail.example.net", time.Now().Add(-time.Hour), time.Now().Add(60*24*time.Hour))
	return fixture.Directory(t, "milepost.toml", config, "cert.pem", cert, "key.pem", key, "providers/example.com.toml", fixture.Family)
}

// trusting is for clients that ask whoever answers: the certificate is not what a test
// is about.
func trusting(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, ServerName: "mail.example.net", NextProtos: protocols}
}

// client is one that sees everything that happens to a request: it asks no second time,
// as net/http's does.
type client struct {
	addr    string
	tls     bool
	name    string // for SNI; empty: the service's
	proxied bool
	keep    bool // its connection

	conn net.Conn
	r    *bufio.Reader
	used bool // the connection has had an answer
}

// errRefused: there was no connection, so no request that could have been lost.
var errRefused = errors.New("no connection")

func (c *client) dial() error {
	d := net.Dialer{Timeout: time.Minute}
	if c.proxied {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(proxyAddress)}
	}
	conn, err := d.Dial("tcp", c.addr)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	conn.SetDeadline(time.Now().Add(time.Minute))
	if c.proxied {
		io.WriteString(conn, "PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n")
	}
	if c.tls {
		config := trusting("http/1.1")
		config.ServerName = cmp.Or(c.name, config.ServerName)
		secured := tls.Client(conn, config)
		if err := secured.Handshake(); err != nil {
			conn.Close()
			return fmt.Errorf("handshake: %w", err)
		}
		conn = secured
	}
	c.conn, c.r, c.used = conn, bufio.NewReader(conn), false
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// ask sends a request, which begins with its method.
func (c *client) ask(request string) (status int, body string, err error) {
	if c.conn == nil {
		if err := c.dial(); err != nil {
			return 0, "", err
		}
	}
	defer func() {
		if err != nil || !c.keep {
			c.close()
		}
	}()
	c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c.conn, request); err != nil {
		return 0, "", err
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", err
	}
	if c.used = true; resp.Close {
		c.close()
	}
	return resp.StatusCode, string(text), nil
}

// asker is anything that asks for a path.
type asker interface {
	get(path string) (status int, body string, err error)
	close()
}

func (c *client) get(path string) (status int, body string, err error) {
	return c.ask("GET " + path + " HTTP/1.1\r\nHost: autoconfig.example.com\r\n\r\n")
}

// streams is a client of HTTP/2. It sends a request again only if the server has said
// that it has not seen it.
type streams struct {
	*http.Client
	addr string
}

func newStreams(addr string) streams {
	return streams{&http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: trusting(), ForceAttemptHTTP2: true}}, addr}
}

func (s streams) get(path string) (int, string, error) {
	resp, err := s.Get("https://" + s.addr + path)
	if err != nil {
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.ProtoMajor != 2 {
		err = fmt.Errorf("answered with %s", resp.Proto)
	}
	return resp.StatusCode, string(body), err
}

func (s streams) close() { s.CloseIdleConnections() }

// askers are all ways to ask a process for the same.
func (p *process) askers() map[string]asker {
	return map[string]asker{
		"HTTP, kept":             &client{addr: p.addr, keep: true},
		"HTTP, new":              &client{addr: p.addr},
		"HTTP by a proxy, kept":  &client{addr: p.addr, proxied: true, keep: true},
		"HTTP by a proxy, new":   &client{addr: p.addr, proxied: true},
		"HTTPS, kept":            &client{addr: p.https, tls: true, keep: true},
		"HTTPS, new":             &client{addr: p.https, tls: true},
		"HTTPS by a proxy, kept": &client{addr: p.https, tls: true, proxied: true, keep: true},
		"HTTPS by a proxy, new":  &client{addr: p.https, tls: true, proxied: true},
		"HTTP/2":                 newStreams(p.https),
	}
}

// serving starts a process with a directory that [site] made.
func serving(t *testing.T, dir string) *process {
	t.Helper()
	return startProcess(t, "-config", filepath.Join(dir, "milepost.toml"))
}

// dialHello begins a handshake on a connection and has no answer to it.
func dialHello(conn net.Conn) { tls.Client(conn, trusting("h2", "http/1.1")).Handshake() }
