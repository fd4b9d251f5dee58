package httpd_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// Over plain HTTP, documents are served and people are sent to HTTPS; the service host
// alone says that there is nothing else.
func TestPlainBesideHTTPS(t *testing.T) {
	s, err := snapshot.New(fixture.Catalogue(t, "example.com.toml", fixture.Family), pages.Branding{}, "https://mail.example.net")
	if err != nil {
		t.Fatal(err)
	}
	conf := *config.Default()
	conf.HTTPS.Listen = []config.ListenAddress{":443"}
	s.Config = &conf
	h := httpd.Handler(httpd.Options{Current: func() *snapshot.Snapshot { return s }, Log: slog.New(slog.DiscardHandler)})
	for _, tc := range []struct {
		name, host, path string
		secure           bool
		status           int
		location, hsts   string
	}{
		{"a document", "autoconfig.example.com", "/mail/config-v1.1.xml", false, 200, "", ""},
		{"Autodiscover", "autodiscover.example.com", "/autodiscover/autodiscover.json?Email=fred%40example.com&Protocol=AutodiscoverV1", false, 200, "", ""},
		{"a page", "autoconfig.example.com", "/setup?emailaddress=fred%40example.com", false, 302, "https://mail.example.net/setup?emailaddress=fred%40example.com", ""},
		{"home", "evil.example", "/", false, 302, "https://mail.example.net/", ""},
		{"a path with two slashes", "evil.example", "//providers", false, 302, "https://mail.example.net/providers", ""},
		{"a target that is a URL", "mail.example.net", "http://evil.example/help?x=1", false, 302, "https://mail.example.net/help?x=1", ""},
		{"a URL without a slash", "mail.example.net", "http:.evil.example/help", false, 404, "", ""},
		{"a profile", "mail.example.net", "/mobileconfig?emailaddress=fred%40example.com", false, 302, "https://mail.example.net/mobileconfig?emailaddress=fred%40example.com", ""},
		{"a page over HTTPS", "mail.example.net", "/help", true, 200, "", "max-age=31536000"},
		{"… with a port", "mail.example.net:8443", "/help", true, 200, "", "max-age=31536000"},
		{"… in capitals", "Mail.Example.NET", "/help", true, 200, "", "max-age=31536000"},
		{"… at a customer's name", "autoconfig.example.com", "/help", true, 200, "", ""},
		{"a document over HTTPS", "mail.example.net", "/v1.1/example.com", true, 200, "", "max-age=31536000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tc.path, nil)
			r.Host = tc.host
			if tc.secure {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			body, _ := io.ReadAll(w.Result().Body)
			if w.Code != tc.status || w.Header().Get("Location") != tc.location || w.Header().Get("Strict-Transport-Security") != tc.hsts {
				t.Errorf("%d %v %.200s", w.Code, w.Header(), body)
			}
		})
	}
}
