package httpd_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autodiscover"
	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/formats"
	"milepost/internal/httpd"
	"milepost/internal/lookup"
	"milepost/settings"
)

// hosted has whatever has a username, with that username throughout.
func hosted(t testing.TB, username, fallback settings.Username) *catalogue.Catalogue {
	file := strings.ReplaceAll(`display_name = "Example hoster"
domains = ["example.com"]
webmail = "https://webmail.example.com/"
[[incoming]]
protocol = "imap"
hostname = "imap.example.com"
username = "USER"
[[incoming]]
protocol = "pop3"
hostname = "pop.example.com"
username = "USER"
[[outgoing]]
hostname = "smtp.example.com"
username = "USER"
[[setup]]
protocol = "managesieve"
hostname = "sieve.example.com"
username = "USER"
[[service]]
protocol = "caldav"
url = "https://dav.example.com/"
username = "USER"
[[service]]
protocol = "carddav"
url = "https://dav.example.com/"
username = "USER"
[[service]]
protocol = "activesync"
url = "https://eas.example.com/Microsoft-Server-ActiveSync"
username = "USER"
[mta_sts]
mode = "testing"
mx = ["mx.example.com"]
`, "USER", string(username))
	c := fixture.Catalogue(t, "example.com.toml", file)
	c.Providers()[0].LoginFallback = fallback
	return c
}

// oneLogin knows fred@example.com, asked by HTTPS.
type oneLogin struct{ has lookup.Login }

func (l oneLogin) Login(_ context.Context, provider string, a address.Address, by lookup.Asker) (lookup.Login, error) {
	if provider != "example.com" || a.String() != "fred@example.com" || !by.Encrypted {
		return lookup.Login{}, nil
	}
	return l.has, nil
}

// everyRequest asks, about an address, for whatever can be asked for.
func everyRequest(a string) (all []*http.Request) {
	local, domain, _ := strings.Cut(a, "@")
	q := "?emailaddress=" + url.QueryEscape(a)
	var paths []string
	for _, f := range formats.Table() {
		for _, path := range f.Paths {
			path = strings.NewReplacer(":domain", domain, "*", url.PathEscape(a)).Replace(path)
			if slices.Contains(f.Methods, http.MethodGet) {
				paths = append(paths, path+q, path+q+"&Email="+url.QueryEscape(a)+"&Protocol=ActiveSync")
			}
		}
	}
	for _, page := range []string{"/setup", "/trouble", "/widget", "/api/v1/settings"} {
		paths = append(paths, page+q, page+q+"&protocol=pop3", page+"?emailaddress="+domain)
	}
	for _, device := range []string{"iphone", "android", "windows", "mac", "linux"} {
		paths = append(paths, "/setup"+q+"&device="+device)
	}
	paths = append(paths, "/providers", "/providers/example.com", "/api/v1/providers", "/api/v1/providers/example.com", "/.well-known/caldav")
	for _, host := range []string{"autoconfig." + domain, "autodiscover." + domain, "ua-auto-config." + domain, "mta-sts." + domain, "mail.example.net"} {
		for _, path := range paths {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Host = host
			all = append(all, r)
		}
	}
	for _, schema := range []string{"outlook/responseschema/2006a", "mobilesync/responseschema/2006"} {
		all = append(all, httptest.NewRequest(http.MethodPost, autodiscover.POXPath, strings.NewReader(
			`<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>`+local+"@"+domain+
				`</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/`+schema+`</AcceptableResponseSchema></Request></Autodiscover>`)))
	}
	for _, r := range all {
		r.TLS, r.RemoteAddr = new(tls.ConnectionState), "192.0.2.1:1"
	}
	return all
}

// Where no login name is known, an answer is that of a provider whose file has the
// fallback, whatever is asked for.
func TestFallback(t *testing.T) {
	for _, fallback := range []settings.Username{settings.EmailAddress, settings.EmailLocalPart, "x-%EMAILLOCALPART%.%EMAILDOMAIN%"} {
		t.Run(string(fallback), func(t *testing.T) {
			handler := func(c *catalogue.Catalogue, logins lookup.Logins) http.Handler {
				return httpd.Handler(httpd.Options{Current: current(t, c, "https://mail.example.net"), Logins: logins})
			}
			logins := oneLogin{lookup.Login{Name: "u77", FullName: "Fred Example"}}
			plain, by, nobody := handler(hosted(t, fallback, ""), nil), handler(hosted(t, settings.Login, fallback), logins), handler(hosted(t, settings.Login, fallback), nil)
			answered := 0
			for _, who := range []string{"anna@example.com", "%LOGIN%@example.com"} {
				wanted := everyRequest(who)
				for i, r := range everyRequest(who) {
					want, got, without := httptest.NewRecorder(), httptest.NewRecorder(), httptest.NewRecorder()
					plain.ServeHTTP(want, wanted[i])
					by.ServeHTTP(got, r)
					nobody.ServeHTTP(without, everyRequest(who)[i])
					if got.Code != want.Code || got.Body.String() != want.Body.String() {
						t.Fatalf("%s %s of %s: %d, not %d\n%s\nnot\n%s", r.Method, r.URL, r.Host, got.Code, want.Code, got.Body, want.Body)
					}
					if without.Body.String() != want.Body.String() {
						t.Fatalf("without directory, %s %s of %s:\n%s\nnot\n%s", r.Method, r.URL, r.Host, without.Body, want.Body)
					}
					if got.Code == http.StatusOK {
						answered++
					}
				}
			}
			if answered < 100 {
				t.Errorf("only %d requests were answered", answered)
			}
		})
	}
}

var betweenTags = regexp.MustCompile(`>\s+<`)

// A known login name is in every document about the address, and nobody keeps it.
func TestKnownLogin(t *testing.T) {
	o := httpd.Options{Current: current(t, hosted(t, settings.Login, ""), "https://mail.example.net"), Logins: oneLogin{lookup.Login{Name: "u77", FullName: "Fred Example"}}}
	h, found := httpd.Handler(o), make(map[string]bool)
	for _, r := range everyRequest("fred@example.com") {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		body := w.Body.String()
		if strings.Contains(body, "%LOGIN%") {
			t.Errorf("%s %s of %s has %%LOGIN%%:\n%s", r.Method, r.URL, r.Host, body)
		}
		if !strings.Contains(body, "u77") {
			continue
		}
		found[r.Method+" "+r.URL.Path] = true
		if cache := w.Header().Get("Cache-Control"); !strings.Contains(cache, "no-store") || w.Header().Get("Etag") != "" {
			t.Errorf("%s %s may be kept: %s", r.Method, r.URL, cache)
		}
	}
	for _, want := range []string{"GET /mail/config-v1.1.xml", "POST /autodiscover/autodiscover.xml", "GET /mobileconfig", "GET /setup", "GET /trouble", "GET /widget", "GET /api/v1/settings"} {
		if !found[want] {
			t.Errorf("%s does not have the login name", want)
		}
	}
	for _, tc := range []struct{ name, target, want string }{
		{"profile", "/mobileconfig?emailaddress=fred@example.com", "<key>EmailAccountName</key><string>Fred Example</string>"},
		{"profile, for which another name was typed", "/mobileconfig?emailaddress=fred@example.com&name=F.", "<key>EmailAccountName</key><string>F.</string>"},
	} {
		r := httptest.NewRequest(http.MethodGet, tc.target, nil)
		r.TLS = new(tls.ConnectionState)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if flat := betweenTags.ReplaceAllString(w.Body.String(), "><"); !strings.Contains(flat, tc.want) {
			t.Errorf("%s lacks %s:\n%s", tc.name, tc.want, w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/mail/config-v1.1.xml?emailaddress=fred@example.com", nil)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "u77") {
		t.Error("the login name is told in clear text")
	}
}

// noAddress has a directory that tells that it does not have an address.
type noAddress struct{}

func (noAddress) Login(_ context.Context, _ string, a address.Address, _ lookup.Asker) (lookup.Login, error) {
	return lookup.Login{}, &lookup.UnknownAddress{Domain: a.Domain}
}

// What is told of an unknown address, each in the format's own way, and logged.
func TestTellUnknown(t *testing.T) {
	var log logBuffer
	h := httpd.Handler(httpd.Options{Current: current(t, hosted(t, settings.Login, ""), ""), Logins: noAddress{}, Requests: &log})
	for _, tc := range []struct {
		target string
		status int
		want   string
	}{
		{"/mail/config-v1.1.xml?emailaddress=secretname@example.com", 404, "no such address is known at example.com"},
		{"/mobileconfig?emailaddress=secretname@example.com", 404, "no such address is known at example.com"},
		{"/autodiscover/autodiscover.json?Email=secretname@example.com&Protocol=ActiveSync", 404, `"UserNotFound"`},
		{"/setup?emailaddress=secretname@example.com", 404, "This address is not known at example.com."},
		{"/widget?emailaddress=secretname@example.com", 404, "This address is not known at example.com."},
		{"/api/v1/settings?emailaddress=secretname@example.com", 404, `"address-unknown"`},
		{"/mail/config-v1.1.xml?emailaddress=example.com", 200, "<domain>example.com</domain>"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, tc.target, nil)
		r.TLS = new(tls.ConnectionState)
		if strings.HasSuffix(tc.target, "=example.com") {
			r = httptest.NewRequest(http.MethodGet, "/mail/config-v1.1.xml", nil)
			r.Host = "autoconfig.example.com"
		}
		h.ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s: %d\n%s", tc.target, w.Code, w.Body)
		}
	}
	if strings.Contains(log.String(), "secretname") {
		t.Errorf("the log names a person:\n%s", log.String())
	}
}
