package nameserver

import (
	"net"
	"runtime"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// udpSockets is how many sockets share the port of an address.
func udpSockets() int { return runtime.GOMAXPROCS(0) }

// sharePort lets several sockets of this process have one port; the kernel spreads
// the queries over them.
func sharePort(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// batches returns a socket as one that takes many packets with one system call.
// from makes the control message that sends a reply from the address that was
// asked; nil: the socket has one address.
func batches(c *net.UDPConn) (p packetConn, from func(oob []byte) []byte, err error) {
	addr := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if addr.Is4() {
		p := ipv4.NewPacketConn(c)
		if !addr.IsUnspecified() {
			return p, nil, nil
		}
		return p, from4, p.SetControlMessage(ipv4.FlagDst, true)
	}
	p6 := ipv6.NewPacketConn(c)
	if !addr.IsUnspecified() {
		return p6, nil, nil
	}
	return p6, from6, p6.SetControlMessage(ipv6.FlagDst, true)
}

func from4(oob []byte) []byte {
	var m ipv4.ControlMessage
	if m.Parse(oob) != nil || m.Dst == nil {
		return nil
	}
	return (&ipv4.ControlMessage{Src: m.Dst}).Marshal()
}

func from6(oob []byte) []byte {
	var m ipv6.ControlMessage
	if m.Parse(oob) != nil || m.Dst == nil {
		return nil
	}
	return (&ipv6.ControlMessage{Src: m.Dst}).Marshal()
}
