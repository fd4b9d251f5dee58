package httpd

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"
)

// refusalsEvery is how often the log hears of connections without a right PROXY
// header.
const refusalsEvery = time.Minute

// Listener returns a listener whose connections have the client's address: a trusted
// peer has to say it in a PROXY header (HAProxy's proxy-protocol.txt, v1 and v2) before
// anything else, and loses its connection without one. The octets of anybody else are
// never taken for one.
//
// RemoteAddr of such a connection waits for the header, up to a few seconds. So this
// belongs above whatever asks for the address in the loop of Accept, and below TLS.
func (p Proxies) Listener(inner net.Listener, log *slog.Logger) net.Listener {
	if !p.Protocol {
		return inner
	}
	return &proxyListener{Listener: inner, proxies: p, log: log}
}

type proxyListener struct {
	net.Listener
	proxies Proxies
	log     *slog.Logger
	logged  atomic.Int64 // when the log heard last, in nanoseconds
}

func (l *proxyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok || !l.proxies.trusts(plain(tcp.AddrPort().Addr())) {
		return c, nil
	}
	p := &proxied{listener: l}
	p.Conn = proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE), proxyproto.SetReadHeaderTimeout(readTimeout),
		proxyproto.ValidateHeader(func(h *proxyproto.Header) error {
			tlvs, err := h.TLVs()
			if err != nil {
				return err
			}
			ssl, ok := tlvparse.FindSSL(tlvs)
			p.encrypted = ok && ssl.ClientSSL()
			return nil
		}))
	return p, nil
}

// proxied is a connection from a proxy that begins with a PROXY header.
type proxied struct {
	*proxyproto.Conn
	listener  *proxyListener
	told      atomic.Bool
	encrypted bool // the client came to the proxy by TLS; known once the header is read
}

// RemoteAddr returns the client's address; the proxy's, if that speaks for itself or
// for what has no address.
func (c *proxied) RemoteAddr() net.Addr {
	if a, ok := c.Conn.RemoteAddr().(*net.TCPAddr); ok {
		return a
	}
	return c.Raw().RemoteAddr()
}

// Read tells the log why a connection ends that never had a request.
func (c *proxied) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.ProxyHeader() == nil && c.told.CompareAndSwap(false, true) {
		c.listener.refused(c.Raw().RemoteAddr(), err)
	}
	return n, err
}

// CloseWrite lets net/http end its side first.
func (c *proxied) CloseWrite() error {
	if w, ok := c.Raw().(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return nil
}

func (l *proxyListener) refused(peer net.Addr, err error) {
	now, last := time.Now().UnixNano(), l.logged.Load()
	if (last == 0 || now-last >= int64(refusalsEvery)) && l.logged.CompareAndSwap(last, now) {
		l.log.Warn("a trusted proxy began a connection without a PROXY header", "peer", peer.String(), "err", ownWords(err.Error()))
	}
}

// proxiedKey is where a request's context has the connection from a proxy.
type proxiedKey struct{}

// withProxied notes in a request's context that its connection begins with a PROXY
// header.
func withProxied(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*proxied); ok {
		return context.WithValue(ctx, proxiedKey{}, p)
	}
	return ctx
}

// encryptedBefore tells whether the PROXY header says that the client came by TLS
// (PP2_TYPE_SSL).
func encryptedBefore(r *http.Request) bool {
	p, ok := r.Context().Value(proxiedKey{}).(*proxied)
	return ok && p.encrypted
}
