package certs_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/internal/certs"
	"milepost/internal/fixture"
	"milepost/internal/storage"
)

// childEnv has this test program serve instead: directory, roots, storage, the ports of
// HTTP and HTTPS, and the directory of a copy.
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
	a, err := certs.NewACME(context.Background(), certs.ACMEOptions{Allowed: allowed, Directory: args[0], CA: args[1], Storage: args[2], Copy: args[5],
		HTTPPort: ports[0], HTTPSPort: ports[1]}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	answer(a, listeners[0], listeners[1])
	fmt.Println("listening", listeners[1].Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); { // each line asks for renewals
		if err := a.Renew(); err != nil {
			return err
		}
	}
	select {}
}

// process is a server with ACME that can be killed.
type process struct {
	cmd   *exec.Cmd
	https string
	renew io.Writer // a line asks for renewals
}

func (s *site) process(t *testing.T, http, https string) process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, s.options.Directory, s.options.CA, s.options.Storage, http, https, t.TempDir())
	cmd.Env, cmd.Stderr = append(os.Environ(), childEnv+"=1"), s.log
	renew, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return process{cmd, fixture.Server(t, cmd, "listening "), renew}
}

// kill is kill -9.
func (p process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// free leaves the site's ports to a process.
func (s *site) free() (http, https string) {
	s.http.Close()
	s.https.Close()
	return strconv.Itoa(port(s.http)), strconv.Itoa(port(s.https))
}

// storages are what replicas may share.
var storages = map[string]func(*testing.T, *site){
	"a folder":   func(*testing.T, *site) {},
	"PostgreSQL": func(t *testing.T, s *site) { s.options.Storage = fixture.Postgres(t) },
}

func eachStorage(t *testing.T, options fixture.PebbleOptions, test func(*testing.T, *site)) {
	t.Parallel()
	program := fixture.BuildPebble(t)
	for name, choose := range storages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, program, options)
			choose(t, s)
			test(t, s)
		})
	}
}

func TestReplicasMakeOneOrder(t *testing.T) {
	eachStorage(t, fixture.PebbleOptions{}, func(t *testing.T, s *site) {
		http, https := s.free()
		replicas := []process{s.process(t, http, https), s.process(t, "0", "0"), s.process(t, "0", "0")}
		var all sync.WaitGroup
		var mu sync.Mutex
		shown := make(map[string]bool)
		for i := range 15 {
			all.Go(func() {
				c, err := get(replicas[i%3].https, "autoconfig.example.com", s.pebble.Issued)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				shown[string(c.Raw)] = true
			})
		}
		all.Wait()
		s.wantOrders(t, 1)
		if len(shown) != 1 {
			t.Errorf("%d certificates were shown", len(shown))
		}
	})
}

// The lock of a replica that is killed while it has one is soon another's.
func TestHolderKilled(t *testing.T) {
	eachStorage(t, fixture.PebbleOptions{}, func(t *testing.T, s *site) {
		http, https := s.free()
		one, two := s.process(t, http, https), s.process(t, "0", "0")
		go get(two.https, "autoconfig.example.com", s.pebble.Issued)
		await(t, "pebble has no order", func() bool { return s.pebble.Orders() > 0 })
		two.kill()
		begun := time.Now()
		if _, err := get(one.https, "autoconfig.example.com", s.pebble.Issued); err != nil {
			t.Fatal(err)
		}
		t.Logf("the other one had a certificate %v after the kill", time.Since(begun).Round(time.Millisecond))
	})
}

// Two replicas whose certificate is to be renewed renew it once, and both have it then.
func TestReplicasRenewOnce(t *testing.T) {
	eachStorage(t, fixture.PebbleOptions{}, func(t *testing.T, s *site) {
		const name = "autoconfig.example.com"
		http, https := s.free()
		one := s.process(t, http, https)
		before, err := get(one.https, name, s.pebble.Issued)
		if err != nil {
			t.Fatal(err)
		}
		one.kill()
		s.due(t, name)
		replicas := []process{s.process(t, http, https), s.process(t, "0", "0")}
		shown := func(p process) *x509.Certificate {
			c, err := get(p.https, name, s.pebble.Issued)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		for _, p := range replicas {
			if !shown(p).Equal(before) {
				t.Fatal("it was renewed before it was asked for")
			}
		}
		s.wantOrders(t, 1)
		for _, p := range replicas {
			fmt.Fprintln(p.renew)
		}
		await(t, "it is not renewed on both", func() bool {
			c := shown(replicas[0])
			return !c.Equal(before) && c.Equal(shown(replicas[1]))
		})
		s.wantOrders(t, 2)
	})
}

// due makes the storage say that the ACME server wants a certificate renewed by now
// (RFC 9773).
func (s *site) due(t *testing.T, name string) {
	t.Helper()
	kept, err := storage.Open(s.options.Storage)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := kept.List(t.Context(), "certificates", true)
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	past := regexp.MustCompile(`("(?:start|end|_selectedTime)": ?)"[^"]*"`)
	for _, key := range keys {
		if !strings.HasSuffix(key, name+".json") {
			continue
		}
		text, err := kept.Load(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		changed += len(past.FindAll(text, -1))
		if err := kept.Store(t.Context(), key, past.ReplaceAll(text, []byte(`$1"2020-01-01T00:00:00Z"`))); err != nil {
			t.Fatal(err)
		}
	}
	if changed != 3 {
		t.Fatalf("%d times were found in the storage", changed)
	}
}

// A database that is away takes no certificate along that is in memory, and orders wait
// for it; one that is away at the start keeps nothing else from starting.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	s := newSite(t, fixture.BuildPebble(t), fixture.PebbleOptions{})
	s.options.Storage = server.Database(t) + "?synchronous_commit=on"
	server.Stop(t)
	a, _ := s.serve(t)
	if _, err := s.get("a.example.com"); err == nil {
		t.Error("a certificate without a storage")
	}
	if log := s.log.String(); !strings.Contains(log, "no certificate can be read, ordered or renewed until the database answers") || !strings.Contains(log, "connection refused") {
		t.Error("the log does not say why")
	}
	server.Start(t)
	await(t, "no certificate, though the database is back", func() bool {
		a.Forget()
		_, err := s.get("a.example.com")
		return err == nil
	})
	s.wantOrders(t, 1)

	server.Stop(t)
	s.must(t, "a.example.com")
	if _, err := s.get("b.example.com"); err == nil {
		t.Error("b.example.com has a certificate")
	}
	s.wantOrders(t, 1)
	server.Start(t)
	await(t, "no certificate, though the database is back again", func() bool {
		a.Forget()
		_, err := s.get("b.example.com")
		return err == nil
	})
	s.wantOrders(t, 2)
	if strings.Contains(s.log.String(), fixture.DatabasePassword) {
		t.Error("the password is in the log")
	}
}

// A server that starts while the database is away serves what it has served before, and
// is ready.
func TestDatabaseAwayAtRestart(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	s := newSite(t, fixture.BuildPebble(t), fixture.PebbleOptions{})
	s.options.Storage, s.options.Copy = server.Database(t)+"?synchronous_commit=on", t.TempDir()
	s.options.DefaultServerName = "service.example.net"
	a, stop := s.serve(t)
	a.Start()
	fixture.Await(t, "the service has no certificate", func() bool {
		_, err := a.Sign([]byte("profile"))
		return err == nil
	})
	before := s.must(t, "a.example.com")
	server.Stop(t)
	stop()
	s.relisten(t)
	a, _ = s.serve(t)
	a.Start()
	fixture.Await(t, "it is not ready", func() bool { return a.Ready() == nil })
	s.must(t, "service.example.net")
	if after := s.must(t, "a.example.com"); !after.Equal(before) {
		t.Error("another certificate after the restart")
	}
	if _, err := s.get("b.example.com"); err == nil {
		t.Error("b.example.com has a certificate")
	}
	s.wantOrders(t, 2)
	if log := s.log.String(); strings.Count(log, "no certificate can be ordered or renewed until the database answers; those that are copied are served") != 1 || !strings.Contains(log, "certificates=2") {
		t.Error("the log does not say what can be served")
	}
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
	s := newSite(t, program, fixture.PebbleOptions{})
	http, https := s.free()
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
