package main

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/exchange"
	"milepost/internal/fixture"
)

// What a bucket has is what serve sends about the same domain, with the same headers.
func TestBucketIsWhatServeSends(t *testing.T) {
	dir := fixture.Directory(t,
		"providers/example.com.toml", strings.Replace(fixture.Family, `"example.com"`, `"example.com", "bücher.example"`, 1)+"[mta_sts]\nmode = \"testing\"\nmx = [\"mx.example.com\"]\n",
		"providers/own.toml", strings.NewReplacer(`"example.com"`, `"one.example"`, "mail.example.com", "mail.%EMAILDOMAIN%").Replace(fixture.Family),
		"milepost.toml", "[catalogue]\nproviders = [\"providers\"]\n")
	config := filepath.Join(dir, "milepost.toml")
	out := filepath.Join(dir, "out")
	if code, _, stderr := milepost(t, "export", "-format", "bucket", "-out", out, "-config", config); code != exitOK {
		t.Fatal(stderr)
	}
	p := startProcess(t, "-config", config)
	go io.Copy(io.Discard, p.stderr)
	asked := make(map[string]int)
	for line := range strings.Lines(fixture.ReadFile(t, filepath.Join(out, exchange.ManifestFile))) {
		var o exchange.Object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		folder, domain, _ := strings.Cut(o.Key, "/")
		urls := map[string][]string{ // host and path
			"v1.1":           {"mail.example.net/v1.1/" + domain, "autoconfig." + domain + "/mail/config-v1.1.xml", domain + "/.well-known/autoconfig/mail/config-v1.1.xml"},
			"ua-auto-config": {"ua-auto-config." + domain + "/.well-known/user-agent-configuration.json"},
			"mta-sts":        {"mta-sts." + domain + "/.well-known/mta-sts.txt"},
		}[folder]
		want := fixture.ReadFile(t, filepath.Join(out, o.Key))
		for _, url := range urls {
			host, path, _ := strings.Cut(url, "/")
			r, err := http.NewRequest(http.MethodGet, "http://"+p.addr+"/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("X-Forwarded-Proto", "https")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if h := resp.Header; err != nil || string(body) != want || h.Get("Content-Type") != o.ContentType || h.Get("Cache-Control") != o.CacheControl || int64(len(body)) != o.Size {
				t.Errorf("%s: %d %q %v\n%s\nwant %+v\n%s", url, resp.StatusCode, h, err, body, o, want)
			}
			asked[folder]++
		}
	}
	if asked["v1.1"] < 1000 || asked["ua-auto-config"] != 3 || asked["mta-sts"] != 2 {
		t.Errorf("asked %v", asked)
	}
}
