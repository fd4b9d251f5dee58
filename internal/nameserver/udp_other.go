//go:build !linux

package nameserver

import (
	"net"
	"syscall"

	"golang.org/x/net/ipv4"
)

// Other systems have no system call for many packets, and do not spread those of a
// port over sockets. A socket that has every address of the machine replies from the
// one that the system picks.

func udpSockets() int { return 1 }

func sharePort(_, _ string, _ syscall.RawConn) error { return nil }

func batches(c *net.UDPConn) (packetConn, func(oob []byte) []byte, error) {
	return single{c, make([]byte, 1<<16)}, nil, nil
}

// single takes and gives packets one by one.
type single struct {
	*net.UDPConn
	buf []byte // Windows has an error for a packet that is longer than that
}

func (s single) ReadBatch(ms []ipv4.Message, _ int) (int, error) {
	n, addr, err := s.ReadFromUDP(s.buf)
	ms[0].N, ms[0].Addr = copy(ms[0].Buffers[0], s.buf[:n]), addr
	return 1, err
}

func (s single) WriteBatch(ms []ipv4.Message, _ int) (int, error) {
	_, err := s.WriteTo(ms[0].Buffers[0], ms[0].Addr)
	return 1, err
}
