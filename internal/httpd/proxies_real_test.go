package httpd_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/internal/admin"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
)

const proxiesManual = "../../docs/proxies.md"

// behind is a server behind a proxy, and where the proxy listens.
type behind struct {
	server      string // address of the server, plain
	secure      string // address of the same with TLS
	http, https string // ports of the proxy
	cert, key   string // files
	dir         string
	log         *logBuffer
	stop        func() // ends the server
}

// newBehind starts a server that trusts 127.0.0.1 alone, so that 127.0.0.2 is a
// client.
func newBehind(t *testing.T, protocol bool) *behind {
	t.Helper()
	cert, key := fixture.Certificate(t, "example.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	b := &behind{
		dir:  fixture.Directory(t, "cert.pem", cert, "key.pem", key, "both.pem", cert+key),
		http: fixture.FreePort(t, "127.0.0.1"), https: fixture.FreePort(t, "127.0.0.1"),
		log: new(logBuffer),
	}
	b.cert, b.key = filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "key.pem")
	proxies := httpd.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Protocol: protocol}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), "https://mail.example.net"), Proxies: proxies, Requests: b.log, Log: log})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.server = listener.Addr().String()
	listeners := []httpd.Listener{{Listener: listener, Handler: h}}
	if protocol {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b.secure = listener.Addr().String()
		listeners = append(listeners, httpd.Listener{Listener: listener, Handler: h, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- httpd.Serve(ctx, httpd.Service{Listeners: listeners, Limit: httpd.NewLimit(8192, 256, proxies, log), Proxies: proxies, Log: log})
	}()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// block is a block of the manual in which every text that is given is replaced; each
// has to be there.
func block(t *testing.T, fence string, replacements ...string) string {
	t.Helper()
	text := fixture.Blocks(t, proxiesManual, fence)[0]
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(text, replacements[i]) {
			t.Fatalf("the block of %s has no %q", fence, replacements[i])
		}
		text = strings.ReplaceAll(text, replacements[i], replacements[i+1])
	}
	return text
}

// forgery is what a client would like to be.
const forgery = "198.51.100.7"

// fetch asks the proxy from 127.0.0.2.
func (b *behind) fetch(t *testing.T, scheme, host, path string) (*http.Response, string, error) {
	t.Helper()
	port := b.http
	if scheme == "https" {
		port = b.https
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	client := http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: host},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", "127.0.0.1:"+port)
			},
		},
	}
	r, err := http.NewRequest(http.MethodGet, scheme+"://"+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"http": "https", "https": "http"}[scheme]
	r.Header.Set("Forwarded", "for="+forgery+";proto="+other+";host=evil.example")
	r.Header.Set("X-Forwarded-For", forgery)
	r.Header.Set("X-Forwarded-Proto", other)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Real-Ip", forgery)
	if !strings.Contains(path, "?") {
		r.Header.Set("Connection", "close, X-Forwarded-For, Forwarded") // as if they were for the proxy alone
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// await waits until the proxy listens, on both ports.
func (b *behind) await(t *testing.T) {
	t.Helper()
	for _, port := range []string{b.http, b.https} {
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				c.Close()
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
	}
}

// check asks as mail programs do.
func (b *behind) check(t *testing.T) {
	t.Helper()
	b.await(t)
	const (
		autoconfig   = "/mail/config-v1.1.xml?emailaddress=secretname%40example.com"
		byHost       = "/mail/config-v1.1.xml"
		autodiscover = "/autodiscover/autodiscover.xml"
	)
	for _, tc := range []struct {
		scheme, host, path string
		status             int
		contains           string
	}{
		{"http", "autoconfig.example.com", autoconfig, 200, "<hostname>mail.example.com</hostname>"},
		{"https", "autoconfig.example.com", autoconfig, 200, "<hostname>mail.example.com</hostname>"},
		{"http", "autoconfig.example.com", byHost, 200, "<hostname>mail.example.com</hostname>"},
		{"https", "autoconfig.example.com", byHost, 200, "<hostname>mail.example.com</hostname>"},
		{"https", "autodiscover.example.com", autodiscover, 200, "<Action>settings</Action>"},
		{"http", "autodiscover.example.com", autodiscover, 302, ""},
		{"https", "autoconfig.example.org", byHost, 404, ""}, // another host is another domain
		{"https", "autodiscover.example.com", "/autodiscover/autodiscover.json/v1.0/secret%2Fname@example.com?Protocol=AutodiscoverV1", 200, `"Protocol":"AutodiscoverV1"`},
	} {
		before := len(b.log.String())
		resp, body, err := b.fetch(t, tc.scheme, tc.host, tc.path)
		if err != nil {
			t.Errorf("%s://%s%s: %v", tc.scheme, tc.host, tc.path, err)
			continue
		}
		if resp.StatusCode != tc.status || !strings.Contains(body, tc.contains) {
			t.Errorf("%s://%s%s: %s\n%s", tc.scheme, tc.host, tc.path, resp.Status, body)
		}
		line := b.log.String()[before:]
		domain := tc.host[strings.Index(tc.host, ".")+1:]
		if !strings.Contains(line, " domain="+domain+" ") || !strings.Contains(line, " from=127.0.0.2 ") {
			t.Errorf("%s://%s%s: the log says %s", tc.scheme, tc.host, tc.path, line)
		}
	}
}

// quiet checks that the proxy's logs hold nobody, not even when the server is gone.
func (b *behind) quiet(t *testing.T, files ...string) {
	t.Helper()
	b.stop()
	resp, _, err := b.fetch(t, "https", "autoconfig.example.com", "/mail/config-v1.1.xml?emailaddress=secretname%40example.com")
	if err != nil || resp.StatusCode < 500 {
		t.Errorf("without a server: %v, %v", resp, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(b.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "secret") {
			t.Errorf("%s holds an address:\n%s", file, text)
		}
	}
}

func TestNginx(t *testing.T) {
	nginx := fixture.Tool(t, "nginx", "nginx-light")
	b := newBehind(t, false)
	conf := block(t, "nginx",
		"listen 80;", "listen 127.0.0.1:"+b.http+";", "    listen [::]:80;\n", "",
		"listen 443 ssl", "listen 127.0.0.1:"+b.https+" ssl", "    listen [::]:443 ssl http2;\n", "",
		"/etc/ssl/milepost/fullchain.pem", b.cert, "/etc/ssl/milepost/privkey.pem", b.key,
		"/var/log/nginx/error.log", filepath.Join(b.dir, "error.log"), "127.0.0.1:8080", b.server)
	temporary := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(b.dir, name))
	}
	file := fixture.Write(t, filepath.Join(b.dir, "nginx.conf"), fmt.Sprintf("daemon off; master_process off;\npid %s/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log %[1]s/access.log;\n%s%s}\n", b.dir, temporary, conf))
	fixture.Daemon(t, nginx, "-e", "stderr", "-p", b.dir, "-c", file)
	b.check(t)
	b.quiet(t, "access.log", "error.log")
}

func TestCaddy(t *testing.T) {
	caddy := fixture.Tool(t, "caddy", "caddy")
	b := newBehind(t, false)
	asked := make(chan string, 100)
	serving := current(t, familyCatalogue(t), "https://mail.example.net")()
	real := admin.Handler(admin.Options{Allowed: func(name string) bool {
		return serving.MayHaveCertificate(name) || name == "autoconfig.example.org" // of another domain, which check asks for
	}})
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.FormValue("domain")
		real.ServeHTTP(w, r)
	}))
	defer admin.Close()
	conf := block(t, "caddyfile",
		"\ton_demand_tls {", "\tadmin off\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\thttp_port "+b.http+"\n\thttps_port "+b.https+"\n\ton_demand_tls {",
		"\tlog {", "\tlog {\n\t\toutput file "+filepath.Join(b.dir, "caddy.log"),
		"http://127.0.0.1:9180", admin.URL,
		"\ttls {", "\ttls internal {", // its own issuer instead of ACME
		"127.0.0.1:8080", b.server)
	file := fixture.Write(t, filepath.Join(b.dir, "Caddyfile"), conf)
	t.Setenv("HOME", b.dir)
	t.Setenv("XDG_DATA_HOME", b.dir)
	t.Setenv("XDG_CONFIG_HOME", b.dir)
	fixture.Daemon(t, caddy, "run", "--adapter", "caddyfile", "--config", file)
	b.check(t)
	if got := <-asked; got != "/internal/tls-allowed autoconfig.example.com" {
		t.Errorf("Caddy asked for %s", got)
	}
	if _, _, err := b.fetch(t, "https", "evil.example", "/"); err == nil {
		t.Error("Caddy has a certificate for a name that is nobody's")
	}
	b.quiet(t, "caddy.log")
}

// haproxyDefaults are what Debian's haproxy.cfg has above, with the address of the log.
const haproxyDefaults = `defaults
    log %s local0
    mode http
    option httplog
    timeout connect 5000
    timeout client 50000
    timeout server 50000

`

func TestHAProxy(t *testing.T) {
	haproxy := fixture.Tool(t, "haproxy", "haproxy")
	for _, tc := range []struct {
		name, fence string
		protocol    bool
		replace     func(*behind) []string
	}{
		{"TLS at HAProxy", "haproxy", false, func(b *behind) []string {
			return []string{":::80 v4v6", "127.0.0.1:" + b.http, ":::443 v4v6", "127.0.0.1:" + b.https,
				"/etc/haproxy/milepost.pem", filepath.Join(b.dir, "both.pem"), "127.0.0.1:8080", b.server}
		}},
		{"TLS at milepost", "haproxy tcp", true, func(b *behind) []string {
			return []string{":::80 v4v6", "127.0.0.1:" + b.http, ":::443 v4v6", "127.0.0.1:" + b.https,
				"192.0.2.10:80 ", b.server + " ", "192.0.2.10:443 ", b.secure + " "}
		}},
		{"TLS at HAProxy in TCP mode", "haproxy tcp", true, func(b *behind) []string {
			return []string{":::80 v4v6", "127.0.0.1:" + b.http, ":::443 v4v6", "127.0.0.1:" + b.https + " ssl crt " + filepath.Join(b.dir, "both.pem"),
				"192.0.2.10:80 ", b.server + " ", "192.0.2.10:443 send-proxy-v2", b.server + " send-proxy-v2-ssl"}
		}},
		{"version 1", "haproxy tcp", true, func(b *behind) []string {
			return []string{":::80 v4v6", "127.0.0.1:" + b.http, ":::443 v4v6", "127.0.0.1:" + b.https,
				"192.0.2.10:80 ", b.server + " ", "192.0.2.10:443 ", b.secure + " ", "send-proxy-v2", "send-proxy"}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBehind(t, tc.protocol)
			syslog, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer syslog.Close()
			file := fixture.Write(t, filepath.Join(b.dir, "haproxy.cfg"), fmt.Sprintf(haproxyDefaults, syslog.LocalAddr())+block(t, tc.fence, tc.replace(b)...))
			fixture.Daemon(t, haproxy, "-db", "-f", file)
			b.check(t)
			const end = "the end"
			syslog.WriteTo([]byte(end), syslog.LocalAddr())
			line := make([]byte, 1<<16)
			if n, _, err := syslog.ReadFrom(line); err != nil || string(line[:n]) != end {
				t.Errorf("HAProxy logs %s, %v", line[:n], err)
			}
		})
	}
}

func TestApache(t *testing.T) {
	apache := fixture.Tool(t, "apache2", "apache2")
	b := newBehind(t, false)
	sites := block(t, "apache", "*:80", "127.0.0.1:"+b.http, "*:443", "127.0.0.1:"+b.https,
		"/etc/ssl/milepost/fullchain.pem", b.cert, "/etc/ssl/milepost/privkey.pem", b.key,
		"${APACHE_LOG_DIR}", b.dir, "127.0.0.1:8080", b.server)
	modules := ""
	for _, name := range []string{"mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers"} {
		modules += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%[1]s.so\n", name)
	}
	file := fixture.Write(t, filepath.Join(b.dir, "apache2.conf"), fmt.Sprintf("%sServerRoot %s\nServerName localhost\nPidFile %[2]s/pid\nDefaultRuntimeDir %[2]s\nMutex file:%[2]s\nErrorLog %[2]s/error.log\n"+
		"CustomLog %[2]s/access.log \"%%r\"\nUser nobody\nGroup nogroup\nListen 127.0.0.1:%s\nListen 127.0.0.1:%s https\n%s", modules, b.dir, b.http, b.https, sites))
	fixture.Daemon(t, apache, "-X", "-f", file)
	b.check(t)
	b.quiet(t, "milepost.log", "access.log", "error.log")
}
