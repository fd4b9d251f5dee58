//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/http2"

	"milepost/internal/fixture"
)

// generation is a state of the files, by the number that everything of it has.
func generation(n int) string {
	return strings.NewReplacer("mail.", fmt.Sprintf("mail-%d.", n), "Example family", fmt.Sprintf("Provider mail-%d.", n),
		`domains =`, "domains_from = \"customers.list\"\ndomains =").Replace(fixture.Family)
}

var generations = regexp.MustCompile(`mail-(\d+)\.`)

// whole returns the one generation of which an answer is made.
func whole(body string) (int, error) {
	found := generations.FindAllStringSubmatch(body, -1)
	if len(found) == 0 {
		return 0, fmt.Errorf("of no generation: %.200s", body)
	}
	for _, f := range found {
		if f[1] != found[0][1] {
			return 0, fmt.Errorf("made of %s and of %s:\n%s", found[0][1], f[1], body)
		}
	}
	return strconv.Atoi(found[0][1])
}

// resolver asks DNS.
type resolver struct{ addr string }

func (a resolver) get(string) (int, string, error) {
	reply, err := query(a.addr, "_tcp.example.com.", dns.TypeSOA, false)
	if err != nil || len(reply.Answer) != 1 {
		return 0, "", fmt.Errorf("%v %w", reply, err)
	}
	if reply, err = query(a.addr, "_imaps._tcp.example.com.", dns.TypeSRV, false); err != nil || len(reply.Answer) != 1 {
		return 0, "", fmt.Errorf("%v %w", reply, err)
	}
	return http.StatusOK, reply.Answer[0].String(), nil
}

func (resolver) close() {}

// However often files change, by a signal or without, and whatever is wrong with half of
// them: each request is answered, with all of one state, which is the last one that
// was right or the one that is being taken over.
func TestReloadsUnderLoad(t *testing.T) {
	for _, tc := range []struct {
		name, every string
		reloads     int
		signal      bool
	}{
		{"SIGHUP", "0s", 160, true},
		{"files", "10ms", 40, false}, // each waits until it has settled
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			testReloads(t, tc.every, tc.reloads, tc.signal)
		})
	}
}

func testReloads(t *testing.T, every string, reloads int, signal bool) {
	config := strings.Replace(everything, `check_every = "0s"`, fmt.Sprintf("check_every = %q", every), 1)
	dir := site(t, config)
	var customers string
	for i := range 1000 {
		customers += fmt.Sprintf("customer-%d.example\n", i)
	}
	provider, list := filepath.Join(dir, "providers", "example.com.toml"), filepath.Join(dir, "providers", "customers.list")
	replace := func(path, text string) { // as an editor does
		fixture.Write(t, path+"~", text)
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	fixture.Write(t, provider, generation(0))
	fixture.Write(t, list, customers)
	p := serving(t, dir)
	events := make(chan string, 100)
	go func() {
		defer close(events)
		for lines := bufio.NewScanner(p.stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), "reload") {
				events <- lines.Text()
			}
		}
	}()

	var served, written, count atomic.Int64 // generations: the last one that was taken over, and that may be
	stop := make(chan struct{})
	var load sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); load.Wait() })
	t.Cleanup(end)
	askers := p.askers()
	askers["DNS"] = resolver{p.dns}
	for name, a := range askers {
		load.Go(func() {
			defer a.close()
			paths := []string{"/v1.1/example.com", "/setup?emailaddress=fred%40example.com", "/mail/config-v1.1.xml?emailaddress=fred@customer-2.example"}
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				path := paths[i%len(paths)]
				if strings.HasPrefix(path, "/setup") && !strings.HasPrefix(name, "HTTPS") {
					path = paths[0] // else one is sent to HTTPS
				}
				oldest := served.Load()
				status, body, err := a.get(path)
				newest := written.Load()
				n, mixed := whole(body)
				if err != nil || status != http.StatusOK || mixed != nil || int64(n) < oldest || int64(n) > newest {
					t.Errorf("%s: %s: status %d, generation %d of %d to %d, %v %v", name, path, status, n, oldest, newest, err, mixed)
					return
				}
				count.Add(1)
			}
		})
	}
	good, one := true, &client{addr: p.addr}
	for i := range reloads {
		n := i + 1
		switch right := generation(n); i % 6 {
		case 0, 2, 4:
			good = true
			written.Store(int64(n))
			replace(filepath.Join(dir, "milepost.toml"), config)
			replace(list, customers)
			fixture.Write(t, provider, right) // not at once: half of it may be read
		case 1:
			good = false
			fixture.Write(t, provider, right+"hostname = 1\n")
		case 3:
			good = false
			replace(provider, generation(int(written.Load()))) // as it was
			replace(filepath.Join(dir, "milepost.toml"), config+"port = 1\n")
		case 5:
			good = false
			replace(list, customers[:len(customers)/3])
		}
		if signal {
			if err := p.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
		want := "msg=reloaded"
		if !good {
			want = "reload refused"
		}
		for settled := false; !settled; {
			select {
			case line, ok := <-events:
				if !ok {
					t.Fatal("it has ended")
				}
				// Between two files that are written, a state without mistakes may be taken over.
				settled = strings.Contains(line, want)
				if signal && !settled {
					t.Fatalf("change %d: %s, want %s", i, line, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("change %d: no %q in the log", i, want)
			}
		}
		if good {
			fixture.Await(t, fmt.Sprintf("generation %d is not served", n), func() bool {
				_, body, err := one.get("/v1.1/example.com")
				got, _ := whole(body)
				return err == nil && got == n
			})
			served.Store(int64(n))
		}
	}
	end()
	t.Logf("%d requests in %d reloads", count.Load(), reloads)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err) // the race detector, too
	}
}

// A server that is told to stop answers every request that has come to it. Its
// listeners close at last; a connection that the kernel holds by then was not
// accepted.
func TestStopUnderLoad(t *testing.T) {
	dir := site(t, everything+"[http]\ndrain = \"1s\"\n")
	p := serving(t, dir)
	go io.Copy(io.Discard, p.stderr)
	var stopping atomic.Bool
	var load sync.WaitGroup
	var before, after atomic.Int64
	all := map[string]asker{}
	for i := range 3 {
		for name, a := range p.askers() {
			all[fmt.Sprint(name, " ", i)] = a
		}
	}
	for name, a := range all {
		load.Go(func() {
			defer a.close()
			for i := 0; ; i++ {
				_, isOne := a.(*client)
				held := isOne && a.(*client).conn != nil
				status, body, err := a.get("/v1.1/example.com")
				switch {
				case err == nil && status == http.StatusOK && strings.HasSuffix(strings.TrimSpace(body), "</clientConfig>"):
					if stopping.Load() {
						after.Add(1)
					} else {
						before.Add(1)
					}
					time.Sleep(time.Duration(i%20) * time.Millisecond)
					continue
				case err == nil:
					t.Errorf("%s: %d %s", name, status, body)
				case stopping.Load() && errors.Is(err, errRefused):
				case stopping.Load() && !held && closed(a):
				default:
					t.Errorf("%s: request %d was lost: %v", name, i, err)
				}
				return
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	stopping.Store(true)
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	load.Wait()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d requests before, %d while it stopped", before.Load(), after.Load())
	if before.Load() == 0 || after.Load() == 0 {
		t.Error("there was no load")
	}
}

// A client of HTTP/2 hears that the server stops, and which of its requests was answered
// last, before the connection ends (RFC 9113 §6.8).
func TestStopSaysGoaway(t *testing.T) {
	p := serving(t, site(t, everything))
	f := dialFrames(t, p.https)
	defer f.conn.Close()
	if err := f.headers(1, "/v1.1/example.com"); err != nil {
		t.Fatal(err)
	}
	answered, said := false, (*http2.GoAwayFrame)(nil)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			break
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.DataFrame:
			if answered = frame.StreamEnded(); answered {
				if err := p.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
			}
		case *http2.GoAwayFrame:
			said = frame
			if frame.ErrCode != http2.ErrCodeNo || frame.LastStreamID != 1 {
				t.Errorf("it says %v", frame)
			}
		}
	}
	if !answered || said == nil {
		t.Errorf("answered: %v; it says %v", answered, said)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// closed tells whether nobody listens any more where somebody asks.
func closed(a asker) bool {
	a.close()
	_, _, err := a.get("/v1.1/example.com")
	return errors.Is(err, errRefused)
}
