//go:build unix

package main

import (
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
	"milepost/pacc"
)

// A changed document is served after DNS has announced it beside the former one, without
// another signal. At each step, DNS has the digest of what HTTP serves.
func TestPACCChange(t *testing.T) {
	dir := fixture.Directory(t,
		"providers/example.com.toml", fixture.Family,
		"milepost.toml", "[service]\naddresses = [\"127.0.0.1\"]\n[dns]\nttl = 1\ndomain_zones = [\"autoconfig\", \"_ua-auto-config\"]\n")
	p := startProcess(t, "-dns", "127.0.0.1:0", "-no-builtin", "-config", filepath.Join(dir, "milepost.toml"), "-providers", filepath.Join(dir, "providers"))
	if n, doc := announced(t, p); n != 1 || !strings.Contains(doc, `"name":"Example family"`) {
		t.Errorf("%d digests, %s", n, doc)
	}
	fixture.Write(t, filepath.Join(dir, "providers/example.com.toml"), strings.Replace(fixture.Family, "Example family", "Another", 1))
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.waitFor(t, "msg=reloaded")
	if n, doc := announced(t, p); n != 2 { // either document: a second may be over
		t.Errorf("%d digests, %s", n, doc)
	}
	p.waitFor(t, `msg="a change of PACC documents went a step on"`)
	if n, doc := announced(t, p); n != 2 || !strings.Contains(doc, `"name":"Another"`) {
		t.Errorf("%d digests, %s", n, doc)
	}
}

// announced counts the digests of example.com in DNS, among which is that of the document
// that is served.
func announced(t *testing.T, p *process) (digests int, doc string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+p.addr+pacc.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = pacc.HostLabel + ".example.com"
	request.Header.Set("X-Forwarded-Proto", "https")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	reply, err := query(p.dns, pacc.RecordLabel+".example.com.", dns.TypeTXT, false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(reply.Answer, func(rr dns.RR) bool { return rr.(*dns.TXT).Txt[0] == pacc.Record(body) }) {
		t.Errorf("DNS does not announce %s", body)
	}
	return len(reply.Answer), string(body)
}
