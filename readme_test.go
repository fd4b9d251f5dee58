package milepost_test

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

var quoted = regexp.MustCompile("`([^`\n]+)`")

// inline returns the commands that stand in README's sentences, a line each.
func inline(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	show := ""
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
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

// The README's commands do what it says: the server starts on the embedded
// catalogue, answers the request with the answer shown there, and serves one's
// own domain.
func TestREADME(t *testing.T) {
	commands := fixture.Blocks(t, "README.md", "sh")
	for _, promised := range []string{"go run ./cmd/milepost serve\n", "go test ./...\n"} {
		if !slices.Contains(commands, promised) {
			t.Fatalf("README lacks the command %s", promised)
		}
	}
	program := fixture.Build(t)
	work := fixture.Directory(t, "providers/example.com.toml", fixture.Blocks(t, "README.md", "toml")[0])
	// Every command line of the README, and every -format that it names.
	var serve *exec.Cmd
	for line := range strings.Lines(strings.Join(commands, "") + inline(t)) {
		args := strings.Fields(strings.Replace(line, "go run ./cmd/milepost", "milepost", 1))
		if len(args) < 2 || args[0] != "milepost" {
			continue
		}
		cmd := exec.Command(program, args[1:]...)
		cmd.Dir = work
		if args[1] == "serve" {
			for i := range cmd.Args {
				cmd.Args[i] = strings.NewReplacer(":8080", "127.0.0.1:0", ":5353", "127.0.0.1:0").Replace(cmd.Args[i]) // ports that are free
			}
			if slices.Contains(args, "-providers") {
				serve = cmd
			}
			continue
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, out)
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
	for _, c := range commands {
		if url, ok := strings.CutPrefix(c, "curl '"); ok {
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
