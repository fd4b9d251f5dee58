package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ListenAddress says where to listen: HOST:PORT or :PORT.
type ListenAddress string

// ParseListenAddress refuses what can be no place to listen. Whether the machine has
// the host and the port is free is found out later.
func ParseListenAddress(s string) (ListenAddress, error) {
	_, port, err := net.SplitHostPort(s)
	_, notNumber := strconv.ParseUint(s, 10, 16)
	switch {
	case strings.HasPrefix(s, "unix:") || strings.HasPrefix(s, "/"):
		return "", errors.New("names a Unix socket, which is not served; HOST:PORT and :PORT are allowed")
	case err != nil && strings.Count(s, ":") > 1:
		return "", errors.New(`is not understood; an IPv6 address stands in brackets: "[::1]:8080"`)
	case notNumber == nil:
		return "", fmt.Errorf(`%q is a port alone; ":%[1]s" and "127.0.0.1:%[1]s", say, are allowed`, s)
	case err != nil || port == "":
		return "", fmt.Errorf("%q has no port; HOST:PORT and :PORT are allowed", s)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return "", fmt.Errorf("%q is no port; 0 to 65535 are allowed", port)
	}
	return ListenAddress(s), nil
}

// Explain adds to an error of listening there what an admin can do about it.
func (l ListenAddress) Explain(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("the port is in use; another program (or another milepost) has it: 'ss -lntup' lists them")
	case errors.Is(err, fs.ErrPermission):
		program, err := os.Executable()
		if err != nil {
			program = "milepost"
		}
		return fmt.Errorf("no permission for that port; 'setcap cap_net_bind_service=+ep %s' grants it, or choose a port from 1024", program)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return errors.New("this machine has no such address")
	}
	if unknown, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("the host %q is unknown", unknown.Name)
	}
	return err
}
