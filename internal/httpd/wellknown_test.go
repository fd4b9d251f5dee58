package httpd_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// Every shipped provider's services are reached through the well-known addresses of
// its domain, or are said to be out of reach; the target is the file's own.
func TestWellKnownOfShipped(t *testing.T) {
	c := fixture.Shipped(t)
	addr := start(t, c, io.Discard)
	redirected := 0
	for _, p := range c.Providers() {
		for _, s := range p.Services {
			path, ok := map[string]string{"caldav": "/.well-known/caldav", "carddav": "/.well-known/carddav", "jmap": "/.well-known/jmap"}[string(s.Protocol)]
			if !ok || len(p.Domains) == 0 || p.Domains[0].Wildcard {
				continue
			}
			d := p.Domains[0].Domain
			resp, body := ask(t, addr, "PROPFIND "+path+" HTTP/1.1\nHost: "+d.ASCII+"\n\n")
			location := resp.Header.Get("Location")
			switch want := p.Service(s.Protocol).URL; {
			case want == "" && strings.Contains(string(s.URL), "%EMAILDOMAIN%"):
				t.Errorf("%s: test this one too: %s", d, s.URL)
			case want == "":
				if resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "depends on the address") {
					t.Errorf("%s: %s %s %s", d, resp.Status, location, body)
				}
			default:
				u, err := url.Parse(location)
				if resp.StatusCode != http.StatusTemporaryRedirect || location != string(want) || err != nil || u.Scheme != "https" {
					t.Errorf("%s: %s to %s, want %s", d, resp.Status, location, want)
				}
				redirected++
			}
		}
	}
	if redirected < 20 {
		t.Errorf("only %d services are led to", redirected)
	}
}

// Whatever Host and path say, nobody is led anywhere else than to a URL of a file.
func FuzzWellKnown(f *testing.F) {
	addr := start(f, fixture.Catalogue(f,
		"a.toml", fixture.Family+"[[service]]\nprotocol = \"caldav\"\nurl = \"https://dav.%EMAILDOMAIN%/\"\n",
		"b.toml", strings.Replace(fixture.Family, "example.com", "*", 1)+"[[service]]\nprotocol = \"caldav\"\nurl = \"https://dav.%EMAILDOMAIN%/\"\n[[service]]\nprotocol = \"caldav\"\nurl = \"https://example.net/\"\n",
	), io.Discard)
	for _, host := range []string{"example.com", "autoconfig.example.com:1", "evil.example", "a@b", "[::1]", "example.com/", "example.com\\.evil.example", "xn--a", ""} {
		f.Add(host, "")
	}
	f.Add("example.com", "?x=https://evil.example")
	f.Fuzz(func(t *testing.T, host, query string) {
		if strings.ContainsAny(host+query, "\r\n \t") {
			return
		}
		resp, _ := ask(t, addr, "PROPFIND /.well-known/caldav"+query+" HTTP/1.1\nHost: "+host+"\n\n")
		if to := resp.Header.Get("Location"); to != "" && to != "https://dav.example.com/" && to != "https://example.net/" {
			t.Errorf("%q leads to %q", host, to)
		}
	})
}
