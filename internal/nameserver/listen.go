package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"milepost/internal/connlimit"
)

// open opens an address for TCP and UDP. TCP comes first: it shares the port with no
// other program, so one that has it is noticed.
func open(addr string) (tcp []net.Listener, udp []*net.UDPConn, err error) {
	defer func() {
		if err != nil {
			for _, l := range tcp {
				l.Close()
			}
			for _, c := range udp {
				c.Close()
			}
			tcp, udp = nil, nil
		}
	}()
	networks, hosts, port, err := split(addr)
	if err != nil {
		return nil, nil, err
	}
	shared := net.ListenConfig{Control: sharePort}
	for i, network := range networks {
		l, err := net.Listen("tcp"+network, net.JoinHostPort(hosts[i], port))
		if err != nil {
			if i > 0 && !available(err) {
				break // a machine without IPv6
			}
			return tcp, udp, err
		}
		tcp = append(tcp, l)
		port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
		for range udpSockets() {
			c, err := shared.ListenPacket(context.Background(), "udp"+network, l.Addr().String())
			if err != nil {
				return tcp, udp, err
			}
			udp = append(udp, c.(*net.UDPConn))
		}
	}
	return tcp, udp, nil
}

// split says how an address is opened. Without a host it is opened for IPv4 and for
// IPv6, so that each socket has one family.
func split(addr string) (networks, hosts []string, port string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, "", err
	}
	if host == "" {
		return []string{"4", "6"}, []string{"0.0.0.0", "::"}, port, nil
	}
	resolved, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, nil, "", err
	}
	if resolved.IP.To4() != nil {
		return []string{"4"}, []string{host}, port, nil
	}
	return []string{"6"}, []string{host}, port, nil
}

// available tells whether the machine has the address family, and err is about
// something else.
func available(err error) bool {
	return !errors.Is(err, syscall.EAFNOSUPPORT) && !errors.Is(err, syscall.EADDRNOTAVAIL)
}

// source is the address that NOTIFY comes from: the one that is listened on, if it is
// one.
func source(a *net.TCPAddr) netip.Addr {
	ip := a.AddrPort().Addr().Unmap()
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

// networkOf returns the network that counts as one client: who has an address has
// those around it.
func networkOf(a netip.Addr) netip.Prefix { return connlimit.NetworkOf(a, 24, 56) }
