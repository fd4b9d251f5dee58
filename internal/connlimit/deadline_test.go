package connlimit_test

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"milepost/internal/connlimit"
)

// deadlines is a connection that notes which write deadlines are set.
type deadlines struct {
	net.Conn
	set []time.Duration
}

func (*deadlines) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
func (*deadlines) Close() error         { return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t.Sub(time.Unix(1000, 0)))
	return nil
}

type oneConn struct{ net.Conn }

func (o oneConn) Accept() (net.Conn, error) { return o.Conn, nil }
func (oneConn) Close() error                { return nil }
func (oneConn) Addr() net.Addr              { return &net.TCPAddr{} }

// A deadline is not set again for less than a second, and never removed.
func TestWriteDeadline(t *testing.T) {
	d := &deadlines{}
	limit := connlimit.New(connlimit.Bounds{Total: 1, PerNetwork: 1, Network: func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, 32) }}, slog.New(slog.DiscardHandler))
	conn, err := limit.Listener(oneConn{d}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{10 * time.Second, 10*time.Second + 999*time.Millisecond, 11 * time.Second, 3 * time.Second, 4*time.Second - 1} {
		conn.SetWriteDeadline(time.Unix(1000, 0).Add(after))
		conn.SetWriteDeadline(time.Time{})
	}
	if len(d.set) != 3 || d.set[0] != 10*time.Second || d.set[1] != 11*time.Second || d.set[2] != 3*time.Second {
		t.Errorf("set: %v", d.set)
	}
}
