package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// TestMain lets the test binary stand in for the command, so that signals meet
// a process of its own.
func TestMain(m *testing.M) {
	os.Setenv(config.FileVariable, "") // not what this machine has
	if os.Getenv(runMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// runMain says that the test binary is to be the command.
const runMain = "RUN_MAIN"

// process is a milepost that runs beside the test.
type process struct {
	*exec.Cmd
	addr   string // of HTTP, the first
	https  string // empty: it was not asked for
	dns    string // the same
	admin  string // the same
	stderr *bufio.Reader
	log    io.Closer // the reading end of stderr
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	return startLogging(t, nil, args...)
}

// startLogging starts one that logs into a file; nil: into the process's own stderr.
func startLogging(t *testing.T, log *os.File, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], append([]string{"serve", "-http", "127.0.0.1:0"}, args...)...)}
	p.Env = append(os.Environ(), runMain+"=1")
	stdout, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if log != nil {
		p.Stderr = log
	} else {
		stderr, err := p.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.stderr, p.log = bufio.NewReader(stderr), stderr
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	lines := bufio.NewScanner(stdout)
	urls := 0
	for urls < 2 && lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "milepost: http listening on "); ok && p.addr == "" {
			p.addr = addr
		}
		for words, to := range map[string]*string{"https": &p.https, "dns": &p.dns, "admin": &p.admin} {
			if addr, ok := strings.CutPrefix(lines.Text(), "milepost: "+words+" listening on "); ok {
				*to = addr
			}
		}
		if strings.HasPrefix(lines.Text(), "try http://"+p.addr+"/") {
			if status, body := get(t, strings.TrimPrefix(lines.Text(), "try ")); status != http.StatusOK {
				t.Errorf("%s: %d %s", lines.Text(), status, body)
			}
			urls++
		}
	}
	if urls != 2 {
		t.Fatalf("two URLs to try were to be printed; %d were", urls)
	}
	return p
}

// waitFor reads the log up to a line.
func (p *process) waitFor(t *testing.T, text string) string {
	t.Helper()
	if pipe, ok := p.log.(interface{ SetReadDeadline(time.Time) error }); ok {
		pipe.SetReadDeadline(time.Now().Add(time.Minute)) // a test that waits for ever says nothing
	}
	var seen strings.Builder
	for {
		line, err := p.stderr.ReadString('\n')
		seen.WriteString(line)
		if strings.Contains(line, text) {
			return seen.String()
		}
		if err != nil {
			t.Fatalf("no %q in the log:\n%s", text, seen.String())
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, body := fixture.Get(t, url)
	return resp.StatusCode, body
}

// serve sends what show prints.
func TestServeSendsWhatShowPrints(t *testing.T) {
	p := startProcess(t)
	for _, address := range []string{"fred@gmail.com", "fred@laposte.net", "0123@free.fr", "fred@wanadoo.fr"} {
		status, body := get(t, "http://"+p.addr+"/mail/config-v1.1.xml?emailaddress="+address)
		code, stdout, stderr := milepost(t, "show", address)
		if status != http.StatusOK || code != 0 || body != stdout {
			t.Errorf("%s: %d, exit code %d\n%s\n%s\n%s", address, status, code, body, stdout, stderr)
		}
	}
}

func TestSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			p := startProcess(t)
			if err := p.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("it did not stop gracefully: %v", err)
			}
		})
	}
}

// Whether the log's reader sleeps or is gone, the server answers, and stops when it
// is told to.
func TestLogReader(t *testing.T) {
	for name, leave := range map[string]func(*process){
		"sleeps":  func(*process) {},
		"is gone": func(p *process) { p.log.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			p := startProcess(t)
			leave(p)
			for i := range 1000 { // a pipe holds half as many lines
				if status, body := get(t, "http://"+p.addr+"/v1.1/gmail.com"); status != http.StatusOK {
					t.Fatal(i, status, body)
				}
			}
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if state, err := p.Process.Wait(); err != nil || !state.Success() {
				t.Error(state, err)
			}
		})
	}
}

// SIGHUP reads the providers again; mistakes leave the old ones in use.
func TestReload(t *testing.T) {
	dir := fixture.Directory(t, "example.com.toml", fixture.Family)
	p := startProcess(t, "-no-builtin", "-providers", dir)
	reload := func(text, log string) {
		t.Helper()
		fixture.Write(t, filepath.Join(dir, "example.com.toml"), text)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.waitFor(t, log)
	}
	served := func() string {
		_, body := get(t, "http://"+p.addr+"/v1.1/example.com")
		return body
	}
	reload(strings.ReplaceAll(fixture.Family, "mail.example.com", "new.example.com"), "msg=reloaded")
	if body := served(); !strings.Contains(body, "<hostname>new.example.com</hostname>") {
		t.Error(body)
	}
	reload("nonsense", "reload refused")
	if body := served(); !strings.Contains(body, "<hostname>new.example.com</hostname>") {
		t.Error(body)
	}
}
