package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"milepost/internal/textfile"
)

const (
	ldapDialTimeout  = 3 * time.Second // until one is bound
	ldapWriteTimeout = 5 * time.Second // of one message
	maxRoots         = 1 << 20         // octets, of a password or of certificates
)

// ldapServer is where an LDAP server is and who asks it, as a DSN says:
//
//	ldaps://BIND_DN:PASSWORD@HOST[:PORT][?ca=FILE]
//	ldap://BIND_DN:PASSWORD@HOST[:PORT][?tls=off|starttls][&ca=FILE]
//	ldapi://[BIND_DN:PASSWORD@]/PATH/OF/SOCKET
//
// Characters that mean something in a URL are percent-encoded in the password; the
// commas and equals signs of a DN need not be. Without a bind DN the bind is anonymous.
// ldap:// speaks StartTLS (RFC 4511 §4.14), but to loopback clear text; tls says
// otherwise.
type ldapServer struct {
	network, addr string
	host          string // in its certificate; empty: there is none
	startTLS      bool
	ca            string // file of roots; empty: the system's
	bindDN        string
	password      string
}

// parseLDAP reads a DSN. The errors do not repeat it: it may hold a password.
func parseLDAP(dsn string) (*ldapServer, error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	if !ok || scheme != "ldap" && scheme != "ldaps" && scheme != "ldapi" {
		return nil, errors.New("is no URL of LDAP; ldaps://, ldap:// and ldapi:// are allowed")
	}
	if scheme == "ldapi" { // RFC 4516 wants the socket in the host's place, where net/url allows no %2F
		rest, query, _ := strings.Cut(rest, "?")
		at := strings.LastIndexByte(rest, '@') + 1
		path, err := url.PathUnescape(rest[at:])
		if path = strings.TrimRight(path, "/"); err != nil || !filepath.IsAbs(path) {
			return nil, errors.New("names no socket; ldapi:///run/slapd/ldapi is an example")
		}
		dsn = scheme + "://" + rest[:at] + (&url.URL{Path: path}).EscapedPath() + "?" + query
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("is no URL; special characters of the password must be percent-encoded, as %40 for @")
	}
	s := &ldapServer{network: "tcp", bindDN: u.User.Username()}
	s.password, _ = u.User.Password()
	switch scheme {
	case "ldapi":
		s.network, s.addr = "unix", u.Path
	default:
		if u.Hostname() == "" {
			return nil, errors.New("names no host")
		}
		if strings.Trim(u.Path, "/") != "" {
			return nil, errors.New("has a path; the DN to search below stands under base")
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"ldap": ldap.DefaultLdapPort, "ldaps": ldap.DefaultLdapsPort}[scheme]
		}
		s.addr = net.JoinHostPort(u.Hostname(), port)
		if scheme == "ldaps" || !loopback(u.Hostname()) {
			s.host, s.startTLS = u.Hostname(), scheme == "ldap"
		}
	}
	if err := s.options(scheme, u); err != nil {
		return nil, err
	}
	return s, s.check()
}

// options reads what stands behind the question mark.
func (s *ldapServer) options(scheme string, u *url.URL) error {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has something behind the ? that is no list of NAME=VALUE")
	}
	for name, values := range query {
		value := values[len(values)-1]
		switch name {
		case "tls":
			switch {
			case scheme != "ldap":
				return errors.New("has tls, which ldap:// alone may have")
			case value == "off":
				s.host, s.startTLS = "", false
			case value == "starttls":
				s.host, s.startTLS = u.Hostname(), true
			default:
				return fmt.Errorf("has tls=%s; starttls and off are allowed", value)
			}
		case "ca":
			if s.ca = value; !filepath.IsAbs(value) {
				return fmt.Errorf("has ca=%s; an absolute path is allowed", value)
			}
		default:
			return fmt.Errorf("has %s behind the ?; tls and ca are allowed", name)
		}
	}
	return nil
}

func (s *ldapServer) check() error {
	switch {
	case s.bindDN == "" && s.password != "":
		return errors.New("has a password and no bind DN")
	case s.bindDN != "" && s.password == "":
		// RFC 4513 §5.1.2: it would be taken for an anonymous one.
		return errors.New("has a bind DN and no password")
	}
	if s.bindDN != "" && !strings.ContainsAny(s.bindDN, `@\`) { // AD takes alice@example.com and EXAMPLE\alice too
		if _, err := ldap.ParseDN(s.bindDN); err != nil {
			return fmt.Errorf("has the bind DN %q, which is no DN (RFC 4514)", s.bindDN)
		}
	}
	_, err := s.tlsConfig()
	return err
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// tlsConfig reads the roots, which may have been replaced.
func (s *ldapServer) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: s.host}
	if s.ca == "" {
		return config, nil
	}
	pem, err := textfile.ReadFile(s.ca, maxRoots)
	if err != nil {
		return nil, fmt.Errorf("ca %s: %w", s.ca, err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca %s: has no certificate in PEM", s.ca)
	}
	return config, nil
}

// ldapConn is a connection that is bound.
type ldapConn struct {
	*ldap.Conn
	wire *wire
}

// hangUp closes it, also where a write waits for a network that is cut.
func (c *ldapConn) hangUp() {
	c.wire.Conn.Close()
	go c.Conn.Close()
}

// wire notes when something came.
type wire struct {
	net.Conn
	heard atomic.Int64 // nanoseconds since 1970
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.Conn.SetWriteDeadline(time.Now().Add(ldapWriteTimeout))
	return w.Conn.Write(b)
}

// dial connects and binds.
func (s *ldapServer) dial(ctx context.Context) (*ldapConn, error) {
	ctx, cancel := context.WithTimeout(ctx, ldapDialTimeout)
	defer cancel()
	config, err := s.tlsConfig()
	if err != nil {
		return nil, err
	}
	raw, err := new(net.Dialer).DialContext(ctx, s.network, s.addr)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: raw}
	w.heard.Store(time.Now().UnixNano())
	var carrier net.Conn = w
	if s.host != "" && !s.startTLS {
		secured := tls.Client(w, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		carrier = secured
	}
	conn := &ldapConn{ldap.NewConn(carrier, s.host != "" && !s.startTLS), w}
	conn.Start()
	stop := context.AfterFunc(ctx, func() { raw.Close() }) // the library's StartTLS and bind know no context
	err = s.introduce(conn, config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.hangUp()
		return nil, err
	}
	return conn, nil
}

func (s *ldapServer) introduce(conn *ldapConn, config *tls.Config) error {
	if s.startTLS {
		if err := conn.StartTLS(config); err != nil {
			return fmt.Errorf("StartTLS: %w", ldapReason(err))
		}
	}
	if s.bindDN == "" {
		return nil
	}
	if err := conn.Bind(s.bindDN, s.password); err != nil {
		return fmt.Errorf("bind as %q: %w", s.bindDN, ldapReason(err))
	}
	return nil
}

// ldapReason says an error of the protocol as people do. What the network says is kept.
func ldapReason(err error) error {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok {
		return err
	}
	if e.ResultCode >= ldap.ErrorNetwork { // the library's own
		return e.Err
	}
	if e.ResultCode == ldap.LDAPResultSizeLimitExceeded {
		return errors.New("the server's size limit is exceeded; it must be raised for this bind DN")
	}
	return fmt.Errorf("%s: %w", strings.ToLower(ldap.LDAPResultCodeMap[e.ResultCode]), e.Err)
}

// broken tells whether an error is the connection's.
func broken(err error) bool {
	e, ok := errors.AsType[*ldap.Error](err)
	return err != nil && (!ok || e.ResultCode == ldap.ErrorNetwork)
}
