//go:build unix

package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// role says what this program is when a test runs it as a service.
const role = "MILEPOST_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "service" {
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // as systemd does between fork and exec
		if err := service(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// service answers one connection of each socket, and prints what a child would inherit.
func service() error {
	s, err := Open("http", "dns")
	if err != nil {
		return err
	}
	for _, l := range s.Listeners["http"] {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprint(c, "http")
		c.Close()
	}
	for _, c := range s.PacketConns["dns"] {
		buf := make([]byte, 100)
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(append([]byte("dns "), buf[:n]...), from); err != nil {
			return err
		}
	}
	out, err := exec.Command("sh", "-c", "env; ls -l /proc/self/fd").Output()
	fmt.Printf("%d %d %d\n%s", len(s.Listeners["http"]), len(s.Listeners["dns"]), len(s.PacketConns["dns"]), out)
	return errors.Join(err, s.Ready(""))
}

// start runs this program as a service to which systemd gives files.
func start(t *testing.T, names string, files ...*os.File) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), role+"=service", fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, &out
}

func file[C interface{ File() (*os.File, error) }](t *testing.T, c C) *os.File {
	t.Helper()
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func packets(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A child takes its sockets over by name, answers on them, and leaves none of them
// to its own children.
func TestSockets(t *testing.T) {
	http1, http2, dnsTCP, dnsUDP := listen(t), listen(t), listen(t), packets(t)
	cmd, out := start(t, "http:dns:dns:http", file(t, http1), file(t, dnsTCP), file(t, dnsUDP), file(t, http2))
	ask := func(network, addr, question string) string {
		c, err := net.Dial(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second))
		c.Write([]byte(question))
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	for _, l := range []net.Listener{http1, http2} {
		if got := ask("tcp", l.Addr().String(), ""); got != "http" {
			t.Errorf("%q", got)
		}
	}
	if got := ask("udp", dnsUDP.LocalAddr().String(), "question"); got != "dns question" {
		t.Errorf("%q", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, out)
	}
	if got := out.String(); !strings.HasPrefix(got, "2 1 1\n") || strings.Contains(got, "LISTEN_") || strings.Contains(got, "socket:") {
		t.Errorf("%s", got)
	}
}

func TestBadSockets(t *testing.T) {
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, tc := range []struct {
		name, names string
		file        *os.File
		want        string
	}{
		{"unknown", "smtp", file(t, listen(t)), `the socket "smtp" from systemd is not known; FileDescriptorName= of a socket unit may be http, dns`},
		{"without a name", "", file(t, listen(t)), `the socket "LISTEN_FD_3" from systemd is not known`},
		{"no socket", "http", plain, `the socket "http" from systemd is of no use: `},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd, out := start(t, tc.names, tc.file)
			if err := cmd.Wait(); err == nil || !strings.HasPrefix(out.String(), tc.want) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// receiver listens as systemd does, and returns a function that reads what came.
func receiver(t *testing.T, name string) func() []string {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return func() (messages []string) { // up to the word that the process stops
		for {
			buf := make([]byte, 1000)
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if string(buf[:n]) == "STOPPING=1" {
				return messages
			}
			messages = append(messages, string(buf[:n]))
		}
	}
}

func TestNotify(t *testing.T) {
	read := receiver(t, filepath.Join(t.TempDir(), "notify"))
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := os.LookupEnv("NOTIFY_SOCKET"); ok {
		t.Errorf("a child would inherit %s", got)
	}
	for _, err := range []error{s.Ready("112 providers"), s.Reloading(), s.Ready(""), s.Status("two\nREADY=1"), s.Status(""), s.Stopping()} {
		if err != nil {
			t.Error(err)
		}
	}
	got := read()
	if len(got) == 4 {
		got[1] = regexp.MustCompile(`\d{4,}`).ReplaceAllString(got[1], "N")
	}
	if want := []string{"READY=1\nSTATUS=112 providers", "RELOADING=1\nMONOTONIC_USEC=N", "READY=1", "STATUS=two READY=1"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	s.watchdog = time.Second
	if err := errors.Join(s.Ready("x"), s.Reloading(), s.Stopping(), s.Watchdog(t.Context(), func() bool { t.Error("asked"); return true })); err != nil {
		t.Error(err)
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	if s, err = Open(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(""); err == nil || !strings.HasPrefix(err.Error(), "NOTIFY_SOCKET /") {
		t.Error(err)
	}
}

// Signs of life come twice in the time that systemd allows, and only from a server
// that is well.
func TestWatchdog(t *testing.T) {
	read := receiver(t, filepath.Join(t.TempDir(), "notify"))
	t.Setenv("WATCHDOG_USEC", "30000000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"WATCHDOG_USEC", "WATCHDOG_PID"} {
		if got, ok := os.LookupEnv(name); ok {
			t.Errorf("a child would inherit %s=%s", name, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		go s.Watchdog(t.Context(), func() bool {
			since := time.Since(began)
			return since < 61*time.Second || since > 10*time.Minute
		})
		time.Sleep(10*time.Minute + 20*time.Second)
		synctest.Wait()
	})
	if err := s.Stopping(); err != nil {
		t.Fatal(err)
	}
	if got := read(); len(got) != 5+1 || got[0] != "WATCHDOG=1" {
		t.Errorf("%q", got)
	}
}

func TestBadWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := Open(); err == nil || !strings.HasPrefix(err.Error(), "WATCHDOG_USEC: ") {
		t.Error(err)
	}
}
