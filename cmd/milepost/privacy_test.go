package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/http2"

	"milepost/internal/fixture"
)

// secret is what nobody may find. The rest of an address that it is in is example.com.
const secret = "secretname"

// traces are all forms in which Go prints text.
var traces = regexp.MustCompile(`(?i)secretn|s%65cretn|115 101 99 114|7365637265746e|73 65 63 72|c2VjcmV0b`)

// Wherever a stranger writes the local part of an address, in what is answered and in
// what is refused, by us, by net/http or by TLS: no line of any log and no metric
// has it.
func TestPrivacy(t *testing.T) {
	for i, format := range []string{"text", "json"} {
		for j, level := range []string{"debug", "info", "warn", "error"} {
			t.Run(format+" "+level, func(t *testing.T) {
				t.Parallel()
				testPrivacy(t, format, level, secretHeaders[3*i+j])
			})
		}
	}
}

func testPrivacy(t *testing.T, format, level, header string) {
	dir := site(t, everything+fmt.Sprintf("[log]\nformat = %q\nlevel = %q\n", format, level))
	provider := filepath.Join(dir, "providers", "example.com.toml")
	fixture.Write(t, provider, strings.Replace(fixture.Family, "domains =", "domains_from = \"customers.list\"\ndomains =", 1))
	fixture.Write(t, filepath.Join(dir, "providers", "customers.list"), "customer.example\n")
	p := serving(t, dir)
	log := make(chan string)
	go func() {
		all, _ := io.ReadAll(p.stderr)
		log <- string(all)
	}()

	for _, addr := range []string{p.addr, p.https} {
		say(t, addr, proxyAddress, header) // the first: the log hears of one a minute
	}
	for _, request := range secretRequests() {
		for _, c := range []*client{{addr: p.addr}, {addr: p.https, tls: true}, {addr: p.addr, proxied: true}, {addr: p.admin}} {
			c.ask(request) // whatever the answer is
		}
	}
	for _, hello := range []string{"GET /" + secret + " HTTP/1.1\r\nHost: " + secret + "\r\n\r\n", secret + "\r\n\r\n", "\x16\x03\x01\x00\x0a" + secret} {
		for _, addr := range []string{p.addr, p.https, p.admin, p.dns} {
			say(t, addr, "", hello)
		}
		say(t, p.addr, proxyAddress, hello)
	}
	for _, config := range []*tls.Config{
		{InsecureSkipVerify: true, ServerName: secret + ".example.com"},
		{InsecureSkipVerify: true, ServerName: secret + "@example.com"},
		{InsecureSkipVerify: true, NextProtos: []string{secret}},
		{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}, ServerName: secret + ".example.com"},
		{ServerName: secret + ".example.com"}, // refuses our certificate
	} {
		if conn, err := tls.Dial("tcp", p.https, config); err == nil {
			conn.Close()
		}
	}
	greeting := dialTLS(t, p.https, "h2")
	io.WriteString(greeting, "PRI * "+secret+strings.Repeat(" ", 20))
	io.Copy(io.Discard, greeting)
	greeting.Close()
	for _, break_ := range []func(f *framed) error{
		func(f *framed) error { return f.WriteGoAway(1, http2.ErrCodeInternal, []byte(secret)) },
		func(f *framed) error { return f.headers(1, "/"+secret, secret, "x", "X-"+secret, secret) },
		func(f *framed) error { return f.headers(1, secret) },
		func(f *framed) error {
			return f.headers(1, "/mail/config-v1.1.xml?emailaddress="+secret+"@example.com", "referer", secret)
		},
		func(f *framed) error { return f.headers(2, "/"+secret) },
		func(f *framed) error { return f.WriteData(0, true, []byte(secret)) },
		func(f *framed) error {
			return f.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, []byte(secret))
		},
		func(f *framed) error { return f.WriteRawFrame(http2.FrameSettings, 0, 1, []byte(secret)) },
		func(f *framed) error { return f.WriteRawFrame(99, 0, 1, []byte(secret)) },
	} {
		f := dialFrames(t, p.https)
		if err := break_(f); err != nil {
			t.Error(err)
		}
		f.ended(100 * time.Millisecond)
		f.conn.Close()
	}
	for _, name := range []string{secret + ".example.com.", secret + `\@example.com.`, "_imaps._tcp." + secret + ".example.com."} {
		for _, qtype := range []uint16{dns.TypeSRV, dns.TypeAXFR, dns.TypeANY} {
			query(p.dns, name, qtype, true)
		}
	}
	if conn, err := net.Dial("udp", p.dns); err != nil {
		t.Error(err)
	} else {
		io.WriteString(conn, secret)
		conn.Close()
	}

	// An address where a domain belongs, in a list of customers; and a mistake.
	fixture.Write(t, filepath.Join(dir, "providers", "customers.list"), "customer.example\n"+secret+"@example.com\n"+secret+"@\n")
	for _, text := range []string{fixture.ReadFile(t, provider), "nonsense"} {
		fixture.Write(t, provider, text)
		reloads := p.metric(t, "milepost_reloads_total")
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		fixture.Await(t, "it does not reload", func() bool { return p.metric(t, "milepost_reloads_total") != reloads })
	}
	if _, body := get(t, "http://"+p.admin+"/metrics"); traces.MatchString(body) || !strings.Contains(body, "milepost_http_requests_total{") {
		t.Errorf("metrics:\n%s", body)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	said := <-log
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(said) {
		if traces.MatchString(line) {
			t.Errorf("the log has %s", line)
		}
	}
	for _, want := range map[string][]string{
		"debug": {"a TLS handshake failed", "an HTTP/2 connection ended", "/v1.1/:", "reload refused"},
		"info":  {"/v1.1/:", "reload refused"},
		"warn":  {"a trusted proxy began", "reload refused"},
		"error": {"reload refused"},
	}[level] {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in the log:\n%.3000s", want, said)
		}
	}
}

// secretHeaders are what should be a PROXY header.
var secretHeaders = []string{
	"PROXY " + secret + "\r\n",
	"PROXY TCP4 " + secret + " 192.0.2.2 1 2\r\n",
	"PROXY TCP4 192.0.2.1 192.0.2.2 " + secret + " 2\r\n",
	"PROXY UNIX " + secret + " x\r\n",
	"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nPROXY " + secret + "\r\n",
	secret,
	"\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\x0a" + secret,
}

// metric returns the lines of a metric.
func (p *process) metric(t *testing.T, name string) string {
	t.Helper()
	_, body := get(t, "http://"+p.admin+"/metrics")
	var lines []string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// say sends text, from an address of this machine if that matters, and reads what comes.
func say(t *testing.T, addr, from, text string) string {
	t.Helper()
	d := net.Dialer{Timeout: time.Minute}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	io.WriteString(conn, text)
	conn.(*net.TCPConn).CloseWrite()
	var out bytes.Buffer
	io.Copy(&out, conn)
	return out.String()
}

// secretRequests have the secret everywhere.
func secretRequests() (all []string) {
	const host = "\r\nHost: autoconfig.example.com\r\n"
	for _, target := range []string{
		"/mail/config-v1.1.xml?emailaddress=@", "/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=@", "/v1.1/@", "/autoconfig/v1.1/@",
		"/autodiscover/autodiscover.json?Email=@&Protocol=secretname", "/Autodiscover/autodiscover.json/v1.0/@?Protocol=Ews",
		"/mobileconfig?emailaddress=@", "/setup?emailaddress=@", "/setup?emailaddress=secretname", "/providers?q=secretname", "/api/v1/settings?emailaddress=@", "/api/v1/providers/secretname",
		"/.well-known/mta-sts.txt?@", "/.well-known/caldav?@", "/.well-known/acme-challenge/secretname", "/internal/tls-allowed?domain=@", "/internal/tls-allowed?domain=secretname", "/debug/pprof/secretname",
		"/mail/config-v1.1.xml?emailaddress=secretname%2540example.com", "/setup?emailaddress=secretname%EF%BC%A0example.com", "/setup?emailaddress=%22secretname%40x%22%40example.com", "/setup?emailaddress=Fred+%3C@%3E",
		"/mobileconfig?emailaddress=mailto:@", "/v1.1/x@@", "/trouble?emailaddress=@.", "/widget?emailaddress=secretname%0a@example.com", "/doctor/@", "/doctor?domain=@", "/api/v1/doctor?domain=@", "/internal/tls-allowed?domain=mailto:@",
		"/secretname", "//@/", "/%", "/%zzsecretname", "/?a=%zzsecretname;secretname", "*", "secretname:443", "http://@/", "http://secretname:x@h/", "/secretname HTTP/1.0 x", strings.Repeat("secretname", 3000),
	} {
		target = strings.ReplaceAll(target, "@", "secretname@example.com")
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "CONNECT", "SECRETNAME"} {
			all = append(all, method+" "+target+" HTTP/1.1"+host+
				"User-Agent: secretname\r\nReferer: http://x/secretname\r\nAuthorization: Basic c2VjcmV0bmFtZQ==\r\nCookie: secretname\r\nX-secretname: x\r\nAccept-Language: secretname\r\nIf-None-Match: secretname\r\n"+
				"Forwarded: for=secretname;proto=secretname;host=secretname\r\nX-Forwarded-For: secretname\r\nX-Forwarded-Proto: secretname\r\nX-Request-Id: secretname\r\nContent-Length: 0\r\n\r\n")
		}
	}
	const post = "POST /autodiscover/autodiscover.xml HTTP/1.1" + host
	for _, body := range []string{
		"<Autodiscover><Request><EMailAddress>secretname@example.com</EMailAddress></Request></Autodiscover>",
		"<Autodiscover><Request><EMailAddress>secretname@example.com</EMail", "secretname", "<secretname/>", strings.Repeat("secretname", 10000),
	} {
		all = append(all, fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", post, len(body), body))
	}
	for _, head := range []string{
		"Transfer-Encoding: chunked\r\n\r\n5;secretname\r\nhello\r\nsecretname\r\n\r\n", "Transfer-Encoding: secretname\r\n\r\n", "Content-Length: secretname\r\n\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n\r\nsecretname", "Trailer: secretname\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nsecretname: x\r\n\r\n",
		"Expect: secretname\r\n\r\n", "secretname\r\n\r\n", "secretname : x\r\n\r\n", " secretname: x\r\n\r\n", "X: " + strings.Repeat("secretname", 3000) + "\r\n\r\n",
		"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: secretname\r\n\r\n",
	} {
		all = append(all, post+head)
	}
	for _, name := range []string{ // what is a host name is the domain that is asked about
		"secretname@example.com", "secretname@", "secretname%40example.com", "secretname_x@[::1]", "\x00secretname", "secretname x", "autoconfig.example.com\r\nHost: secretname",
	} {
		for _, path := range []string{"/mail/config-v1.1.xml", "/", "/metrics", "/.well-known/caldav"} {
			all = append(all, "GET "+path+" HTTP/1.1\r\nHost: "+name+"\r\n\r\n")
		}
	}
	return append(all, "GET /secretname\r\n\r\n", "GET /v1.1/secretname@example.com HTTP/3.secretname\r\n\r\n", "GET secretname\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nsecretname")
}
