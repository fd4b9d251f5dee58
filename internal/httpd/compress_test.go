package httpd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"milepost/internal/fixture"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

func TestAcceptsGzip(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                                    false,
		"gzip":                                true,
		"GZip":                                true,
		"x-gzip":                              true,
		"gzip, deflate, br, zstd":             true,
		"br;q=1.0, gzip;q=0.8, *;q=0.1":       true,
		"deflate,gzip ; q=0.5":                true,
		"gzip;Q=0.001":                        true,
		"gzip;q=0":                            false,
		"gzip;q=0.000":                        false,
		"*":                                   true,
		"*;q=0":                               false,
		"gzip;q=0, *":                         false,
		"*;q=0, gzip":                         true,
		"identity":                            false,
		"identity, gzip":                      true,
		"identity;q=0.5, gzip;q=1":            true,
		"identity;q=1, gzip;q=0.5":            false,
		"identity;q=1, *;q=0.5":               false,
		"identity;q=0, gzip;q=0.1":            true,
		"br, deflate":                         false,
		"gzipped":                             false,
		"gzip;q=2":                            false,
		"gzip;q=-1":                           false,
		"gzip;q=NaN":                          false,
		"gzip;q=":                             false,
		"gzip;level=9":                        false,
		strings.Repeat(",", 10_000):           false,
		strings.Repeat("br,", 5_000) + "gzip": true,
	} {
		if got := acceptsGzip([]string{accept}); got != want {
			t.Errorf("%.40q: %t, want %t", accept, got, want)
		}
	}
	if !acceptsGzip([]string{"br", "gzip"}) {
		t.Error("a second header line does not count")
	}
}

func shippedHandler(t testing.TB) (http.Handler, *snapshot.Snapshot) {
	t.Helper()
	s, err := snapshot.New(fixture.Shipped(t), pages.Branding{}, "")
	if err != nil {
		t.Fatal(err)
	}
	return Handler(Options{Current: func() *snapshot.Snapshot { return s }, Log: slog.New(slog.DiscardHandler)}), s
}

// asked is the answer to a request with headers: a name, its value, and so on.
func asked(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Both forms of an answer say the same, under different tags; each tag is known again,
// and HEAD has the headers of either.
func TestForms(t *testing.T) {
	h, s := shippedHandler(t)
	home := asked(h, "GET", "/").Body.String()
	_, style, _ := strings.Cut(home, `<link rel="stylesheet" href="`)
	style, _, _ = strings.Cut(style, `"`)
	const api = "/api/v1/settings?emailaddress=fred@orange.fr"
	for _, path := range []string{"/", "/help?lang=fr", "/providers", "/providers?q=orange", "/providers/" + s.Catalogue.Providers()[0].ID,
		"/setup?emailaddress=fred@orange.fr", "/setup?emailaddress=nonsense", api, "/api/v1/openapi.json", style} {
		t.Run(path, func(t *testing.T) {
			plain := asked(h, "GET", path)
			zipped := asked(h, "GET", path, "Accept-Encoding", "gzip")
			if plain.Header().Get("Content-Encoding") != "" || zipped.Header().Get("Content-Encoding") != "gzip" {
				t.Fatalf("codings %q and %q", plain.Header()["Content-Encoding"], zipped.Header()["Content-Encoding"])
			}
			if plain.Code != zipped.Code || plain.Header().Get("Content-Type") != zipped.Header().Get("Content-Type") {
				t.Errorf("%d %v and %d %v", plain.Code, plain.Header(), zipped.Code, zipped.Header())
			}
			z, err := gzip.NewReader(zipped.Body)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(z)
			if err != nil || !bytes.Equal(body, plain.Body.Bytes()) {
				t.Errorf("%v: it becomes %d octets, of %d", err, len(body), plain.Body.Len())
			}
			tags := []string{plain.Header().Get("Etag"), zipped.Header().Get("Etag")}
			if tagged := tags[0] != ""; tagged && tags[0] == tags[1] || tagged != (tags[1] != "") {
				t.Errorf("tags %q", tags)
			}
			for i, coding := range []string{"identity", "gzip"} {
				full := []*httptest.ResponseRecorder{plain, zipped}[i]
				if !slices.Contains(full.Header()["Vary"], "Accept-Encoding") {
					t.Errorf("%s: Vary: %q", coding, full.Header()["Vary"])
				}
				head := asked(h, "HEAD", path, "Accept-Encoding", coding)
				if got, want := fmt.Sprint(head.Code, head.Header()), fmt.Sprint(full.Code, full.Header()); got != want || head.Body.Len() > 0 {
					t.Errorf("HEAD, %s: %s and %d octets, want %s", coding, got, head.Body.Len(), want)
				}
				if tags[0] == "" {
					continue
				}
				for seen, want := range map[string]string{tags[0]: tags[0], tags[1]: tags[1], "*": tags[i], `"other", W/` + tags[1]: tags[1]} {
					got := asked(h, "GET", path, "Accept-Encoding", coding, "If-None-Match", seen)
					if got.Code != http.StatusNotModified || got.Header().Get("Etag") != want || got.Header().Get("Content-Encoding") != "" || got.Body.Len() > 0 {
						t.Errorf("%s, who has %s: %d %v, want 304 %s", coding, seen, got.Code, got.Header(), want)
					}
				}
				if got := asked(h, "GET", path, "Accept-Encoding", coding, "If-None-Match", `"other", "other-gz"`); got.Code != full.Code {
					t.Errorf("%s, who has something else: %d", coding, got.Code)
				}
			}
		})
	}
}

// What is short, no text, or a document of a format goes as it is, and depends on
// nothing.
func TestNotCompressed(t *testing.T) {
	h, _ := shippedHandler(t)
	for _, path := range []string{"/robots.txt", "/mail/config-v1.1.xml?emailaddress=fred@gmail.com", "/mobileconfig?emailaddress=fred@gmx.com", "/nothing", "/api/v1/settings"} {
		w := asked(h, "GET", path, "Accept-Encoding", "gzip")
		if w.Header().Get("Content-Encoding") != "" || slices.Contains(w.Header()["Vary"], "Accept-Encoding") {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	if compressible("image/png") {
		t.Error("a PNG is compressed twice")
	}
}

// What is the same for many is compressed once, and what is kept is bounded.
func TestKeptForms(t *testing.T) {
	var z compressor
	body := make([]byte, 64<<10)
	for i, state := 0, uint32(1); i < len(body); i++ { // that does not get shorter
		state = state*1664525 + 1013904223
		body[i] = byte(state >> 24)
	}
	for i := range 3 * maxCompressed / len(body) {
		body[0], body[1] = byte(i), byte(i>>8)
		tag := fmt.Sprint(i)
		first := z.keep(tag, body)
		if again := z.keep(tag, body); &again[0] != &first[0] {
			t.Fatal("compressed twice")
		}
		if cap(first) > len(first)+len(first)/4 {
			t.Fatalf("%d octets are held for %d", cap(first), len(first))
		}
		sum := 0
		for _, kept := range z.kept {
			sum += len(kept)
		}
		if sum != z.size || sum > maxCompressed {
			t.Fatalf("%d octets are kept, %d counted", sum, z.size)
		}
	}
}

// BenchmarkProviders is the list of providers as it is and compressed, without the
// kernel.
func BenchmarkProviders(b *testing.B) {
	h, _ := shippedHandler(b)
	for _, bc := range []struct{ name, path string }{{"list", "/providers"}, {"answer", "/setup?emailaddress=fred@orange.fr"}, {"api", "/api/v1/settings?emailaddress=fred@orange.fr"}} {
		for _, coding := range []string{"identity", "gzip"} {
			b.Run(bc.name+"/"+coding, func(b *testing.B) {
				octets := 0
				for b.Loop() {
					octets = asked(h, "GET", bc.path, "Accept-Encoding", coding).Body.Len()
				}
				b.ReportMetric(float64(octets), "octets")
			})
		}
	}
}
