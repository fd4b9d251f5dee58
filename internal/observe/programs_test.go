//go:build linux

package observe

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
	"milepost/settings"
)

// inNetwork says that a process has a network of its own.
const inNetwork = "OBSERVE_IN_NETWORK"

// The programs find what their descriptions say: in each of these worlds, the real ones of
// Debian are run, and what they set up is compared with what the doctor foretold.
func TestPrograms(t *testing.T) {
	for _, program := range []string{"msmtp", "mpop"} {
		fixture.Tool(t, program, program)
	}
	if os.Getuid() != 0 {
		t.Skip("a network of its own needs root")
	}
	if os.Getenv(inNetwork) == "" {
		cmd := exec.Command("unshare", "--net", "--mount", "--fork", "--kill-child", os.Args[0], "-test.run", "^TestPrograms$", "-test.v")
		cmd.Env = append(os.Environ(), inNetwork+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestPrograms/") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	conf := fixture.Write(t, filepath.Join(t.TempDir(), "resolv.conf"), "nameserver 127.0.0.1\n")
	for _, command := range [][]string{{"ip", "link", "set", "lo", "up"}, {"ip", "route", "add", "local", "192.0.2.0/24", "dev", "lo"}, {"mount", "--bind", conf, "/etc/resolv.conf"}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	for _, name := range []string{"good", "starttls-stripped", "submission-port", "srv-to-alias", "wildcard-web-page", "nothing-published", "many-srv", "expired"} {
		t.Run(name, func(t *testing.T) {
			p := fixture.ReadPage(t, filepath.Join("testdata/worlds", name+".txtar"))
			report := diagnose(t, fixture.OpenRealWorld(t, p), p)
			for _, program := range []string{"msmtp", "mpop"} {
				if got, want := configured(t, program), foretold(report, program); got != want {
					t.Errorf("%s sets up %q; foretold was %q", program, got, want)
				}
			}
		})
	}
}

// foretold is the server that the doctor says a program finds; empty: none.
func foretold(r doctor.Report, program string) string {
	for _, c := range r.Clients {
		if c.Name == program {
			for _, s := range c.Found {
				return fmt.Sprintf("%s:%d starttls %v", s.Hostname, s.Port, s.SocketType == settings.STARTTLS)
			}
		}
	}
	return ""
}

// configured is the server that msmtp or mpop writes into its configuration.
func configured(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "--configure", "fred@example.com")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	value := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			value[k] = strings.TrimSpace(v)
		}
	}
	if err != nil || value["host"] == "" {
		t.Logf("%s: %v: %s", program, err, out)
		return ""
	}
	return fmt.Sprintf("%s:%s starttls %v", value["host"], value["port"], value["tls_starttls"] != "off")
}
