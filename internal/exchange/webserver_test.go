package exchange_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/exchange"
	"milepost/internal/fixture"
)

const exportManual = "../../docs/export.md"

// readable lets the workers of web servers into a test's directory: they are nobody's.
func readable(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	open(dir)
	return dir
}

func open(dir string) {
	for d := dir; d != filepath.Dir(d) && d != os.TempDir(); d = filepath.Dir(d) {
		os.Chmod(d, 0o755)
	}
}

// replaced is a block of the manual in which every text that is given is replaced; each
// has to be there.
func replaced(t *testing.T, fence string, replacements ...string) string {
	t.Helper()
	block := fixture.Blocks(t, exportManual, fence)[0]
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(block, replacements[i]) {
			t.Fatalf("the block has no %q", replacements[i])
		}
		block = strings.ReplaceAll(block, replacements[i], replacements[i+1])
	}
	return block
}

// nginx runs one with a block of the manual until the test ends.
func nginx(t *testing.T, dir, block string) {
	t.Helper()
	config := "daemon off; pid " + dir + "/pid; error_log stderr; events { }\nhttp { client_body_temp_path " + dir + "/body; proxy_temp_path " + dir + "/proxy; fastcgi_temp_path " + dir + "/fcgi; uwsgi_temp_path " + dir + "/uwsgi; scgi_temp_path " + dir + "/scgi;\n" + block + "}\n"
	fixture.Daemon(t, fixture.Tool(t, "nginx", "nginx-light"), "-c", fixture.Write(t, filepath.Join(dir, "nginx.conf"), config), "-e", "stderr")
}

// expected is what a web server is to answer.
type expected struct {
	host, path string
	kind, want string // want: empty if there is nothing
}

const (
	xml    = "text/xml; charset=utf-8"
	policy = "text/plain; charset=utf-8"
	inJSON = "application/json"
)

// questions are what programs ask, and what nobody should get. A document is what a
// function says of a domain.
func questions(document, pacc, mtasts func(domain string) string) []expected {
	return []expected{
		{"autoconfig.example.com", "/mail/config-v1.1.xml?emailaddress=fred%40example.com", xml, document("example.com")},
		{"autoconfig.two.example", "/.well-known/autoconfig/mail/config-v1.1.xml", xml, document("two.example")},
		{"two.example", "/.well-known/autoconfig/mail/config-v1.1.xml", xml, document("two.example")},
		{"mail.example.net", "/v1.1/one.example", xml, document("one.example")},
		{"mta-sts.example.com", "/.well-known/mta-sts.txt", policy, mtasts("example.com")},
		{"mta-sts.two.example", "/.well-known/mta-sts.txt", "", ""},
		{"ua-auto-config.example.com", "/.well-known/user-agent-configuration.json", inJSON, pacc("example.com")},
		{"ua-auto-config.unknown.example", "/.well-known/user-agent-configuration.json", "", ""},
		{"autoconfig.unknown.example", "/mail/config-v1.1.xml", "", ""},
		{"mail.example.net", "/v1.1/.milepost-export", "", ""},
		{"mail.example.net", "/v1.1/..%2f.milepost-export", "", ""},
		{"mail.example.net", "/manifest.jsonl", "", ""},
		{"mail.example.net", "/", "", ""},
	}
}

// The web servers of docs/export.md serve a tree.
func TestWebServers(t *testing.T) {
	parent := readable(t)
	tree := filepath.Join(parent, "out")
	if err := exporter(customers(t), new(strings.Builder)).Static(tree); err != nil {
		t.Fatal(err)
	}
	in := func(folder string) func(string) string {
		return func(domain string) string { return fixture.ReadFile(t, filepath.Join(tree, folder, domain)) }
	}
	asked := questions(in("autoconfig"), in("ua-auto-config"), in("mta-sts"))
	t.Run("nginx", func(t *testing.T) {
		fixture.Tool(t, "nginx", "nginx-light")
		port := fixture.FreePort(t, "127.0.0.1")
		nginx(t, parent, replaced(t, "nginx", "listen 80", "listen 127.0.0.1:"+port, "/srv/milepost", tree))
		answers(t, port, append(asked, expected{"AutoConfig.Example.com", "/mail/config-v1.1.xml", xml, in("autoconfig")("example.com")})...)
	})
	t.Run("caddy", func(t *testing.T) {
		caddy := fixture.Tool(t, "caddy", "caddy")
		port := fixture.FreePort(t, "127.0.0.1")
		block := replaced(t, "caddyfile", ":80 {", "http://:"+port+" {\n\tbind 127.0.0.1", "/srv/milepost", tree)
		t.Setenv("HOME", parent) // where caddy keeps its own
		file := fixture.Write(t, filepath.Join(parent, "Caddyfile"), "{\n\tadmin off\n\tauto_https off\n}\n"+block)
		fixture.Daemon(t, caddy, "run", "--config", file, "--adapter", "caddyfile")
		answers(t, port, asked...)
	})
}

// An edge that looks keys up in a copy of the bucket answers as the server does.
func TestBucketAtEdge(t *testing.T) {
	fixture.Tool(t, "nginx", "nginx-light")
	parent := readable(t)
	dir, _, _ := exportBucket(t, customers(t), nil)
	objects := make(bucket)
	objects.upload(t, dir)
	open(dir)
	port := fixture.FreePort(t, "127.0.0.1")
	nginx(t, parent, replaced(t, "nginx bucket", "listen 80", "listen 127.0.0.1:"+port, "/srv/bucket", dir))
	for i, e := range edgeQuestions(objects) {
		answers(t, port, e)
		if e.want == "" {
			continue
		}
		header := fetch(t, port, e.host, e.path).Header
		wantCache := "public, max-age=3600"
		if e.kind == policy {
			wantCache = "no-store"
		}
		if cache := header.Values("Cache-Control"); len(cache) != 1 || cache[0] != wantCache || len(header.Values("Content-Type")) != 1 {
			t.Errorf("question %d: %q", i, header)
		}
	}
}

func edgeQuestions(objects bucket) []expected {
	in := func(folder string) func(string) string {
		return func(domain string) string { return objects[folder+"/"+domain] }
	}
	document := in("v1.1")
	return append(questions(document, in("ua-auto-config"), in("mta-sts")),
		expected{"AutoConfig.Example.com:80", "/v1.1/mail/config-v1.1.xml", xml, document("example.com")},
		expected{"mail.example.net", "/v1.1/mail/config-v1.1.xml", "", ""},
		expected{"mail.example.net", "/mta-sts/example.com", "", ""})
}

// The function at the edge leads each URL to its key.
func TestEdgeFunction(t *testing.T) {
	node := fixture.Tool(t, "node", "nodejs")
	dir, _, _ := exportBucket(t, customers(t), nil)
	objects := make(bucket)
	objects.upload(t, dir)
	type request struct {
		URI         string         `json:"uri"`
		Querystring map[string]any `json:"querystring"`
		Headers     map[string]any `json:"headers"`
	}
	type event struct {
		Request request `json:"request"`
	}
	var events []event
	for _, e := range edgeQuestions(objects) {
		path, query, _ := strings.Cut(e.path, "?")
		events = append(events, event{request{path, map[string]any{"emailaddress": map[string]string{"value": query}}, map[string]any{"host": map[string]string{"value": e.host}}}})
	}
	text, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	program := fixture.Write(t, filepath.Join(t.TempDir(), "edge.js"),
		fixture.Blocks(t, exportManual, "js")[0]+"\nconsole.log(JSON.stringify("+string(text)+".map(handler)));\n")
	out, err := exec.Command(node, program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var results []struct {
		request
		StatusCode int `json:"statusCode"`
	}
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(events) {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, e := range edgeQuestions(objects) {
		r := results[i]
		if got := objects[strings.TrimPrefix(r.URI, "/")]; got != e.want || r.StatusCode != 0 && r.StatusCode != http.StatusNotFound || len(r.Querystring) > 0 {
			t.Errorf("%s%s: %+v leads to %.100q", e.host, e.path, r, got)
		}
	}
}

// What docs/export.md says brings a bucket from one export to the next.
func TestUploadScript(t *testing.T) {
	fixture.Tool(t, "rclone", "rclone")
	place, cdn := t.TempDir(), t.TempDir()
	program := fixture.Build(t)
	config := fixture.Write(t, filepath.Join(place, "milepost.toml"), "[catalogue]\nproviders = [\"providers\"]\nbuiltin = false\n")
	provider := filepath.Join(place, "providers", "example.com.toml")
	script := replaced(t, "sh bucket", "/etc/milepost/milepost.toml", config)
	fixture.Write(t, filepath.Join(place, "held.jsonl"), "")
	fixture.Write(t, filepath.Join(cdn, "photos", "cat.jpeg"), "meow")
	for _, domains := range []string{`"example.com", "two.example", "three.example"`, `"example.com", "two.example", "four.example"`} {
		fixture.Write(t, provider, strings.Replace(fixture.Family, `"example.com"`, domains, 1)+"[mta_sts]\nmode = \"testing\"\nmx = [\"mx.example.com\"]\n")
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = place
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+":"+os.Getenv("PATH"), "HOME="+place,
			"RCLONE_CONFIG_CDN_TYPE=alias", "RCLONE_CONFIG_CDN_REMOTE="+cdn, "RCLONE_CONFIG="+filepath.Join(place, "rclone.conf"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	got := make(bucket)
	for _, folder := range []string{"v1.1", "ua-auto-config", "mta-sts"} {
		files, _ := os.ReadDir(filepath.Join(cdn, folder))
		for _, f := range files {
			got[folder+"/"+f.Name()] = fixture.ReadFile(t, filepath.Join(cdn, folder, f.Name()))
		}
	}
	if difference := got.differs(t, fixture.ReadFile(t, filepath.Join(place, "held.jsonl"))); difference != "" || len(got) != 9 {
		t.Errorf("%d objects; %s", len(got), difference)
	}
	if fixture.ReadFile(t, filepath.Join(cdn, "photos", "cat.jpeg")) != "meow" {
		t.Error("no cat")
	}
	for line := range strings.Lines(fixture.ReadFile(t, filepath.Join(place, "held.jsonl"))) {
		var o exchange.Object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		folder, _, _ := strings.Cut(o.Key, "/")
		header := fmt.Sprintf("--header-upload 'Content-Type: %s' \\\n  --header-upload 'Cache-Control: %s' changes/%s cdn:%[3]s\n", o.ContentType, o.CacheControl, folder)
		if !strings.Contains(script, header) {
			t.Errorf("the script has no %s", header)
		}
	}
}

// answers asks a web server.
func answers(t *testing.T, port string, all ...expected) {
	t.Helper()
	for _, e := range all {
		resp := fetch(t, port, e.host, e.path)
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case e.want == "":
			if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s%s: status %d", e.host, e.path, resp.StatusCode)
			}
		case resp.StatusCode != http.StatusOK || string(body) != e.want || resp.Header.Get("Content-Type") != e.kind:
			t.Errorf("%s%s: status %d, %s\n%s", e.host, e.path, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
	}
}

// fetch asks a server that may still be starting. The body is closed when the test ends.
func fetch(t *testing.T, port, host, path string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+port+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	for range 100 {
		if resp, err := http.DefaultClient.Do(r); err == nil {
			t.Cleanup(func() { resp.Body.Close() })
			return resp
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the server does not answer")
	return nil
}
