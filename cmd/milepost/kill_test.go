//go:build linux

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// kill is kill -9.
func (p *process) kill() {
	p.Process.Kill()
	p.Wait()
}

// A server that is killed while it reloads starts again, and no serial is lower than one
// that was served. The clock is of no help: the file is ahead of it.
func TestKilledInReload(t *testing.T) {
	dir := site(t, strings.Replace(everything, "rate_limit = 0", "rate_limit = 0\nserial_file = \"serial\"", 1))
	provider := filepath.Join(dir, "providers", "example.com.toml")
	fixture.Write(t, filepath.Join(dir, "serial"), "4000000000\n")
	random := rand.New(rand.NewPCG(1, 2))
	highest, reloads := uint32(4000000000), 0
	impatient := dns.Client{Timeout: 100 * time.Millisecond} // no answer comes from the dead
	for range 10 {
		p := serving(t, dir)
		go io.Copy(io.Discard, p.stderr)
		killed := make(chan struct{})
		time.AfterFunc(time.Duration(random.IntN(300))*time.Millisecond, func() { p.Process.Kill(); close(killed) })
		for dead := false; !dead; {
			select {
			case <-killed:
				dead = true
			default:
			}
			reply, _, err := impatient.Exchange(new(dns.Msg).SetQuestion("_tcp.example.com.", dns.TypeSOA), p.dns)
			if err != nil {
				continue
			}
			serial := reply.Answer[0].(*dns.SOA).Serial
			if serial < highest {
				t.Errorf("the serial is %d, and was %d", serial, highest)
			}
			if serial > highest {
				reloads++
			}
			highest = serial
			fixture.Write(t, provider, strings.ReplaceAll(fixture.Family, "mail.", fmt.Sprintf("mail-%d.", highest)))
			p.Process.Signal(syscall.SIGHUP)
		}
		p.Wait()
	}
	t.Logf("%d serials", reloads)
	if reloads < 10 {
		t.Errorf("the serial has changed %d times only", reloads)
	}
}

// A server that is killed while it gets certificates serves those again that a client
// has seen, without another order.
func TestKilledInOrders(t *testing.T) {
	const kills = 10
	host := "127.0.0.1"
	http, https := fixture.FreePort(t, host), fixture.FreePort(t, host)
	options := fixture.PebbleOptions{}
	fmt.Sscan(http, &options.HTTPPort)
	fmt.Sscan(https, &options.TLSPort)
	pebble := fixture.StartPebble(t, fixture.BuildPebble(t), options)
	var domains []string
	for i := range kills {
		domains = append(domains, fmt.Sprintf("%q", fmt.Sprintf("d%d.example", i)))
	}
	dir := fixture.Directory(t,
		"providers/example.toml", strings.Replace(fixture.Family, `"example.com"`, strings.Join(domains, ", "), 1),
		"milepost.toml", fmt.Sprintf("[https]\nlisten = [%q]\n[tls]\nacme = true\ndirectory = %q\nca = %q\nstorage = \"certificates\"\n[catalogue]\nproviders = [\"providers\"]\nbuiltin = false\n",
			net.JoinHostPort(host, https), pebble.Directory, pebble.Roots))
	start := func() *process {
		p := startProcess(t, "-http", net.JoinHostPort(host, http), "-config", filepath.Join(dir, "milepost.toml"))
		go io.Copy(io.Discard, p.stderr)
		return p
	}
	certificate := func(p *process, name string) (string, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: &tls.Config{ServerName: name, RootCAs: pebble.Issued}}
		conn, err := d.DialContext(t.Context(), "tcp", p.https)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
	}

	seen := make(map[string]string)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range kills {
		p := start()
		orders := pebble.Orders()
		for name, serial := range seen {
			if got, err := certificate(p, name); err != nil || got != serial {
				t.Errorf("%s has the certificate %s, and had %s: %v", name, got, serial, err)
			}
		}
		if pebble.Orders() != orders {
			t.Errorf("there are %d orders for certificates that were served", pebble.Orders()-orders)
		}
		name := fmt.Sprintf("autoconfig.d%d.example", i)
		if i%3 == 2 { // as soon as it is seen
			if serial, err := certificate(p, name); err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				seen[name] = serial
			}
		} else {
			time.AfterFunc(time.Duration(random.IntN(1500))*time.Millisecond, func() { p.Process.Kill() })
			if serial, err := certificate(p, name); err == nil {
				seen[name] = serial
			}
		}
		p.kill()
	}
	t.Logf("%d certificates were seen of %d orders", len(seen), pebble.Orders())
	if len(seen) == 0 {
		t.Error("no certificate was seen")
	}
}
