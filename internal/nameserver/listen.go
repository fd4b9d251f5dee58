package nameserver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"

	"milepost/internal/connlimit"
)

// open opens addresses of one port for TCP and UDP. TCP comes first: it shares the
// port with no other program, so one that has it is noticed.
func open(addrs []netip.AddrPort) (tcp []net.Listener, udp []*net.UDPConn, err error) {
	defer func() {
		if err != nil {
			for _, l := range tcp {
				l.Close()
			}
			for _, c := range udp {
				c.Close()
			}
		}
	}()
	shared := net.ListenConfig{Control: sharePort}
	port := addrs[0].Port()
	for i, addr := range addrs {
		network := "6"
		if addr.Addr().Is4() {
			network = "4"
		}
		l, err := net.Listen("tcp"+network, netip.AddrPortFrom(addr.Addr(), port).String())
		if err != nil {
			if i > 0 && !available(err) {
				break // a machine without IPv6
			}
			return tcp, udp, err
		}
		tcp = append(tcp, l)
		port = l.Addr().(*net.TCPAddr).AddrPort().Port()
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

// resolve returns the addresses to open. Without a host these are all of IPv4 and all
// of IPv6, so that each socket has one family.
func resolve(addr string) ([]netip.AddrPort, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if a.IP == nil {
		port := uint16(a.Port)
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), port), netip.AddrPortFrom(netip.IPv6Unspecified(), port)}, nil
	}
	ap := a.AddrPort()
	return []netip.AddrPort{netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())}, nil
}

// available is false if an error says that the machine lacks the address family.
func available(err error) bool {
	return !errors.Is(err, syscall.EAFNOSUPPORT) && !errors.Is(err, syscall.EADDRNOTAVAIL)
}

// networkOf returns the network that counts as one client: whoever has an address has
// its neighbours too.
func networkOf(a netip.Addr) netip.Prefix { return connlimit.NetworkOf(a, 24, 56) }
