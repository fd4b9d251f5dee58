package admin_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"milepost/internal/admin"
)

func TestHandler(t *testing.T) {
	ready := admin.Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "milepost_up 1\n") }),
		Allowed: func(name string) bool {
			return name == "autoconfig.example.com" || name == "autoconfig.xn--mller-kva.example"
		},
		Hosts: []string{"admin.example.net"},
	}
	draining, profiled := ready, ready
	draining.NotReady = func() []string { return []string{"the server is stopping", "no certificate for mail.example.net"} }
	profiled.PProf = true
	for _, tc := range []struct {
		name    string
		options admin.Options
		request string // method, target, and headers behind it
		status  int
		body    string
	}{
		{"what there is", ready, "GET /", 200, "/metrics /healthz /readyz /internal/tls-allowed?domain=NAME\n"},
		{"what there is, with profiles", profiled, "GET /", 200, "/metrics /healthz /readyz /internal/tls-allowed?domain=NAME /debug/pprof/\n"},
		{"nothing else", ready, "GET /setup", 404, "404 page not found\n"},
		{"metrics", ready, "GET /metrics", 200, "milepost_up 1\n"},
		{"no metrics", admin.Options{}, "GET /metrics", 404, "404 page not found\n"},
		{"metrics by POST", ready, "POST /metrics", 405, "Method Not Allowed\n"},
		{"healthy", draining, "GET /healthz", 200, "ok\n"},
		{"ready", ready, "GET /readyz", 200, "ok\n"},
		{"not ready", draining, "GET /readyz", 503, "the server is stopping\nno certificate for mail.example.net\n"},
		{"health by any name", draining, "GET /healthz Host: balancer.example.org", 200, "ok\n"},

		{"a name of ours", ready, "GET /internal/tls-allowed?domain=autoconfig.example.com", 200, "ok\n"},
		{"in capitals, with a dot", ready, "GET /internal/tls-allowed?domain=AutoConfig.Example.COM.", 200, "ok\n"},
		{"in Unicode", ready, "GET /internal/tls-allowed?domain=autoconfig.m%C3%BCller.example", 200, "ok\n"},
		{"a foreign name", ready, "GET /internal/tls-allowed?domain=www.example.org", 403, "no certificate is given out for www.example.org\n"},
		{"nobody says which", admin.Options{}, "GET /internal/tls-allowed?domain=autoconfig.example.com", 403, "no certificate is given out for autoconfig.example.com\n"},
		{"no name", ready, "GET /internal/tls-allowed", 400, "domain is given 0 times; /internal/tls-allowed?domain=NAME is allowed\n"},
		{"two names", ready, "GET /internal/tls-allowed?domain=autoconfig.example.com&domain=www.example.org", 400, "domain is given 2 times; /internal/tls-allowed?domain=NAME is allowed\n"},
		{"an empty name", ready, "GET /internal/tls-allowed?domain=", 400, ""},
		{"an address", ready, "GET /internal/tls-allowed?domain=192.0.2.1", 400, ""},
		{"a wildcard", ready, "GET /internal/tls-allowed?domain=*.example.com", 400, ""},
		{"a line break", ready, "GET /internal/tls-allowed?domain=a%0d%0ab.example", 400, ""},
		{"a very long name", ready, "GET /internal/tls-allowed?domain=" + strings.Repeat("a", 5000), 400, ""},

		{"no profiles", ready, "GET /debug/pprof/", 404, "404 page not found\n"},
		{"profiles", profiled, "GET /debug/pprof/cmdline", 200, ""},

		{"by IPv6", ready, "GET /metrics Host: [::1]:9180", 200, "milepost_up 1\n"},
		{"by localhost", ready, "GET /metrics Host: localhost:9180", 200, "milepost_up 1\n"},
		{"by a container's name", ready, "GET /metrics Host: milepost:9180", 200, "milepost_up 1\n"},
		{"by its own name", ready, "GET /metrics Host: Admin.example.net:9180", 200, "milepost_up 1\n"},
		{"from the address bar", ready, "GET /metrics Sec-Fetch-Site: none", 200, "milepost_up 1\n"},
		{"a rebound name", profiled, "GET /debug/pprof/cmdline Host: rebound.example.org:9180", 403, "the host name in the request is not one of this listener; ask by an address, localhost, or a name without a dot\n"},
		{"a page of another site", ready, "GET /metrics Sec-Fetch-Site: cross-site", 403, "web pages may not ask here\n"},
		{"a script of another site", ready, "GET /metrics Origin: https://www.example.org", 403, "web pages may not ask here\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			method, rest, _ := strings.Cut(tc.request, " ")
			target, header, _ := strings.Cut(rest, " ")
			r := httptest.NewRequest(method, target, nil)
			r.Host = "127.0.0.1:9180"
			if name, value, ok := strings.Cut(header, ": "); ok && name == "Host" {
				r.Host = value
			} else if ok {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			admin.Handler(tc.options).ServeHTTP(w, r)
			if body := w.Body.String(); w.Code != tc.status || tc.body != "" && body != tc.body || strings.Count(body, "\n") > 2 {
				t.Errorf("%d %s", w.Code, body)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Error(w.Header())
			}
		})
	}
}

// Serve answers, and returns once its context ends, whatever is under way.
func TestServe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	entered := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/profile" {
			close(entered)
			<-r.Context().Done()
		}
	})
	stopped := make(chan error, 1)
	go func() { stopped <- admin.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	ask := func(path string) error {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := ask("/"); err != nil {
		t.Fatal(err)
	}
	left := make(chan error, 1)
	go func() { left <- ask("/profile") }()
	<-entered
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := <-left; err == nil {
		t.Error("a profile was waited for")
	}
}
