package milepost_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

var quoted = regexp.MustCompile("`([^`\n]+)`")

// inline returns the commands that stand in README's sentences, a line each.
func inline(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	show := ""
	for _, m := range quoted.FindAllStringSubmatch(fixture.ReadFile(t, "README.md"), -1) {
		switch {
		case strings.HasPrefix(m[1], "go run ./cmd/milepost show "):
			show = m[1]
			b.WriteString(show + "\n")
		case strings.HasPrefix(m[1], "milepost "):
			b.WriteString(m[1] + "\n")
		case strings.HasPrefix(m[1], "-format ") && show != "":
			b.WriteString(strings.Replace(show, " show ", " show "+m[1]+" ", 1) + "\n")
		}
	}
	if strings.Count(b.String(), "-format") < 3 {
		t.Errorf("README names few formats:\n%s", b.String())
	}
	return b.String()
}

// installed is the program that README's line installs.
func installed(t *testing.T) (program string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "install", "./cmd/milepost")
	cmd.Env = append(cmd.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "milepost")
}

// ownFiles are the files that README has an admin write.
func ownFiles(t *testing.T) (dir string) {
	t.Helper()
	blocks := fixture.Blocks(t, "README.md", "toml")
	return fixture.Directory(t, "providers/example.com.toml", blocks[0], "milepost.toml", blocks[1])
}

// The README's commands do what it says: the server starts on the embedded
// catalogue, answers the request with the answer shown there, and serves one's
// own domain.
func TestREADME(t *testing.T) {
	commands := fixture.Blocks(t, "README.md", "sh")
	for _, promised := range []string{"go run ./cmd/milepost serve\n", "go test ./...\n", "go install ./cmd/milepost\n"} {
		if !slices.Contains(commands, promised) {
			t.Fatalf("README lacks the command %s", promised)
		}
	}
	program, work := installed(t), ownFiles(t)
	// Every command line of the README, and every -format that it names.
	var serve *exec.Cmd
	for line := range strings.Lines(strings.Join(commands, "") + inline(t)) {
		args := strings.Fields(strings.Replace(line, "go run ./cmd/milepost", "milepost", 1))
		if len(args) < 2 {
			continue
		}
		if args[0] != "milepost" {
			// Here, or in packaging/test.
			if !slices.Contains([]string{"go test", "go install", "packaging/build out", "apt install"}, args[0]+" "+args[1]) && args[0] != "curl" {
				t.Errorf("nothing runs the README's %s", line)
			}
			continue
		}
		cmd := exec.Command(program, args[1:]...)
		cmd.Dir = work
		if args[1] == "serve" {
			if slices.Contains(args, "-providers") {
				cmd.Args = append(cmd.Args, "-http", "127.0.0.1:0") // a port that is free
				serve = cmd
			}
			continue // the others are that of the embedded catalogue, and TestREADMEOnTheInternet
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
		}
		if args[1] == "dns" {
			for _, want := range []string{"autoconfig", "autodiscover"} {
				if !regexp.MustCompile(`(?m)^` + want + ` .* CNAME  mail\.example\.net\.$`).Match(out) {
					t.Errorf("%s: %s does not lead to the server:\n%s", line, want, out)
				}
			}
		}
	}
	if serve == nil {
		t.Fatal("README serves no directory of one's own")
	}
	addr := fixture.Server(t, serve, "milepost: http listening on ")
	fetch := func(url string) string {
		t.Helper()
		resp, body := fixture.Get(t, strings.Replace(url, "127.0.0.1:8080", addr, 1))
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", url, resp.Status)
		}
		return body
	}
	asked := false
	for line := range strings.Lines(strings.Join(commands, "")) {
		if url, ok := strings.CutPrefix(line, "curl '"); ok {
			asked = true
			if got := fetch(strings.TrimSuffix(url, "'\n")); got != fixture.Blocks(t, "README.md", "xml")[0] {
				t.Errorf("the README's answer is not the server's:\n%s", got)
			}
		}
	}
	if !asked {
		t.Error("README shows no request")
	}
	own := fetch("http://127.0.0.1:8080/v1.1/example.com")
	for _, want := range []string{"<hostname>mail.example.com</hostname>", "<port>993</port>", "<port>465</port>"} {
		if !strings.Contains(own, want) {
			t.Errorf("no %s in\n%s", want, own)
		}
	}
}

// README's milepost.toml is all that HTTPS needs: with other ports and another ACME
// server, for want of the Internet, a customer's name has a certificate when it is
// first asked for.
func TestREADMEOnTheInternet(t *testing.T) {
	const host = "127.0.0.1"
	ports := []string{fixture.FreePort(t, host), fixture.FreePort(t, host)}
	numbers := make([]int, len(ports))
	for i, p := range ports {
		numbers[i], _ = strconv.Atoi(p)
	}
	pebble := fixture.StartPebble(t, fixture.BuildPebble(t), fixture.PebbleOptions{HTTPPort: numbers[0], TLSPort: numbers[1]})
	cmd := exec.Command(installed(t), "serve", "-config", "milepost.toml", "-http", net.JoinHostPort(host, ports[0]), "-https", net.JoinHostPort(host, ports[1]),
		"-set", "tls.directory="+pebble.Directory, "-set", "tls.ca="+pebble.Roots, "-set", "tls.storage="+t.TempDir())
	cmd.Dir = ownFiles(t)
	addr := fixture.Server(t, cmd, "milepost: https listening on ")
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pebble.Issued},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}
	defer client.CloseIdleConnections()
	for _, name := range []string{"autoconfig.example.com", "autodiscover.example.com", "mail.example.net"} {
		resp, err := client.Get("https://" + name + "/mail/config-v1.1.xml?emailaddress=fred@example.com")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	if _, err := client.Get("https://autoconfig.example.org/"); err == nil {
		t.Error("a name that is nobody's has a certificate")
	}
}

var (
	code    = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]+`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchor is what a heading has as its anchor.
func anchor(heading string) string {
	kept := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// Every link of the documentation within itself leads to a file, and to a heading, that
// is there.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range append(files, top...) {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fixture.ReadFile(t, file), ""), -1) {
			if strings.Contains(m[1], ":") {
				continue // elsewhere
			}
			found++
			to, section, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(file), to)
			if to == "" {
				path = file
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Errorf("%s: %s leads nowhere", file, m[1])
				continue
			}
			if section != "" && !slices.ContainsFunc(heading.FindAllStringSubmatch(string(text), -1), func(h []string) bool { return anchor(h[1]) == section }) {
				t.Errorf("%s: %s has no such heading", file, m[1])
			}
		}
	}
	if found < 30 {
		t.Errorf("%d links were found", found)
	}
}
