package httpd_test

import (
	"bytes"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// Nothing of a local part reaches the log from the pages' own routes, wherever
// a person types the address.
func TestPagesLogHoldsNoLocalPart(t *testing.T) {
	var log logBuffer
	// The server has stopped, and so written every line, when the requests are over.
	t.Run("requests", func(t *testing.T) {
		addr := start(t, familyCatalogue(t), &log)
		for _, target := range []string{
			"/setup?emailaddress=secretname%40example.com",
			"/setup?emailaddress=secretname%40unknown.example",
			"/setup?emailaddress=secretname",
			"/setup?emailaddress=%22secretname%0d%40example.com",
			"/setup/secretname@example.com",
			"/trouble?emailaddress=secretname%40example.com",
			"/trouble?emailaddress=secretname",
			"/widget?emailaddress=secretname%40unknown.example",
			"/providers/secretname@example.com/thunderbird",
			"/api/v1/providers?q=secretname%40example.com",
			"/api/v1/providers/secretname@example.com",
			"/api/v1/problems/secretname",
			"/providers?q=secretname%40example.com",
			"/providers/secretname@example.com",
			"/help?lang=secretname",
			"/assets/secretname@example.com",
			"/api/v1/settings?emailaddress=secretname%40example.com",
			"/api/v1/settings?emailaddress=secretname%40unknown.example",
		} {
			exchange(t, addr, "GET "+target+" HTTP/1.1\nHost: mail.example.com\nAccept: text/html\nReferer: http://x/secretname\n\n")
		}
	})
	if strings.Contains(log.String(), "secret") {
		t.Errorf("the log names a person:\n%s", log.String())
	}
	for _, want := range []string{"route=/setup domain=example.com status=200", "route=/setup domain=unknown.example status=404", "route=/api/v1/settings domain=example.com status=200"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// Two addresses of a domain get the same answer but for the address: nothing
// says which of them has a mailbox.
func TestPagesDoNotTellMailboxes(t *testing.T) {
	addr := start(t, familyCatalogue(t), io.Discard)
	for _, path := range []string{"/setup", "/trouble", "/widget", "/api/v1/settings"} {
		one := exchange(t, addr, "GET "+path+"?emailaddress=fredd%40example.com HTTP/1.1\nHost: x\n\n")
		two := exchange(t, addr, "GET "+path+"?emailaddress=nobdy%40example.com HTTP/1.1\nHost: x\n\n")
		if a, b := withoutCodes(strings.ReplaceAll(one, "fredd", "nobdy")), withoutCodes(two); a != b || !strings.HasPrefix(a, "HTTP/1.1 200 OK") {
			t.Errorf("%s answers\n%s\nand\n%s", path, one, two)
		}
	}
}

// withoutCodes takes the QR codes out of an answer, and its length, which
// depends on them.
func withoutCodes(answer string) string {
	return regexp.MustCompile(`data:image/png;base64,[^"]+|Content-Length: \d+`).ReplaceAllString(answer, "")
}

// A page that the browser has is not sent again, and every asset that a page
// names is there, for ever.
func TestPagesAreKept(t *testing.T) {
	logo, err := pages.ParseLogo([]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`))
	if err != nil {
		t.Fatal(err)
	}
	served, err := snapshot.New(familyCatalogue(t), pages.Branding{Name: "Example & Co", Logo: logo, SupportURL: "https://example.com/help"}, "")
	if err != nil {
		t.Fatal(err)
	}
	addr := startOptions(t, httpd.Options{Current: func() *snapshot.Snapshot { return served }}, io.Discard)
	for _, path := range []string{"/", "/help", "/providers", "/providers/example.com"} {
		first := exchange(t, addr, "GET "+path+" HTTP/1.1\nHost: x\n\n")
		_, rest, ok := strings.Cut(first, "\nEtag: ")
		etag, _, _ := strings.Cut(rest, "\n")
		if !ok || !strings.Contains(first, "Example &amp; Co") || !strings.Contains(first, `href="https://example.com/help"`) {
			t.Fatalf("%s", first)
		}
		if again := exchange(t, addr, "GET "+path+" HTTP/1.1\nHost: x\nIf-None-Match: "+etag+"\n\n"); !strings.HasPrefix(again, "HTTP/1.1 304 ") {
			t.Errorf("%s is sent again", path)
		}
		if french := exchange(t, addr, "GET "+path+" HTTP/1.1\nHost: x\nAccept-Language: fr\nIf-None-Match: "+etag+"\n\n"); !strings.HasPrefix(french, "HTTP/1.1 200 ") {
			t.Errorf("%s in French is not sent", path)
		}
	}
	home := exchange(t, addr, "GET / HTTP/1.1\nHost: x\n\n")
	assets := 0
	for _, part := range strings.Split(home, `"`+pages.AssetPath)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		assets++
		got := exchange(t, addr, "GET "+pages.AssetPath+name+" HTTP/1.1\nHost: x\n\n")
		for _, want := range []string{"HTTP/1.1 200 OK\n", "\nCache-Control: public, max-age=31536000, immutable\n", "\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; sandbox;"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	}
	if assets != 5 { // icon, style, script, logo, manifest
		t.Errorf("%d assets", assets)
	}
}

// A name that lacks its @ is most likely somebody's, and stays out of the log.
func TestPagesLogNoName(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), ""), Requests: &out, Log: log})
	for _, typed := range []string{"jean.dupont", "jean.dupont%C3%A0example.com", "jean.dupont%40", "jean.dupont%20example.com", "mail.jean.dupont"} {
		for _, path := range []string{"/setup", "/api/v1/settings"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?emailaddress="+typed, nil))
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s %s: %d", path, typed, w.Code)
			}
		}
	}
	if lines := strings.Count(out.String(), "\n"); lines != 10 || strings.Contains(out.String(), "jean") || strings.Contains(out.String(), "dupont") {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

// The default provider serves every domain, and so would make a domain, and a line
// in the log, of every word that lacks its @. Only what a provider names, itself, by
// a wildcard or as MX, is one.
func TestPagesLogNoNameUnderDefault(t *testing.T) {
	hoster := strings.Replace(family, `domains = ["example.com"]`, "domains = [\"hoster.example\", \"*.hoster.test\", \"*\"]\nmx = [\"mx.example\"]", 1)
	c := fixture.Catalogue(t, "hoster.toml", hoster)
	var out bytes.Buffer
	h := httpd.Handler(httpd.Options{Current: current(t, c, ""), Requests: &out, Log: slog.New(slog.NewTextHandler(&out, nil))})
	for _, tc := range []struct {
		typed, logged string
		status        int
	}{
		{"jean.dupont", `""`, http.StatusBadRequest},
		{"mail.jean.dupont", `""`, http.StatusBadRequest},
		{"jean@dupont.example", "dupont.example", http.StatusOK},
		{"hoster.example", "hoster.example", http.StatusOK},
		{"one.hoster.test", "one.hoster.test", http.StatusOK},
		{"in.mx.example", "in.mx.example", http.StatusOK},
	} {
		for _, path := range []string{"/setup", "/api/v1/settings"} {
			out.Reset()
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?emailaddress="+tc.typed, nil))
			if w.Code != tc.status || !strings.Contains(out.String(), " domain="+tc.logged+" ") {
				t.Errorf("%s %s: %d, want %d, %s", path, tc.typed, w.Code, tc.status, out.String())
			}
		}
	}
}

// A + in an address is a +, escaped or not and whoever asks, here as everywhere
// else.
func TestPagesPlus(t *testing.T) {
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), ""), Log: slog.New(slog.DiscardHandler)})
	for _, query := range []string{"fred+news%40example.com", "fred%2Bnews%40example.com", "fred+news@example.com", "+fred+news%40example.com+"} {
		for path, want := range map[string]string{"/api/v1/settings": `"address": "fred+news@example.com"`, "/setup": "<bdi>fred+news@example.com</bdi></h1>"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+"?EmailAddress="+query, nil))
			if w.Code != http.StatusOK || !strings.Contains(html.UnescapeString(w.Body.String()), want) {
				t.Errorf("%s, %s: %d %s", path, query, w.Code, w.Body)
			}
		}
	}
}

// Whatever octets a stranger sends, a page is UTF-8 as its header says.
func TestPagesAreUTF8(t *testing.T) {
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), ""), Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/", "/setup", "/providers", "/providers/example.com", "/providers/%ff", "/providers/example.com/%ff", "/trouble", "/widget", "/help", "/%ff", "/api/v1/settings", "/api/v1/providers", "/api/v1/providers/%ff"} {
		for _, name := range []string{"emailaddress", "protocol", "lang", "q", "country", "sort", "page", "client", "%ff"} {
			for _, value := range []string{"%ff", "fr%ffed", "fr%ffed@example.com", "fred@%ff.example", "fred%ff.example.com", "%ff+%3Cfred@example.com%3E", "%ff+%3Cfred@unknown.example%3E", strings.Repeat("a", 299) + "%c3%a9"} {
				r := httptest.NewRequest(http.MethodGet, path+"?emailaddress=fred@example.com&"+name+"="+value, nil)
				if name == "emailaddress" {
					r.URL.RawQuery = name + "=" + value
				}
				r.Header.Set("Accept", "text/html")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code >= http.StatusInternalServerError || !utf8.Valid(w.Body.Bytes()) {
					t.Errorf("%s: %d, not UTF-8: %q", r.URL, w.Code, w.Body)
				}
			}
		}
	}
}

// A mistake of ours is a page for people too, and an error in JSON for programs.
func TestPagesPanic(t *testing.T) {
	addr := startOptions(t, httpd.Options{Current: broken(t)}, io.Discard)
	got := exchange(t, addr, "GET /setup?emailaddress=fred%40example.com HTTP/1.1\nHost: x\nAccept-Language: de\n\n")
	if !strings.HasPrefix(got, "HTTP/1.1 500 ") || !strings.Contains(got, "Der Fehler liegt bei uns.") || strings.Contains(got, "fred") {
		t.Error(got)
	}
	got = exchange(t, addr, "GET /api/v1/settings?emailaddress=fred%40example.com HTTP/1.1\nHost: x\n\n")
	if !strings.HasPrefix(got, "HTTP/1.1 500 ") || !strings.Contains(got, `"detail": "the server made a mistake; its log says more under id=`) {
		t.Error(got)
	}
}

// Only a public URL puts a code for the profile on the page: what a request calls
// the server is in no code and no link.
func TestPagesDoNotBelieveTheHost(t *testing.T) {
	c := familyCatalogue(t)
	for _, public := range []string{"", "https://mail.example.net"} {
		addr := startOptions(t, httpd.Options{Current: current(t, c, public)}, io.Discard)
		got := exchange(t, addr, "GET /setup?emailaddress=fred%40example.com&client=apple-mobile HTTP/1.1\nHost: evil.example\n\n")
		codes := strings.Count(got, "data:image/png")
		if strings.Contains(got, "evil.example") || (public == "" && codes != 0) || (public != "" && codes != 1) {
			t.Errorf("%q: %d codes", public, codes)
		}
		if !strings.Contains(got, `href="/mobileconfig?emailaddress=fred%40example.com&amp;lang=en"`) {
			t.Error("no link to the profile")
		}
	}
}

// BenchmarkPages asks for pages over loopback, through the whole stack.
func BenchmarkPages(b *testing.B) {
	addr := startShipped(b)
	for _, bm := range []struct{ name, path string }{
		{"home", "/"},
		{"answer", "/setup?emailaddress=fred%40gmx.com"},
		{"providers", "/providers"},
		{"provider", "/providers/gmail.com"},
		{"client", "/providers/gmail.com/thunderbird"},
		{"trouble", "/trouble?emailaddress=fred%40gmx.com"},
		{"widget", "/widget?emailaddress=fred%40gmx.com"},
		{"api-providers", "/api/v1/providers"},
		{"api", "/api/v1/settings?emailaddress=fred%40gmx.com"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := dial(b, addr, "GET "+bm.path+" HTTP/1.1\r\nHost: mail.example.com\r\n\r\n")
			for b.Loop() {
				if header, _ := c.exchange(b); header.Get("Content-Type") == "" {
					b.Fatal(http.StatusText(http.StatusNoContent))
				}
			}
		})
	}
}
