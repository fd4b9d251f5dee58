//go:build linux

package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// Three servers that start at different times, and take a change over at different
// times, have the same serials, whoever of them is restarted.
func TestReplicasAgreeOnSerials(t *testing.T) {
	server := fixture.StartPostgres(t)
	dsn := server.Database(t) + "?synchronous_commit=on"
	for name, where := range map[string]string{"PostgreSQL": dsn, "a folder": filepath.Join(t.TempDir(), "shared")} {
		t.Run(name, func(t *testing.T) {
			var dirs []string
			var replicas []*process
			start := func(i int) {
				p := startProcess(t, "-config", filepath.Join(dirs[i], "milepost.toml"))
				go io.Copy(io.Discard, p.stderr)
				replicas[i] = p
			}
			for i := range 3 {
				dirs = append(dirs, fixture.Directory(t, "providers/example.com.toml", fixture.Family, "milepost.toml",
					fmt.Sprintf("[catalogue]\nproviders = [\"providers\"]\nbuiltin = false\ncheck_every = \"100ms\"\n[dns]\nlisten = \"127.0.0.1:0\"\nserial_storage = %q\nserial_file = \"serial\"\n[service]\nhost = \"mail.example.net\"\naddresses = [\"192.0.2.1\"]\n", where)))
				// Each clock is another one, as far as serials can tell.
				fixture.Write(t, filepath.Join(dirs[i], "serial"), fmt.Sprintln(4000000000+1000*i))
				replicas = append(replicas, nil)
				start(i)
			}
			serials := func() (all []uint32) {
				for _, p := range replicas {
					reply, err := dns.Exchange(new(dns.Msg).SetQuestion("_tcp.example.com.", dns.TypeSOA), p.dns)
					if err != nil || len(reply.Answer) == 0 {
						t.Fatal(err, reply)
					}
					all = append(all, reply.Answer[0].(*dns.SOA).Serial)
				}
				return all
			}
			highest := uint32(0)
			agree := func(what string, rises bool) {
				t.Helper()
				var last []uint32
				fixture.Await(t, what, func() bool {
					last = serials()
					return len(slices.Compact(slices.Clone(last))) == 1 && (last[0] > highest) == rises
				})
				for _, s := range last {
					if s < highest {
						t.Errorf("%s: %d, and was %d", what, s, highest)
					}
				}
				highest = last[0]
			}
			change := func(i int, host string) {
				fixture.Write(t, filepath.Join(dirs[i], "providers", "example.com.toml"), strings.ReplaceAll(fixture.Family, "mail.", host+"."))
				replicas[i].Process.Signal(syscall.SIGHUP)
			}
			agree("at the start they do not agree", true)
			for i := range replicas {
				change(i, "imap")
			}
			agree("after a change they do not agree", true)
			replicas[1].kill()
			start(1)
			agree("after a restart they do not agree", false)
			if where != dsn {
				return
			}
			server.Stop(t)
			for i := range replicas {
				change(i, "mx")
			}
			fixture.Await(t, "a server takes nothing over while the database is away", func() bool {
				return slices.Min(serials()) > highest
			})
			server.Start(t)
			agree("when the database is back they do not agree", true)
		})
	}
}

// A storage of serials that cannot be used is a mistake in the configuration.
func TestSerialStorageMistakes(t *testing.T) {
	dsn := fixture.Postgres(t)
	dir := fixture.Directory(t, "providers/example.com.toml", fixture.Family, "file", "x")
	t.Chdir(dir)
	for name, tc := range map[string]struct{ where, want string }{
		"a file":           {"file/serials", "milepost: milepost.toml:5: dns.serial_storage: file/serials: cannot keep anything there: not a directory; the directory must be writable for this process, with some room\n"},
		"a wrong password": {strings.Replace(dsn, fixture.DatabasePassword, "wr0ng", 1), "milepost: milepost.toml:5: dns.serial_storage: " + strings.Replace(dsn, fixture.DatabasePassword, "xxxxx", 1) + ": password authentication failed for user \"milepost\" (SQLSTATE 28P01)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			fixture.Write(t, "milepost.toml", fmt.Sprintf("[catalogue]\nproviders = [\"providers\"]\n[dns]\nlisten = \"127.0.0.1:0\"\nserial_storage = %q\n", tc.where))
			code, _, stderr := milepost(t, "serve", "-http", "127.0.0.1:0", "-config", "milepost.toml")
			if code != 1 || stderr != tc.want {
				t.Errorf("exit code %d\n%s\nwant\n%s", code, stderr, tc.want)
			}
		})
	}
}
