//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
	"milepost/internal/observe"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// everyProtocol is a provider for all programs: POP3 for mpop, STARTTLS for aerc.
const everyProtocol = `display_name = "Example"
domains = ["example.com"]
[[incoming]]
protocol = "imap"
hostname = "mail.example.com"
[[incoming]]
protocol = "pop3"
hostname = "mail.example.com"
[[outgoing]]
hostname = "mail.example.com"
[[outgoing]]
hostname = "mail.example.com"
socket_type = "STARTTLS"
[[service]]
protocol = "caldav"
url = "https://dav.example.com/"
`

// worldOf has milepost itself, and the records that it prints.
func worldOf(t *testing.T, provider string) *fixture.World {
	t.Helper()
	dir := fixture.Directory(t, "providers/example.com.toml", provider)
	providers := filepath.Join(dir, "providers")
	code, records, stderr := milepost(t, "dns", "-no-builtin", "-providers", providers, "-service-host", "service.example.net", "-name-server", "ns.example.net", "example.com")
	if code != 0 {
		t.Fatal(stderr)
	}
	w := fixture.OpenWorld(t, fixture.NewPage(
		"zone", records+"\nns.example.net. A 192.0.2.53\n@ MX 10 mail\nmail A 192.0.2.25\nservice.example.net. A 192.0.2.10\n",
		"server mail.example.com:993 imap SSL", "after AUTH=PLAIN",
		"server mail.example.com:995 pop3 SSL", "after USER",
		"server mail.example.com:465 smtp SSL", "after AUTH PLAIN",
		"server mail.example.com:587 smtp STARTTLS", "before STARTTLS\nafter AUTH PLAIN",
	))
	cert, key := w.Certificate("service.example.net", "autoconfig.example.com", "autodiscover.example.com", "ua-auto-config.example.com")
	config := fixture.Write(t, filepath.Join(dir, "milepost.toml"), "[https]\nlisten = [\"127.0.0.1:0\"]\n[tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"\n")
	fixture.Write(t, filepath.Join(dir, "cert.pem"), cert)
	fixture.Write(t, filepath.Join(dir, "key.pem"), key)
	p := startProcess(t, "-no-builtin", "-config", config, "-providers", providers)
	w.Lead("192.0.2.10:80", p.addr)
	w.Lead("192.0.2.10:443", p.https)
	return w
}

func worldOptionsOf(w *fixture.World) worldOptions {
	return worldOptions{Options: observe.Options{Resolvers: []string{w.Resolver}, Roots: w.Roots, Dial: w.Dial}}
}

// Against milepost itself, with the records that it prints, every program works; and what
// is discovered there is the provider's file.
func TestDoctorAgainstServe(t *testing.T) {
	w := worldOf(t, everyProtocol)
	for _, who := range []string{"fred@example.com", "example.com"} {
		asked, err := parseAsked(who)
		if err != nil {
			t.Fatal(err)
		}
		report := diagnose(context.Background(), worldOptionsOf(w), doctor.Asked{Address: asked, Catalogue: every(t)}, new(bytes.Buffer))
		if !report.AllWork() || len(report.Findings) > 0 || report.Grade != "A" {
			t.Errorf("%s: %s", who, report.Text())
		}
		if report.Provider == nil {
			t.Fatal(report.Left)
		}
		got := string(providerfile.Write(report.Provider))
		want := string(providerfile.Write(every(t)))
		if got != want || len(report.Left) > 0 {
			t.Errorf("%s\n%s, want\n%s", report.Left, got, want)
		}
	}
}

// every is the provider of everyProtocol.
func every(t *testing.T) *settings.Provider {
	t.Helper()
	return fixture.Account(t, fixture.Catalogue(t, "example.com.toml", everyProtocol), "fred@example.com").Provider
}

func TestDoctorCommand(t *testing.T) {
	w := fixture.OpenWorld(t, fixture.NewPage("zone", "@ SOA ns1 hostmaster 1 3600 600 86400 300\n"))
	code, stdout, stderr := milepost(t, "doctor", "-format", "json", "-resolver", w.Resolver, "fred@nowhere.example")
	var r struct {
		Clients []struct {
			Name, Verdict  string
			Found, Because []any
		}
		Findings []struct{ ID, Severity, Seen, Why, Fix string }
		Grade    string
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != exitNo || stderr != "" {
		t.Fatal(code, err, stderr)
	}
	if len(r.Clients) < 15 || len(r.Findings) != 1 || r.Findings[0].ID != "domain-missing" || r.Findings[0].Fix == "" || r.Grade != "F" || r.Clients[0].Verdict != "fails" {
		t.Errorf("%s", stdout)
	}
	if _, stdout, _ := milepost(t, "doctor", "-format", "html", "-resolver", w.Resolver, "nowhere.example"); !strings.HasPrefix(stdout, "<!DOCTYPE html>") || !strings.Contains(stdout, "domain-missing") {
		t.Errorf("%s", stdout)
	}
	_, stdout, _ = milepost(t, "doctor", "-format", "junit", "-resolver", w.Resolver, "nowhere.example")
	var suites struct {
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Failure string `xml:"failure"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(stdout), &suites); err != nil || suites.Failures != len(r.Clients) || len(suites.Cases) != len(r.Clients) || !strings.Contains(suites.Cases[0].Failure, "domain-missing") {
		t.Errorf("%v: %s", err, stdout)
	}
	if _, _, stderr := milepost(t, "doctor", "-probes", "-resolver", w.Resolver, "nowhere.example"); !strings.Contains(stderr, " ms  SOA nowhere.example\n") {
		t.Errorf("%s", stderr)
	}
	if code, stdout, stderr := milepost(t, "discover", "-resolver", w.Resolver, "nowhere.example"); code != exitNo || stdout != "" || !strings.Contains(stderr, "nothing was found for nowhere.example") {
		t.Error(code, stdout, stderr)
	}
}

func TestDoctorUsage(t *testing.T) {
	for _, tc := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"nobody", []string{"doctor"}, 2, "one address or domain is needed"},
		{"two", []string{"doctor", "a.example", "b.example"}, 2, "there are 2"},
		{"no domain", []string{"doctor", "a b"}, 2, "doctor: domain"},
		{"format", []string{"doctor", "-format", "pdf", "a.example"}, 2, "html and junit are allowed"},
		{"resolver", []string{"doctor", "-resolver", "dns.example", "a.example"}, 2, "is no IP address"},
		{"ca", []string{"doctor", "-ca", "/nonexistent", "a.example"}, 2, "/nonexistent"},
		{"ca without certificates", []string{"doctor", "-ca", "doctor_test.go", "a.example"}, 2, "has no certificate"},
		{"format of a watch", []string{"doctor", "-watch", "1h", "-format", "json", "a.example"}, 2, "-format does not go with -watch"},
		{"watch", []string{"doctor", "-watch", "1s", "a.example"}, 2, "10s is the least"},
		{"metrics", []string{"doctor", "-metrics", ":0", "a.example"}, 2, "goes with -watch"},
		{"compare", []string{"doctor", "-compare", "a.example"}, 1, "no provider is known"},
		{"discover nobody", []string{"discover"}, 2, "discover: one address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if code, stdout, stderr := milepost(t, tc.args...); code != tc.code || stdout != "" || !strings.Contains(stderr, tc.stderr) {
				t.Error(code, stdout, stderr)
			}
		})
	}
}

// The catalogue and what is published are compared.
func TestDoctorCompare(t *testing.T) {
	w := worldOf(t, everyProtocol)
	ours := fixture.Account(t, fixture.Catalogue(t, "example.com.toml", strings.ReplaceAll(everyProtocol, "mail.example.com", "new.example.com")), "fred@example.com").Provider
	report := diagnose(context.Background(), worldOptionsOf(w), doctor.Asked{Address: fixture.Address(t, "fred@example.com"), Catalogue: ours}, new(bytes.Buffer))
	if len(report.Findings) != 1 || report.Findings[0].ID != "catalogue-differs" || !strings.Contains(report.Findings[0].Seen, "the catalogue says new.example.com:993 SSL") {
		t.Errorf("%s", report.Text())
	}
}

func TestWatch(t *testing.T) {
	world := fixture.OpenWorld(t, fixture.NewPage("zone", "@ SOA ns1 hostmaster 1 3600 600 86400 300\n"))
	var out, errs bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var rounds atomic.Int64
	w := watch{world: worldOptionsOf(world), asked: doctor.Asked{Address: fixture.Address(t, "fred@nowhere.example")}, every: 1,
		stdout: &out, stderr: &errs}
	dial := w.world.Dial
	w.world.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if rounds.Add(1) > 60 { // the second time nothing has changed, so nothing is said
			cancel()
		}
		return dial(ctx, network, address)
	}
	if code := w.run(ctx, ""); code != exitNo {
		t.Error(code)
	}
	if n := strings.Count(out.String(), "Thunderbird: fails: domain-missing\n"); n != 1 || strings.Contains(out.String(), "fred") {
		t.Errorf("%s%s", out.String(), errs.String())
	}
	answer := httptest.NewRecorder()
	w.answer(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if body := answer.Body.String(); !strings.Contains(body, `milepost_doctor_client_works{domain="nowhere.example",client="Thunderbird"} 0`) {
		t.Errorf("%s", body)
	}
}
