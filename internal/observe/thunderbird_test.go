package observe

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"milepost/internal/fixture"
)

// thunderbird has a script run within Thunderbird, by its remote protocol, Marionette.
func thunderbird(t *testing.T, w *fixture.World) tried {
	certutil := fixture.Tool(t, "certutil", "libnss3-tools")
	profile := fixture.Directory(t, "user.js", `user_pref("marionette.port", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("security.OCSP.enabled", 0);
`)
	for _, args := range [][]string{
		{certutil, "-N", "-d", "sql:" + profile, "--empty-password"},
		{certutil, "-A", "-d", "sql:" + profile, "-n", "world", "-t", "C,,", "-i", "/etc/ssl/certs/root.pem"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	cmd := ready(t, t.Context(), "thunderbird", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote", "--profile", profile)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	var port string
	fixture.Await(t, "Thunderbird does not listen", func() bool {
		b, _ := os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		port = strings.TrimSpace(string(b))
		return port != ""
	})
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	m := marionette{t: t, conn: conn, in: bufio.NewReader(conn)}
	m.receive() // it greets
	m.call("WebDriver:NewSession", map[string]any{})
	m.call("WebDriver:SetTimeouts", map[string]any{"script": 90_000}) // milliseconds
	m.call("Marionette:SetContext", map[string]any{"value": "chrome"})
	var answer struct {
		Value struct {
			Found []string
			Works bool
			Said  string
		}
	}
	if err := json.Unmarshal(m.call("WebDriver:ExecuteAsyncScript", map[string]any{
		"script": fixture.ReadFile(t, "testdata/programs/thunderbird.js"), "args": []string{"fred@example.com", "secret"}, "newSandbox": false, "sandbox": "system",
	}), &answer); err != nil {
		t.Fatal(err)
	}
	v := answer.Value // a server that offers no login is taken for one that needs none
	return tried{v.Found, v.Works && len(w.LoggedIn()) == 2, v.Said}
}

// marionette is a connection: each message is its length, a colon, and JSON.
type marionette struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	last int
}

func (m *marionette) receive() []byte {
	m.t.Helper()
	length, err := m.in.ReadString(':')
	if err != nil {
		m.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(m.in, b); err != nil {
		m.t.Fatal(err)
	}
	return b
}

func (m *marionette) call(name string, parameters any) json.RawMessage {
	m.t.Helper()
	m.last++
	b, err := json.Marshal([]any{0, m.last, name, parameters})
	if err != nil {
		m.t.Fatal(err)
	}
	fmt.Fprintf(m.conn, "%d:%s", len(b), b)
	var reply []json.RawMessage // 1, the number, an error or null, the result
	if err := json.Unmarshal(m.receive(), &reply); err != nil || len(reply) != 4 || string(reply[2]) != "null" {
		m.t.Fatalf("%s: %v %s", name, err, reply)
	}
	return reply[3]
}
