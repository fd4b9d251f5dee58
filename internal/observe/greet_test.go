package observe

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"milepost/internal/doctor"
	"milepost/settings"
)

// answering is an Internet whose mail servers say the first text, and another to each
// line that comes.
func answering(t *testing.T, texts ...string) *Internet {
	t.Helper()
	return NewInternet(Options{Resolvers: []string{"192.0.2.53:53"}, Patience: 2 * time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			in := bufio.NewReader(theirs)
			for i, text := range texts {
				if i > 0 {
					if _, err := in.ReadString('\n'); err != nil {
						return
					}
				}
				if _, err := theirs.Write([]byte(text)); err != nil {
					return
				}
			}
			in.ReadString('\n')
		}()
		return ours, nil
	}})
}

// What no server should say does not crash, and is not kept.
func TestGreetHostile(t *testing.T) {
	many := strings.Repeat("* CAPABILITY"+strings.Repeat(" A", 4000)+"\r\n", 100) + "a OK\r\n"
	long := "250-" + strings.Repeat("A", 8000) + "\r\n"
	for _, tc := range []struct {
		name     string
		protocol settings.Protocol
		texts    []string
		failure  doctor.Failure
	}{
		{"an end without a beginning", settings.POP3, []string{"+OK hello\r\n", ".\r\n"}, ""},
		{"nothing but line ends", settings.POP3, []string{"+OK hello\r\n", "\r\n.\r\n"}, ""},
		{"a refusal", settings.POP3, []string{"+OK hello\r\n", "-ERR\r\n"}, ""},
		{"many capabilities", settings.IMAP, []string{"* OK hello\r\n", many}, ""},
		{"long capabilities", settings.SMTP, []string{"220 hello\r\n", strings.Repeat(long, 100) + "250 A\r\n"}, ""},
		{"a long greeting", settings.IMAP, []string{"* OK " + strings.Repeat("A", 8000) + "\r\n", "a OK\r\n"}, ""},
		{"short lines", settings.SMTP, []string{"220 hello\r\n", "2\r\n"}, ""},
		{"no end", settings.SMTP, []string{"220 hello\r\n", strings.Repeat("250-A\r\n", 200)}, doctor.NotMail},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := answering(t, tc.texts...).Greet(t.Context(), doctor.Endpoint{Protocol: tc.protocol, Host: "192.0.2.1", Port: 143, SocketType: settings.Plain})
			if g.Failure != tc.failure {
				t.Errorf("%q (%s), want %q", g.Failure, g.Detail, tc.failure)
			}
			octets := len(g.Banner)
			for _, c := range g.Capabilities {
				octets += len(c)
			}
			if len(g.Capabilities) > maxCapabilities || octets > (maxCapabilities+1)*maxKeptLine || len(g.Banner) > maxKeptLine {
				t.Errorf("%d capabilities and %d octets are kept", len(g.Capabilities), octets)
			}
		})
	}
}

// A password that a URL has in it is not sent.
func TestFetchWithoutPassword(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent := r.Header.Get("Authorization"); sent != "" {
			t.Errorf("%q is sent", sent)
		}
	}))
	defer s.Close()
	i := NewInternet(Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}})
	defer i.Close()
	if x := i.Fetch(t.Context(), doctor.Request{Method: "GET", URL: "http://fred:secret@192.0.2.1/"}, nil); x.Status != 200 {
		t.Errorf("%+v", x)
	}
}
