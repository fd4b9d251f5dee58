// Package systemd takes over the sockets that systemd opened for this process
// (sd_listen_fds(3)) and tells it how the process is (sd_notify(3)): ready, reloading,
// stopping, alive. Where systemd did not start the process, nothing is done.
package systemd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Service is what systemd gave to this process.
type Service struct {
	// Listeners and PacketConns are the opened sockets, by FileDescriptorName= of
	// their unit.
	Listeners   map[string][]net.Listener
	PacketConns map[string][]net.PacketConn

	notify   string        // where systemd listens; empty: nowhere
	watchdog time.Duration // between two signs of life, at most; 0: none are wanted
}

// Open takes what systemd gave, and clears it from the environment, so that a child
// does not take it for its own. It is called once, before descriptors are opened.
// The sockets' names are those that the caller serves; another one is a mistake.
func Open(names ...string) (*Service, error) {
	s := &Service{
		Listeners:   make(map[string][]net.Listener),
		PacketConns: make(map[string][]net.PacketConn),
		notify:      os.Getenv("NOTIFY_SOCKET"),
	}
	watchdog, err := daemon.SdWatchdogEnabled(true)
	if err != nil {
		return nil, fmt.Errorf("WATCHDOG_USEC: %w", err)
	}
	s.watchdog = watchdog
	if err := os.Unsetenv("NOTIFY_SOCKET"); err != nil {
		return nil, err
	}
	var errs []error
	for _, f := range activation.Files(true) {
		errs = append(errs, s.take(f, names))
	}
	if err := errors.Join(errs...); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// take makes a listener or a packet connection of a descriptor, and closes it.
func (s *Service) take(f *os.File, names []string) error {
	defer f.Close()
	name := f.Name()
	if !slices.Contains(names, name) {
		return fmt.Errorf("the socket %q from systemd is not known; FileDescriptorName= of a socket unit may be %s", name, strings.Join(names, ", "))
	}
	l, err := net.FileListener(f)
	if err == nil {
		s.Listeners[name] = append(s.Listeners[name], l)
		return nil
	}
	if c, packetErr := net.FilePacketConn(f); packetErr == nil {
		s.PacketConns[name] = append(s.PacketConns[name], c)
		return nil
	}
	return fmt.Errorf("the socket %q from systemd is of no use: %w; ListenStream= and ListenDatagram= are allowed", name, err)
}

func (s *Service) close() {
	for _, listeners := range s.Listeners {
		for _, l := range listeners {
			l.Close()
		}
	}
	for _, conns := range s.PacketConns {
		for _, c := range conns {
			c.Close()
		}
	}
}

// Ready says that requests are answered, after the start and after a reload, whether
// that changed anything or was refused. The status is a line for `systemctl status`;
// empty: it stays.
func (s *Service) Ready(status string) error {
	return s.send(daemon.SdNotifyReady, statusLine(status))
}

// Reloading says that a reload has begun; Ready ends it. The time is what
// Type=notify-reload of systemd 253 and later asks for, and others ignore it.
func (s *Service) Reloading() error {
	return s.send(daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// Stopping says that the process is about to end.
func (s *Service) Stopping() error { return s.send(daemon.SdNotifyStopping) }

// Status is a line for `systemctl status`.
func (s *Service) Status(status string) error { return s.send(statusLine(status)) }

// Watchdog gives signs of life until the context ends, twice in the time in which
// systemd wants one, as sd_watchdog_enabled(3) advises; none while healthy says no or
// hangs, so that systemd starts the process afresh.
func (s *Service) Watchdog(ctx context.Context, healthy func() bool) error {
	if s.watchdog == 0 || s.notify == "" {
		return nil
	}
	ticks := time.NewTicker(s.watchdog / 2)
	defer ticks.Stop()
	for {
		if healthy() {
			if err := s.send(daemon.SdNotifyWatchdog); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// statusLine is one line, whatever the text has: a second one would be a message of
// its own.
func statusLine(status string) string {
	if status == "" {
		return ""
	}
	return "STATUS=" + strings.Join(strings.Fields(status), " ")
}

func (s *Service) send(lines ...string) error {
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	if s.notify == "" || len(lines) == 0 {
		return nil
	}
	// A name with @ is an abstract one; net knows.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.notify, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("NOTIFY_SOCKET %s: %w", s.notify, err)
	}
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	return cmp.Or(err, conn.Close())
}
