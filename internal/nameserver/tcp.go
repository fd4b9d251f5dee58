package nameserver

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// tcpReader reads messages from TCP connections for the library's server, and
// answers by itself what needs no library.
type tcpReader struct {
	dns.Reader
	server *Server
}

// ReadTCP answers until there is a message for the library, as udpConn.ReadFrom does.
func (t tcpReader) ReadTCP(c net.Conn, timeout time.Duration) ([]byte, error) {
	client := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	for {
		m, err := t.Reader.ReadTCP(c, timeout)
		if err != nil {
			return nil, err
		}
		response, done := t.answer(m, client)
		if !done {
			return m, nil
		}
		if response != nil {
			if _, err := c.Write(response); err != nil {
				return nil, err
			}
		}
		timeout = tcpIdle
	}
}

// answer makes the response to a message, with its length before it (RFC 1035
// §4.2.2). False: it is for the library.
func (t tcpReader) answer(m []byte, client netip.Addr) (response []byte, done bool) {
	defer t.server.recovered(&done)
	var r request
	if to := r.parse(m); to != responder {
		return nil, to == nobody
	}
	response, _, _ = t.server.state().respond(make([]byte, 2, 512), &r, false, client, t.server.now())
	t.server.Metrics.Responded(r.qtype, r.rcodeOf(response[2:]), true)
	binary.BigEndian.PutUint16(response, uint16(len(response)-2))
	return response, true
}
