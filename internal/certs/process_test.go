package certs_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"milepost/internal/certs"
	"milepost/internal/fixture"
)

// childEnv has this test program serve instead: directory, roots, storage, and the
// ports of HTTP and HTTPS.
const childEnv = "MILEPOST_TEST_ACME"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := child(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func child(args []string) error {
	ports := make([]int, 2)
	listeners := make([]net.Listener, 2)
	for i := range ports {
		var err error
		if listeners[i], err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[3+i])); err != nil {
			return err
		}
		ports[i] = port(listeners[i])
	}
	a, err := certs.NewACME(context.Background(), certs.ACMEOptions{Allowed: allowed, Directory: args[0], CA: args[1], Storage: args[2],
		HTTPPort: ports[0], HTTPSPort: ports[1]}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	answer(a, listeners[0], listeners[1])
	fmt.Println("listening", listeners[1].Addr())
	select {}
}

// process is a server with ACME that can be killed.
type process struct {
	cmd   *exec.Cmd
	https string
}

func (s *site) process(t *testing.T, http, https string) process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, s.options.Directory, s.options.CA, s.options.Storage, http, https)
	cmd.Env, cmd.Stderr = append(os.Environ(), childEnv+"=1"), s.log
	return process{cmd, fixture.Server(t, cmd, "listening ")}
}

// kill is kill -9.
func (p process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// newProcessSite is a site whose ports are free.
func newProcessSite(t *testing.T, program string) (s *site, http, https string) {
	s = newSite(t, program, fixture.PebbleOptions{})
	http, https = strconv.Itoa(port(s.http)), strconv.Itoa(port(s.https))
	s.http.Close()
	s.https.Close()
	return s, http, https
}

func TestTwoProcessesMakeOneOrder(t *testing.T) {
	t.Parallel()
	s, http, https := newProcessSite(t, fixture.BuildPebble(t))
	one := s.process(t, http, https)
	two := s.process(t, "0", "0")
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			if _, err := get([]process{one, two}[i%2].https, "autoconfig.example.com", s.pebble.Issued); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.wantOrders(t, 1)
}

// An order that is killed leaves a lock, which is stale 10 seconds after it was last
// written; a certificate that a client has seen is kept.
func TestKilled(t *testing.T) {
	t.Parallel()
	program := fixture.BuildPebble(t)
	for name, step := range map[string]string{
		"while the account is made":         "POST /sign-me-up",
		"when the order is made":            "Added order ",
		"before the certificate is fetched": "Issued certificate serial",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testKilled(t, program, step)
		})
	}
}

func testKilled(t *testing.T, program, step string) {
	const name = "autoconfig.example.com"
	s, http, https := newProcessSite(t, program)
	p := s.process(t, http, https)
	answered := make(chan error)
	go func() {
		_, err := get(p.https, name, s.pebble.Issued)
		answered <- err
	}()
	await(t, "pebble does not say "+step, func() bool { return s.pebble.Count(step) > 0 })
	p.kill()
	if err := <-answered; err == nil {
		t.Log("it was killed too late")
	}

	p = s.process(t, http, https)
	begun := time.Now()
	before, err := get(p.https, name, s.pebble.Issued)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the first answer after the restart took %v", time.Since(begun).Round(time.Millisecond))
	orders := s.pebble.Orders()
	p.kill()

	p = s.process(t, http, https)
	if after, err := get(p.https, name, s.pebble.Issued); err != nil || !after.Equal(before) {
		t.Errorf("the certificate was lost: %v", err)
	}
	s.wantOrders(t, orders)
	if left, _ := filepath.Glob(filepath.Join(s.options.Storage, "locks", "*")); len(left) > 0 {
		t.Errorf("locks are left: %v", left)
	}
}
