package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/snapshot"
	"milepost/internal/webdoctor"
)

// clinic is a server with a doctor, before a world on loopback that waits until it is let go.
type clinic struct {
	t       *testing.T
	url     string
	log     logBuffer
	served  *snapshot.Snapshot
	handler http.Handler
	release func()
}

func openClinic(t *testing.T, page string) *clinic {
	t.Helper()
	w := fixture.OpenWorld(t, fixture.ReadPage(t, page))
	gate := make(chan struct{})
	ctx, stop := context.WithCancel(context.Background())
	c := &clinic{t: t, served: current(t, familyCatalogue(t), "")(), release: sync.OnceFunc(func() { close(gate) })}
	c.served.Config.Doctor.Web, c.served.Site.Examines = true, true
	doctor := webdoctor.New(webdoctor.Options{Context: ctx, Resolvers: []string{w.Resolver}, Roots: w.Roots,
		Allow: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case <-gate:
				return w.Dial(ctx, network, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}})
	log := slog.New(slog.NewTextHandler(&c.log, nil))
	c.handler = httpd.Handler(httpd.Options{Current: func() *snapshot.Snapshot { return c.served }, Doctor: doctor,
		Proxies: httpd.Proxies{Trusted: httpd.Loopback()}, Requests: &c.log, Log: log})
	c.url = "http://" + startHandler(t, c.handler, log)
	t.Cleanup(stop) // before the server waits for its requests
	return c
}

// ask sends a form, or asks if there is none, for a client.
func (c *clinic) ask(client, path string, form url.Values, header ...string) (*http.Response, string) {
	c.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", client)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp, string(text)
}

func typed(address string) url.Values { return url.Values{"emailaddress": {address}} }

const (
	goodWorld   = "../observe/testdata/worlds/good.txtar"
	insideWorld = "../webdoctor/testdata/inside.txtar"
)

// From the form to the shared result: nothing of the local part is anywhere, nobody finds
// a page by a search engine, and nobody keeps it.
func TestDoctor(t *testing.T) {
	c := openClinic(t, goodWorld)
	secret := func(where string, resp *http.Response, body string) {
		t.Helper()
		if strings.Contains(body+fmt.Sprint(resp.Header), "secretname") {
			t.Errorf("%s names a person:\n%s", where, body)
		}
		if got := resp.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
			t.Errorf("%s: %q", where, got)
		}
	}
	resp, body := c.ask("198.51.100.1", "/doctor?domain=example.com", nil)
	if secret("form", resp, body); resp.StatusCode != 200 || !strings.Contains(body, `value="example.com"`) || !strings.Contains(body, `method="post"`) {
		t.Errorf("%d\n%s", resp.StatusCode, body)
	}
	resp, body = c.ask("198.51.100.1", "/doctor/example.com", nil)
	if secret("none", resp, body); resp.StatusCode != 404 || !strings.Contains(body, "There is no result for") {
		t.Errorf("%d\n%s", resp.StatusCode, body)
	}
	resp, body = c.ask("198.51.100.1", "/doctor?lang=de", typed(" Fred <secretname@EXAMPLE.com> "))
	if secret("start", resp, body); resp.StatusCode != 303 || resp.Header.Get("Location") != "/doctor/example.com?lang=de" {
		t.Errorf("%d %q", resp.StatusCode, resp.Header)
	}
	resp, body = c.ask("198.51.100.9", "/doctor/example.com", nil)
	if secret("under way", resp, body); resp.StatusCode != 200 || resp.Header.Get("X-Robots-Tag") != "noindex" ||
		!strings.Contains(body, `<noscript><meta http-equiv="refresh" content="3"></noscript>`) || !strings.Contains(body, `data-events="/doctor/example.com/events"`) {
		t.Errorf("%d\n%s", resp.StatusCode, body)
	}

	r, err := http.Get(c.url + "/doctor/example.com/events?lang=fr")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got := r.Header.Get("Content-Type"); r.StatusCode != 200 || got != "text/event-stream" {
		t.Fatalf("%d %s", r.StatusCode, got)
	}
	var events []string
	last := ""
	for in := bufio.NewScanner(r.Body); in.Scan(); {
		if name, ok := strings.CutPrefix(in.Text(), "event: "); ok {
			events = append(events, name)
			c.release() // once the first event is there, live
		}
		if line, ok := strings.CutPrefix(in.Text(), "data: "); ok && line != "{}" {
			last = line
		}
	}
	var told struct {
		Done, Known int
		Said        string
	}
	if err := json.Unmarshal([]byte(last), &told); err != nil || told.Known < 1 || !strings.Contains(told.Said, "Réponses reçues") {
		t.Errorf("%q: %v", last, err)
	}
	if len(events) < 2 || events[0] != "progress" || events[len(events)-1] != "done" {
		t.Errorf("%q", events)
	}

	resp, body = c.ask("198.51.100.9", "/doctor/example.com?lang=pt", nil)
	secret("result", resp, body)
	for _, want := range []string{"<h1 tabindex=\"-1\"><bdi>example.com</bdi>: nota <bdi>", "Thunderbird", "IMAP mail.example.com:993 SSL/TLS", `<meta name="robots" content="noindex">`} {
		if !strings.Contains(body, want) {
			t.Errorf("the result lacks %s:\n%s", want, body)
		}
	}
	resp, body = c.ask("198.51.100.9", "/api/v1/doctor?domain=example.com", nil)
	secret("JSON", resp, body)
	report, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err == nil {
		err = reportSchema(t).Validate(report)
	}
	if err != nil || strings.Count(body, `"verdict"`) < 15 {
		t.Errorf("%v\n%s", err, body)
	}
	if log := c.log.String(); strings.Contains(log, "secretname") || !strings.Contains(log, "method=POST route=/doctor domain=example.com status=303") {
		t.Error(log)
	}
}

// reportSchema is what openapi.json says of a report.
func reportSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("openapi.json#/components/schemas/Report")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A diagnosis outlasts the deadlines that the server has for other answers, over HTTP/1.1
// and HTTP/2.
func TestDoctorOutlastsDeadlines(t *testing.T) {
	const deadline = 100 * time.Millisecond
	for _, path := range []string{"/api/v1/doctor?domain=example.com", "/doctor/example.com/events"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", path, http2), func(t *testing.T) {
				c := openClinic(t, goodWorld)
				s := httptest.NewUnstartedServer(c.handler)
				s.EnableHTTP2 = http2
				s.Config.ReadTimeout, s.Config.WriteTimeout = deadline, deadline
				s.StartTLS()
				t.Cleanup(s.Close)
				c.ask("198.51.100.1", "/doctor", typed("example.com"))
				time.AfterFunc(3*deadline, c.release)
				resp, err := s.Client().Get(s.URL + path)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.ProtoMajor == 2 != http2 || !strings.HasSuffix(strings.TrimSpace(string(body)), "}") || !strings.Contains(string(body), "grade") && !strings.Contains(string(body), "event: done") {
					t.Errorf("%s %d %v\n%s", resp.Proto, resp.StatusCode, err, body)
				}
			})
		}
	}
}

// What is refused, and how.
func TestDoctorRefuses(t *testing.T) {
	c := openClinic(t, goodWorld)
	for _, tc := range []struct {
		name, path string
		form       url.Values
		header     []string
		status     int
		says       string
	}{
		{"nothing typed", "/doctor", typed(""), nil, 400, "This is not a domain on the Internet."},
		{"a name", "/doctor", typed("secretname"), nil, 400, "This is not a domain on the Internet."},
		{"a host inside", "/doctor", typed("secretname@db.corp.internal"), nil, 400, "This is not a domain on the Internet."},
		{"an address in brackets", "/doctor", typed("secretname@[127.0.0.1]"), nil, 400, "This is not a domain on the Internet."},
		{"an IP address", "/doctor", typed("127.0.0.1"), nil, 400, "This is not a domain on the Internet."},
		{"a metadata server", "/doctor", typed("169.254.169.254"), nil, 400, "This is not a domain on the Internet."},
		{"a top-level domain", "/doctor", typed("com"), nil, 400, "This is not a domain on the Internet."},
		{"too much", "/doctor", typed(strings.Repeat("a", 5000)), nil, 413, ""},
		{"another site's page", "/doctor", typed("example.com"), []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"another site's page, an old browser", "/doctor", typed("example.com"), []string{"Origin", "https://evil.example"}, 403, ""},
		{"a person in the path", "/doctor/secretname@example.com", nil, nil, 404, ""},
		{"a host inside in the path", "/doctor/localhost", nil, nil, 404, ""},
		{"events of nothing", "/doctor/example.com/events", nil, nil, 503, ""},
		{"API in another site's picture", "/api/v1/doctor?domain=example.com", nil, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403, `"code": "forbidden"`},
		{"API behind another site's link", "/api/v1/doctor?domain=example.com", nil, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate"}, 403, "another site's page"},
		{"API without a domain", "/api/v1/doctor", nil, nil, 400, "add ?domain=DOMAIN"},
		{"API with a person", "/api/v1/doctor?domain=secretname%40example.com", nil, nil, 400, "add ?domain=DOMAIN"},
		{"API with a host inside", "/api/v1/doctor?domain=printer.local", nil, nil, 400, "add ?domain=DOMAIN"},
		{"API with an IP address", "/api/v1/doctor?domain=10.0.0.1", nil, nil, 400, "add ?domain=DOMAIN"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			resp, body := c.ask("198.51.100.1", tc.path, tc.form, tc.header...)
			if resp.StatusCode != tc.status || !strings.Contains(body, tc.says) || strings.Contains(body, "secretname") {
				t.Errorf("%d\n%s", resp.StatusCode, body)
			}
		})
	}
	if strings.Contains(c.log.String(), "secretname") {
		t.Error(c.log.String())
	}
}

// Without the setting there is nothing, and no page leads there.
func TestDoctorOff(t *testing.T) {
	c := openClinic(t, goodWorld)
	_, on := c.ask("198.51.100.1", "/setup?emailaddress=fred@example.com", nil)
	_, unknown := c.ask("198.51.100.1", "/setup?emailaddress=fred@unknown.example", nil)
	c.served.Config.Doctor.Web, c.served.Site.Examines = false, false
	_, off := c.ask("198.51.100.1", "/setup?emailaddress=fred@example.com", nil)
	const link, other = `href="/doctor?domain=example.com"`, `href="/doctor?domain=unknown.example"`
	if !strings.Contains(on, link) || !strings.Contains(unknown, other) || strings.Contains(off, "/doctor") {
		t.Error("the pages lead to the doctor, or do not, at the wrong time")
	}
	for path, form := range map[string]url.Values{"/doctor": nil, "/doctor/example.com": nil, "/doctor/example.com/events": nil, "/api/v1/doctor?domain=example.com": nil, "/doctor?": typed("example.com")} {
		if resp, body := c.ask("198.51.100.1", path, form); resp.StatusCode != 404 {
			t.Errorf("%s: %d\n%s", path, resp.StatusCode, body)
		}
	}
}

// One client has its share, and all together theirs.
func TestDoctorLimits(t *testing.T) {
	c := openClinic(t, goodWorld)
	for i := range 4 {
		if resp, body := c.ask("198.51.100.1", "/doctor", typed(fmt.Sprintf("d%d.com", i))); resp.StatusCode != 303 {
			t.Fatalf("%d: %d\n%s", i, resp.StatusCode, body)
		}
	}
	busy := func(what string, resp *http.Response, status int) {
		t.Helper()
		if resp.StatusCode != status || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d", what, resp.StatusCode)
		}
	}
	resp, body := c.ask("198.51.100.2", "/doctor", typed("fred@d5.com"))
	if busy("a fifth", resp, 503); !strings.Contains(body, "Several domains are being examined") || !strings.Contains(body, `value="d5.com"`) {
		t.Error(body)
	}
	resp, _ = c.ask("198.51.100.2", "/api/v1/doctor?domain=d5.com", nil)
	busy("the API", resp, 503)
	if resp, _ := c.ask("198.51.100.2", "/doctor", typed("d0.com")); resp.StatusCode != 303 {
		t.Errorf("one that is under way: %d", resp.StatusCode)
	}
	c.release()
	for i := range 4 {
		if resp, _ := c.ask("198.51.100.3", fmt.Sprintf("/api/v1/doctor?domain=d%d.com", i), nil); resp.StatusCode != 200 {
			t.Fatalf("d%d.com: %d", i, resp.StatusCode)
		}
	}
	resp, body = c.ask("198.51.100.1", "/doctor", typed("d5.com"))
	if busy("a client's fifth", resp, 429); !strings.Contains(body, "You have had several domains examined") {
		t.Error(body)
	}
	resp, _ = c.ask("198.51.100.1", "/api/v1/doctor?domain=d5.com", nil)
	busy("the API", resp, 429)
	if resp, _ := c.ask("198.51.100.1", "/doctor", typed("d1.com")); resp.StatusCode != 303 {
		t.Errorf("a fresh result: %d", resp.StatusCode)
	}
	if resp, _ := c.ask("198.51.100.2", "/doctor", typed("d5.com")); resp.StatusCode != 303 {
		t.Errorf("another client: %d", resp.StatusCode)
	}
}

// A stranger's domain whose ways lead inside gets a report, in which nothing of what is
// there stands; what a stranger's server says is text, and no markup.
func TestDoctorShowsNothingInside(t *testing.T) {
	c := openClinic(t, insideWorld)
	c.release()
	_, body := c.ask("198.51.100.1", "/api/v1/doctor?domain=example.com", nil)
	_, page := c.ask("198.51.100.1", "/doctor/example.com", nil)
	if !strings.Contains(body, "alert(") || !strings.Contains(page, "&lt;script&gt;alert(") || strings.Contains(page, "<script>") {
		t.Errorf("what a server says is not quoted as text:\n%s", page)
	}
	for _, text := range []string{body, page} {
		if !strings.Contains(text, "not allowed") || strings.Contains(text, "* OK secret") || strings.Contains(text, "<secret") || strings.Contains(text, "&lt;secret") {
			t.Error(text)
		}
	}
}
