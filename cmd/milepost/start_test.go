package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// started is a milepost that runs, and where it listens.
type started struct {
	*exec.Cmd
	http, https, dns string
}

// startProgram runs a milepost until the benchmark ends, or stop is called, and returns
// once it has said that it listens for HTTP, which it says last.
func startProgram(b *testing.B, program string, args ...string) (s started, stop func()) {
	b.Helper()
	s.Cmd = exec.Command(program, append([]string{"serve"}, args...)...)
	var log strings.Builder
	s.Stderr = &log
	stdout, err := s.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	stop = func() { s.Process.Kill(); s.Wait() }
	b.Cleanup(stop)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "milepost: https listening on "); ok {
			s.https = addr
		}
		if addr, ok := strings.CutPrefix(lines.Text(), "milepost: dns listening on "); ok {
			s.dns = addr
		}
		if addr, ok := strings.CutPrefix(lines.Text(), "milepost: http listening on "); ok {
			s.http = addr
			go io.Copy(io.Discard, stdout)
			return s, stop
		}
	}
	stop()
	b.Fatalf("it does not listen:\n%s", log.String())
	return s, stop
}

// BenchmarkStart is the time from the start of the process to the first answer, with the
// shipped catalogue, and the memory of a process that has answered once and is idle.
func BenchmarkStart(b *testing.B) {
	program := fixture.Build(b)
	cert, key := fixture.Certificate(b, "localhost", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	config := filepath.Join(fixture.Directory(b, "cert.pem", cert, "key.pem", key, "milepost.toml",
		"[http]\nlisten = [\"127.0.0.1:0\"]\n[https]\nlisten = [\"127.0.0.1:0\"]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"), "milepost.toml")
	for _, bm := range []struct {
		name string
		args []string
	}{{"plain", []string{"-http", "127.0.0.1:0"}}, {"HTTPS-and-admin", []string{"-config", config}}} {
		b.Run(bm.name, func(b *testing.B) {
			const starts = 9
			var took []time.Duration
			var most int
			for b.Loop() {
				for i := range starts {
					begun := time.Now()
					s, stop := startProgram(b, program, bm.args...)
					url := "http://" + s.http
					if s.https != "" {
						url = "https://" + s.https
					}
					ask(b, nil, "", url+"/v1.1/gmail.com")
					took = append(took, time.Since(begun))
					if i == 0 {
						time.Sleep(3 * time.Second / 2) // what the start has left behind is given back
						most = max(most, fixture.Resident(b, s.Process.Pid))
					}
					stop()
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median-start")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms/slowest-start")
			b.ReportMetric(float64(most)/1e6, "MB")
		})
	}
}

// ask asks once, over a fresh connection to an address if one is given. Without roots
// any certificate will do.
func ask(b *testing.B, roots *x509.CertPool, addr, url string) {
	b.Helper()
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, InsecureSkipVerify: roots == nil},
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if addr != "" {
				to = addr
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		},
	}}
	resp, err := client.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err, string(body))
	}
}

// BenchmarkFirstCertificate is the time from the start of the process to the first answer
// over HTTPS for a customer's name, whose certificate pebble issues meanwhile; and the
// same of a second process with the same storage, which must make no order.
func BenchmarkFirstCertificate(b *testing.B) {
	program, acme := fixture.Build(b), fixture.BuildPebble(b)
	var first, second time.Duration
	for b.Loop() {
		httpPort, httpsPort := fixture.FreePort(b, "127.0.0.1"), fixture.FreePort(b, "127.0.0.1")
		pebble := fixture.StartPebble(b, acme, fixture.PebbleOptions{HTTPPort: number(b, httpPort), TLSPort: number(b, httpsPort)})
		dir := fixture.Directory(b, "providers/example.com.toml", fixture.Family)
		configure := func(httpPort, httpsPort string) string {
			return fixture.Write(b, filepath.Join(dir, httpsPort+".toml"), fmt.Sprintf(`[http]
listen = ["127.0.0.1:%s"]
[https]
listen = ["127.0.0.1:%s"]
[tls]
acme = true
directory = %q
ca = %q
storage = "acme"
[catalogue]
providers = ["providers"]
`, httpPort, httpsPort, pebble.Directory, pebble.Roots))
		}
		until := func(config string) time.Duration {
			begun := time.Now()
			s, _ := startProgram(b, program, "-config", config)
			ask(b, pebble.Issued, s.https, "https://autoconfig.example.com/mail/config-v1.1.xml")
			return time.Since(begun)
		}
		first += until(configure(httpPort, httpsPort))
		second += until(configure("0", "0"))
		if n := pebble.Orders(); n != 1 {
			b.Fatalf("%d orders were made, want 1", n)
		}
	}
	b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms/first-answer")
	b.ReportMetric(float64(second.Milliseconds())/float64(b.N), "ms/first-answer-of-another-process")
}

func number(b *testing.B, port string) int {
	b.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
