//go:build unix

package main

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// hostile is an address where every port of web and mail is somebody's who means harm.
type hostile struct {
	name string
	web  http.HandlerFunc              // nil: nothing is found
	mail func(net.Conn)                // nil: it says nothing
	dns  func(q dns.Question) []dns.RR // nil: all names lead here
	// silent says that not even TLS is answered.
	silent bool
}

const hostileAddress = "192.0.2.66"

// forever writes until nobody listens.
func forever(w io.Writer, text string, pause time.Duration) {
	for {
		if _, err := io.WriteString(w, text); err != nil {
			return
		}
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		time.Sleep(pause)
	}
}

var hostiles = []hostile{
	{name: "nobody hostile"},
	{name: "endless bodies", web: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		forever(w, "<clientConfig>"+strings.Repeat("<a>", 10_000), 0)
	}},
	{name: "endless headers", web: func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			forever(conn, "X: "+strings.Repeat("x", 10_000)+"\r\n", 0)
		}
	}},
	{name: "one octet a second", web: func(w http.ResponseWriter, _ *http.Request) { forever(w, " ", time.Second) },
		mail: func(c net.Conn) { forever(c, "*", time.Second) }},
	{name: "compressed bombs", web: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		for zeros := make([]byte, 1<<20); ; { // one mebioctet becomes some kibioctets
			if _, err := z.Write(zeros); err != nil {
				return
			}
		}
	}},
	{name: "endless redirects", web: func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		http.Redirect(w, r, fmt.Sprintf("https://%s/%d?n=%d", r.Host, n+1, n+1), http.StatusFound)
	}},
	{name: "endless greetings", mail: func(c net.Conn) { forever(c, strings.Repeat("x", 1<<16), 0) }},
	{name: "endless lines", mail: func(c net.Conn) { forever(c, strings.Repeat("* OK\r\n+OK\r\n220-x\r\n", 1000), 0) }},
	{name: "TLS that never ends", silent: true},
	{name: "as many records as fit", dns: func(q dns.Question) (out []dns.RR) {
		for i := range 10_000 {
			header := dns.RR_Header{Name: q.Name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 300}
			switch q.Qtype {
			case dns.TypeSRV:
				out = append(out, &dns.SRV{Hdr: header, Port: uint16(i + 1), Target: fmt.Sprintf("h%d.example.com.", i)})
			case dns.TypeMX:
				out = append(out, &dns.MX{Hdr: header, Preference: uint16(i), Mx: fmt.Sprintf("h%d.example.com.", i)})
			case dns.TypeNS:
				out = append(out, &dns.NS{Hdr: header, Ns: fmt.Sprintf("h%d.example.com.", i)})
			case dns.TypeTXT:
				out = append(out, &dns.TXT{Hdr: header, Txt: []string{fmt.Sprintf("v=UAAC1; a=sha256; d=%d", i)}})
			}
		}
		return out
	}},
}

func (h hostile) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	question := q.Question[0]
	if h.dns != nil {
		m.Answer = h.dns(question)
	}
	switch {
	case len(m.Answer) > 0:
	case question.Qtype == dns.TypeA:
		m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.ParseIP(hostileAddress)}}
	case question.Qtype == dns.TypeSRV:
		for label, port := range map[string]uint16{"_imaps": 993, "_pop3s": 995, "_submissions": 465, "_submission": 587, "_autodiscover": 443} {
			if strings.HasPrefix(question.Name, label+".") {
				m.Answer = []dns.RR{&dns.SRV{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 300}, Port: port, Target: "mail.example.com."}}
			}
		}
	}
	most := dns.MaxMsgSize
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		most = 1232
	}
	m.Truncate(most)
	w.WriteMsg(m)
}

// open has it listen until the test ends.
func (h hostile) open(t *testing.T) {
	cert, key := fixture.Certificate(t, "example.com", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	fixture.NameServer(t, "53", h.answer)
	listen := func(port string) net.Listener {
		l, err := net.Listen("tcp", net.JoinHostPort(hostileAddress, port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	for _, port := range []string{"80", "443", "143", "993", "110", "995", "465", "587", "53"} {
		l := listen(port)
		implicit := port == "443" || port == "993" || port == "995" || port == "465"
		if implicit && !h.silent {
			l = tls.NewListener(l, config)
		}
		if (port == "80" || port == "443") && !h.silent {
			handler := h.web
			if handler == nil {
				handler = http.NotFound
			}
			s := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
			t.Cleanup(func() { s.Close() })
			go s.Serve(l)
			continue
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { c.Close() })
				if h.mail != nil {
					go h.mail(c)
				}
			}
		}()
	}
}

// peak is the most memory that a process has had when it ends, in octets. What wait4 has
// of it begins with that of the parent.
func peak(pid int, ended <-chan struct{}) (most int) {
	for {
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				if n, err := strconv.Atoi(strings.Fields(rest)[0]); err == nil {
					most = n << 10
				}
			}
		}
		select {
		case <-ended:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Servers that mean harm neither hold the doctor nor have it grow: it ends in time, and the
// most memory that it had is little more than among servers that mean none.
func TestDoctorAmongHostiles(t *testing.T) {
	if !fixture.Namespace(t) {
		return
	}
	usual := 0
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			h.open(t)
			cmd := exec.Command(os.Args[0], "doctor", "-format", "json", "-resolver", "127.0.0.1", "fred@example.com")
			cmd.Env = append(os.Environ(), runMain+"=1")
			var stdout bytes.Buffer
			cmd.Stdout = &stdout
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { // its status says that programs fail
				cmd.Wait()
				close(ended)
			}()
			most := peak(cmd.Process.Pid, ended)
			took, out := time.Since(start), stdout.Bytes()
			var report examined
			if err := json.Unmarshal(out, &report); err != nil || len(report.Clients) < 15 {
				t.Errorf("%v: %d programs", err, len(report.Clients))
			}
			if usual == 0 {
				usual = most
			}
			t.Logf("%.1f s, %d MB at most, %d kB of report", took.Seconds(), most>>20, len(out)>>10)
			if took > 20*time.Second || most > 2*usual+64<<20 || len(out) > 1<<20 {
				t.Errorf("%s and %d MB are too much; among others it has %d MB", took, most>>20, usual>>20)
			}
		})
	}
}
