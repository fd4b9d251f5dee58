package httpd_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"milepost/internal/fixture"
)

const documentPath = "/mail/config-v1.1.xml?emailaddress=fred%40orange.fr"

// encrypted is a server of the benchmark: where it listens for HTTPS, and its process,
// whose children count too.
type encrypted struct {
	name, addr string
	plain      string // where it listens for HTTP, if it does
	admin      string // its admin listener, if it has one
	pid        int
}

// BenchmarkHTTPS asks the program, Caddy and nginx in turn, second by second, for the
// same document under the same certificate, each with its log in a file: whole
// handshakes with a request each, requests over 64 connections of HTTP/1.1, and over 16
// of HTTP/2 with 10 streams. The processor time of the server per handshake leaves the
// client's part out.
func BenchmarkHTTPS(b *testing.B) {
	wrk, h2load := fixture.Tool(b, "wrk", "wrk"), fixture.Tool(b, "h2load", "nghttp2-client")
	caddy, nginx := fixture.Tool(b, "caddy", "caddy"), fixture.Tool(b, "nginx", "nginx-light")
	cert, key := fixture.Certificate(b, "localhost", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	dir := fixture.Directory(b, "cert.pem", cert, "key.pem", key)
	milepost := startMilepost(b, fixture.Build(b), dir, "")
	header, body := milepost.ask(b)
	servers := []encrypted{milepost, startCaddy(b, caddy, dir, header, body), startNginx(b, nginx, dir, header, body)}
	for _, s := range servers[1:] {
		otherHeader, otherBody := s.ask(b)
		if otherHeader.Get("Content-Type") != header.Get("Content-Type") || string(otherBody) != string(body) {
			b.Fatal(s.name, " answers something else: ", otherHeader, string(otherBody))
		}
	}

	const rounds = 2
	total := make(map[string]float64)
	for b.Loop() {
		for range rounds {
			for _, s := range servers {
				begun := processorTime(b, s.pid)
				n := handshakes(b, s.addr, time.Second)
				total[s.name+"-handshakes"] += n
				total[s.name+"-cpu"] += float64((processorTime(b, s.pid) - begun).Microseconds())
			}
			for _, s := range servers {
				url := "https://" + s.addr + documentPath
				total[s.name+"-GETs"] += requestsPerSecond(b, exec.Command(wrk, "-t1", "-c64", "-d1s", url))
			}
			for _, s := range servers {
				url := "https://" + s.addr + documentPath
				total[s.name+"-h2-GETs"] += streamsPerSecond(b, exec.Command(h2load, "-c16", "-m10", "-D1", url))
			}
		}
	}
	for _, s := range servers {
		for _, what := range []string{"-handshakes", "-GETs", "-h2-GETs"} {
			b.ReportMetric(total[s.name+what]/float64(rounds*b.N), s.name+what+"/s")
			if s.name != milepost.name {
				b.ReportMetric(total[milepost.name+what]/total[s.name+what], strings.TrimPrefix(what, "-")+"-of-"+s.name)
			}
		}
		b.ReportMetric(total[s.name+"-cpu"]/total[s.name+"-handshakes"], "cpu-µs/"+s.name+"-handshake")
	}
}

// startMilepost starts the program with both listeners, plain and encrypted, from a
// certificate in a directory and more lines of configuration.
func startMilepost(b *testing.B, program, dir, more string) encrypted {
	b.Helper()
	plain, admin := net.JoinHostPort("127.0.0.1", fixture.FreePort(b, "127.0.0.1")), net.JoinHostPort("127.0.0.1", fixture.FreePort(b, "127.0.0.1"))
	config := fixture.Write(b, filepath.Join(dir, "milepost.toml"), fmt.Sprintf("[http]\nlisten = [%q]\n[https]\nlisten = [\"127.0.0.1:0\"]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[admin]\nlisten = %q\n%s", plain, admin, more))
	cmd := exec.Command(program, "serve", "-config", config)
	addr := startServer(b, cmd, filepath.Join(dir, "milepost.log"), "milepost: https listening on ")
	return encrypted{"milepost", addr, plain, admin, cmd.Process.Pid}
}

var pauseMax = regexp.MustCompile(`(?m)^go_gc_duration_seconds\{quantile="1"\} (\S+)$`)

// longestPause is the longest time, in milliseconds, for which milepost's collector has
// stopped everything since the start.
func (s encrypted) longestPause(b *testing.B) float64 {
	b.Helper()
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	m := pauseMax.FindSubmatch(text)
	if err != nil || m == nil {
		b.Fatalf("%v\n%s", err, text)
	}
	seconds, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return seconds * 1000
}

// startCaddy answers with a fixed text: to read a file for each request takes it longer.
func startCaddy(b *testing.B, program, dir string, header http.Header, body []byte) encrypted {
	b.Helper()
	port := fixture.FreePort(b, "127.0.0.1")
	var headers strings.Builder
	for name, values := range header {
		if name != "Content-Length" {
			fmt.Fprintf(&headers, "\theader %s %q\n", name, values[0])
		}
	}
	config := fixture.Write(b, filepath.Join(dir, "Caddyfile"), fmt.Sprintf(`{
	admin off
	auto_https off
	default_sni localhost
	log {
		output file %[2]s/caddy-errors.log
	}
}
https://:%[1]s {
	bind 127.0.0.1
	tls %[2]s/cert.pem %[2]s/key.pem
	log {
		output file %[2]s/caddy.log {
			roll_disabled
		}
	}
%[3]s	respond `+"`%[4]s`"+`
}
`, port, dir, headers.String(), body))
	cmd := exec.Command(program, "run", "--config", config, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return encrypted{"caddy", "127.0.0.1:" + port, "", "", startSilent(b, cmd, port)}
}

func startNginx(b *testing.B, program, dir string, header http.Header, body []byte) encrypted {
	b.Helper()
	port := fixture.FreePort(b, "127.0.0.1")
	fixture.Write(b, filepath.Join(dir, "root", "mail", "config-v1.1.xml"), string(body))
	var headers strings.Builder
	for name, values := range header {
		switch name {
		case "Content-Length", "Content-Type", "Etag", "Date": // it sets them by itself
		default:
			fmt.Fprintf(&headers, "    add_header %s %q;\n", name, values[0])
		}
	}
	config := fixture.Write(b, filepath.Join(dir, "nginx.conf"), fmt.Sprintf(`daemon off;
pid %[2]s/nginx.pid;
error_log %[2]s/nginx-errors.log;
worker_processes 2;
user root;
events { worker_connections 4096; }
http {
  access_log %[2]s/nginx.log;
  keepalive_requests 1000000000;
  types { text/xml xml; }
  charset utf-8;
  charset_types text/xml;
  server {
    listen 127.0.0.1:%[1]s ssl http2;
    ssl_certificate %[2]s/cert.pem;
    ssl_certificate_key %[2]s/key.pem;
    ssl_protocols TLSv1.2 TLSv1.3;
    root %[2]s/root;
%[3]s  }
}
`, port, dir, headers.String()))
	return encrypted{"nginx", "127.0.0.1:" + port, "", "", startSilent(b, exec.Command(program, "-e", filepath.Join(dir, "nginx-errors.log"), "-c", config), port)}
}

// startSilent runs a server that does not say when it listens.
func startSilent(b *testing.B, cmd *exec.Cmd, port string) (pid int) {
	b.Helper()
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt) // nginx ends its workers too
		cmd.Wait()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return cmd.Process.Pid
		}
		if time.Now().After(end) {
			b.Fatalf("%v: %v\n%s", cmd, err, said.String())
		}
	}
}

// clientTLS has the key exchange that all of the servers know: the Go of Debian's Caddy
// has none against quantum computers.
func clientTLS() *tls.Config {
	return &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}}
}

var closing = "GET " + documentPath + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

func (s encrypted) ask(b *testing.B) (http.Header, []byte) {
	b.Helper()
	c, err := tls.Dial("tcp", s.addr, clientTLS())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	header, body := client{c, bufio.NewReader(c), closing}.exchange(b)
	header.Del("Connection")
	return header, body
}

// handshakes makes connections for a time, 16 at once, none of which resumes a session,
// and asks once on each. It returns how many there were a second.
func handshakes(b *testing.B, addr string, atLeast time.Duration) float64 {
	b.Helper()
	var count atomic.Int64
	var all sync.WaitGroup
	config, begun := clientTLS(), time.Now()
	for i := range 16 {
		all.Go(func() {
			dialer := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i+1))}}, Config: config}
			for time.Since(begun) < atLeast {
				if err := askOnce(b, dialer, addr); err != nil {
					b.Error(err)
					return
				}
				count.Add(1)
			}
		})
	}
	all.Wait()
	return float64(count.Load()) / time.Since(begun).Seconds()
}

func askOnce(b *testing.B, dialer tls.Dialer, addr string) error {
	c, err := dialer.DialContext(b.Context(), "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, closing); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK\r\n") {
		return fmt.Errorf("%w: %.200s", err, answer)
	}
	return nil
}

// streamsPerSecond is what h2load reaches, if all is well.
func streamsPerSecond(b *testing.B, h2load *exec.Cmd) float64 {
	b.Helper()
	out, err := h2load.CombinedOutput()
	var rate float64
	ok := false
	for line := range strings.Lines(string(out)) {
		if _, rest, found := strings.Cut(line, "finished in "); found {
			_, rest, _ = strings.Cut(rest, ", ")
			rate, _ = strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
		if strings.HasPrefix(line, "requests:") {
			ok = strings.Contains(line, " 0 failed, 0 errored, 0 timeout")
		}
	}
	if err != nil || !ok || rate == 0 {
		b.Fatalf("h2load: %v\n%s", err, out)
	}
	return rate
}

// processorTime is what a process and its children have used.
func processorTime(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		b.Skip("there is no /proc to read processor times from")
	}
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest) // from the third on, proc_pid_stat(5)
		if strconv.Itoa(pid) != filepath.Base(filepath.Dir(file)) && fields[1] != strconv.Itoa(pid) {
			continue
		}
		for _, ticks := range fields[11:13] { // in user mode, and in the kernel
			n, err := strconv.Atoi(ticks)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(n) * (time.Second / 100)
		}
	}
	return sum
}
