//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"milepost/internal/fixture"
)

// Without descriptors, those who are connected are answered, and DNS over UDP; each
// listener says so once. A reload that cannot read its files changes nothing.
func TestDescriptorsAreShort(t *testing.T) {
	p := serving(t, site(t, everything))
	p.answers(t)
	kept := []*client{{addr: p.addr, keep: true}, {addr: p.https, tls: true, keep: true}, {addr: p.addr, proxied: true, keep: true}}
	stays := func() {
		t.Helper()
		for _, c := range kept {
			if status, body, err := c.get("/v1.1/example.com"); err != nil || status != 200 || c.conn == nil {
				t.Errorf("TLS %v, by a proxy %v: %d %s %v", c.tls, c.proxied, status, body, err)
			}
		}
	}
	stays()
	http := p.descriptors(t)
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(http + 3), Max: 1024}, nil); err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	log := ""
	for _, addr := range []string{p.addr, p.https, p.dns, p.admin} {
		for range 5 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, c)
		}
		log += p.waitFor(t, "new connections have to wait")
	}
	stays()
	if _, err := query(p.dns, "_tcp.example.com.", dns.TypeSOA, false); err != nil {
		t.Error(err)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log += p.waitFor(t, "reload refused")
	if !strings.Contains(log, "too many open files") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	for _, c := range held {
		c.Close()
	}
	if err := unix.Prlimit(p.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1024, Max: 1024}, nil); err != nil {
		t.Fatal(err)
	}
	stays()
	p.answers(t)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	log += p.waitFor(t, "msg=reloaded")
	for _, addr := range []string{p.addr, p.https, p.dns, p.admin} {
		if n := strings.Count(log, "new connections have to wait\" addr="+addr); n != 1 {
			t.Errorf("%s: it said %d times that it has no descriptors:\n%s", addr, n, log)
		}
	}
}

func (p *process) descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// disk mounts a file system of 256 kB for a test, and returns functions that fill it to
// the last octet, make room again, and let nobody write there.
func disk(t *testing.T) (dir string, fill, free, readOnly func()) {
	t.Helper()
	dir = t.TempDir()
	const size = "size=256k"
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, size); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	fill = func() {
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for n := 4096; n > 0; {
			if _, err := f.Write(make([]byte, n)); err != nil {
				n /= 2
			}
		}
	}
	free = func() { os.Remove(filler) }
	readOnly = func() {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, size); err != nil {
			t.Fatal(err)
		}
	}
	return dir, fill, free, readOnly
}

// What cannot be written down is told, and served all the same.
func TestDiskIsFull(t *testing.T) {
	room, fill, free, readOnly := disk(t)
	config := strings.Replace(everything, "rate_limit = 0", fmt.Sprintf("rate_limit = 0\nserial_file = %q", filepath.Join(room, "serial")), 1)
	dir := site(t, config)
	provider := filepath.Join(dir, "providers", "example.com.toml")
	p := serving(t, dir)
	hosts := 0
	reload := func() string {
		t.Helper()
		hosts++
		fixture.Write(t, provider, strings.ReplaceAll(fixture.Family, "mail.", fmt.Sprintf("mail-%d.", hosts)))
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		said := p.waitFor(t, "msg=reloaded")
		if _, body := get(t, "http://"+p.addr+"/v1.1/example.com"); !strings.Contains(body, fmt.Sprintf("mail-%d.", hosts)) {
			t.Error(body)
		}
		return said
	}
	if said := reload(); strings.Contains(said, "cannot be kept") {
		t.Error(said)
	}
	fill()
	if said := reload(); !strings.Contains(said, room+"/serial: the highest serial cannot be kept: no space left on device") {
		t.Error(said)
	}
	if kept := fixture.ReadFile(t, filepath.Join(room, "serial")); len(kept) != len("4294967295\n") {
		t.Errorf("the serial before is lost: %q", kept)
	}
	free()
	if said := reload(); strings.Contains(said, "cannot be kept") {
		t.Error(said)
	}
	readOnly()
	if said := reload(); !strings.Contains(said, "cannot be kept: read-only file system") {
		t.Error(said)
	}
	p.answers(t)
}

// A log that cannot be written holds nobody; when it can again, it says how much is
// missing.
func TestLogDiskIsFull(t *testing.T) {
	room, fill, free, _ := disk(t)
	log, err := os.OpenFile(filepath.Join(room, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	fill()
	p := startLogging(t, log, "-config", filepath.Join(site(t, everything), "milepost.toml"))
	for range 100 {
		if status, body := get(t, "http://"+p.addr+"/v1.1/example.com"); status != 200 {
			t.Fatal(status, body)
		}
	}
	fixture.Await(t, "no line is counted as lost", func() bool {
		return !strings.HasSuffix(strings.TrimSpace(p.metric(t, "milepost_log_lines_dropped_total")), " 0")
	})
	free()
	fixture.Await(t, "the log does not say what it lost", func() bool {
		get(t, "http://"+p.addr+"/v1.1/example.com")
		return strings.Contains(fixture.ReadFile(t, log.Name()), `msg="log lines dropped" count=`)
	})
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// Where no certificate can be kept, none is ordered; the names that have one are served.
func TestStorageIsFull(t *testing.T) {
	host := "127.0.0.1"
	options := fixture.PebbleOptions{}
	port, tlsPort := fixture.FreePort(t, host), fixture.FreePort(t, host)
	fmt.Sscan(port, &options.HTTPPort)
	fmt.Sscan(tlsPort, &options.TLSPort)
	pebble := fixture.StartPebble(t, fixture.BuildPebble(t), options)
	room, fill, free, readOnly := disk(t)
	storage := filepath.Join(room, "certificates")
	dir := site(t, fmt.Sprintf("[http]\nlisten = [%q]\n[https]\nlisten = [%q]\n[tls]\nacme = true\ndirectory = %q\nca = %q\nstorage = %q\n[catalogue]\nproviders = [\"providers\"]\nbuiltin = false\n",
		net.JoinHostPort(host, port), net.JoinHostPort(host, tlsPort), pebble.Directory, pebble.Roots, storage))
	config := filepath.Join(dir, "milepost.toml")

	fill()
	refused := func(want string) {
		t.Helper()
		code, _, stderr := milepost(t, "serve", "-http", "127.0.0.1:0", "-https", "127.0.0.1:0", "-config", config)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
	refused(config + ":9: tls.storage: " + storage + ": cannot keep anything there: no space left on device; ")
	free()

	p := startProcess(t, "-config", config, "-http", net.JoinHostPort(host, port))
	names := &client{addr: p.https, tls: true, name: "autoconfig.example.com"}
	if status, body, err := names.get("/v1.1/example.com"); err != nil || status != 200 {
		t.Fatal(status, body, err)
	}
	fill()
	if _, _, err := (&client{addr: p.https, tls: true, name: "autodiscover.example.com"}).get("/v1.1/example.com"); err == nil {
		t.Error("a certificate comes from nowhere")
	}
	if said := p.waitFor(t, "there is no certificate"); !strings.Contains(said, "no space left on device") {
		t.Error(said)
	}
	if status, body, err := names.get("/v1.1/example.com"); err != nil || status != 200 {
		t.Error(status, body, err)
	}
	p.kill()

	free()
	readOnly()
	orders := pebble.Orders()
	p = startProcess(t, "-config", config, "-http", net.JoinHostPort(host, port))
	p.waitFor(t, "no certificate can be ordered or renewed; those that are there are served")
	names.addr = p.https
	if status, body, err := names.get("/v1.1/example.com"); err != nil || status != 200 || pebble.Orders() != orders {
		t.Error(status, body, err, pebble.Orders()-orders)
	}
}
