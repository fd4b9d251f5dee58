package mx

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

const (
	attempts    = 3
	patience    = 500 * time.Millisecond // with an attempt, before the next one begins beside it
	ednsSize    = 1232                   // octets that pass every network in one piece (RFC 9715 §3.1)
	maxUDP      = 4096                   // octets that are read, for servers that send more
	maxTCP      = 16 << 10
	maxUnwanted = 16 // packets that do not belong to the question, before it goes over TCP: each is a guess at its id
)

// systemServers are the resolvers of this machine (resolv.conf(5)); without any, its
// own.
func systemServers() (servers []string) {
	conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err == nil {
		for _, s := range conf.Servers {
			servers = append(servers, net.JoinHostPort(s, "53"))
		}
	}
	if servers == nil {
		return []string{"127.0.0.1:53"}
	}
	return servers
}

// ask asks the servers, one after the other. An attempt that is late is not given up
// when the next one begins: the first answer counts. The last one goes over TCP, for
// networks that lose UDP.
func (r *Resolver) ask(ctx context.Context, domain string) answer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := r.servers()
	answers := make(chan answer, attempts)
	begun, failed := 0, 0
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return answer{err: ctx.Err()}
		case <-next.C:
			exchange := r.overUDP
			if begun == attempts-1 {
				exchange = r.overTCP
			}
			server := servers[begun%len(servers)]
			go func() { answers <- exchange(ctx, server, newQuestion(domain)) }()
			if begun++; begun < attempts {
				next.Reset(patience)
			}
		case a := <-answers:
			if a.err == nil {
				return a
			}
			if failed++; failed == attempts {
				return a
			}
			if failed == begun {
				next.Reset(0)
			}
		}
	}
}

// open connects, until the context ends. A connected socket takes packets of the
// server alone, and has a port that nobody knows.
func (r *Resolver) open(ctx context.Context, network, server string) (net.Conn, func(), error) {
	conn, err := r.dial(ctx, network, server)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	return conn, func() { stop(); conn.Close() }, nil
}

func (r *Resolver) overUDP(ctx context.Context, server string, q question) answer {
	conn, done, err := r.open(ctx, "udp", server)
	if err != nil {
		return answer{err: err}
	}
	defer done()
	if _, err := conn.Write(q.packet); err != nil {
		return answer{err: err}
	}
	buf := make([]byte, maxUDP)
	for range maxUnwanted {
		n, err := conn.Read(buf)
		if err != nil {
			return answer{err: err}
		}
		switch a := q.read(buf[:n]); {
		case errors.Is(a.err, errUnwanted):
		case errors.Is(a.err, errTruncated):
			return r.overTCP(ctx, server, q)
		default:
			return a
		}
	}
	return r.overTCP(ctx, server, q)
}

func (r *Resolver) overTCP(ctx context.Context, server string, q question) answer {
	conn, done, err := r.open(ctx, "tcp", server)
	if err != nil {
		return answer{err: err}
	}
	defer done()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q.packet))), q.packet...)); err != nil {
		return answer{err: err}
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return answer{err: err}
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > maxTCP {
		return answer{err: fmt.Errorf("an answer of %d octets; at most %d are read", n, maxTCP)}
	}
	packet := make([]byte, n)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return answer{err: err}
	}
	return q.read(packet)
}
