package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"milepost/address"
	"milepost/internal/config"
)

const (
	// ldapUnderWay is how many look-ups a connection has under way at once: the protocol
	// lets answers come in any order.
	ldapUnderWay = 32
	// ldapRedial is how long a failure to connect counts.
	ldapRedial = 250 * time.Millisecond
	// ldapForgotten is when the answer to a look-up that nobody waits for any more is
	// given up.
	ldapForgotten = 5 * time.Second
)

// ldapLogins finds login names in LDAP.
type ldapLogins struct {
	server                        *ldapServer
	base                          template // empty: the server's naming context
	filter                        *loginFilter
	loginAttribute, nameAttribute string   // empty nameAttribute: nothing has the full name
	attributes                    []string // all that are asked for

	underWay chan struct{}
	slots    []*ldapSlot
	next     atomic.Uint32
}

// openLDAPLogins makes what finds a directory's login names. It connects to nothing yet.
func openLDAPLogins(d config.Directory) (*ldapLogins, error) {
	server, err := parseLDAP(d.DSN)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	preset, ok := ldapPresets[d.Preset]
	if !ok && d.Preset != "" {
		return nil, errLDAPPreset(d.Preset)
	}
	l := &ldapLogins{server: server}
	filter := cmp.Or(d.Filter, preset.login)
	if filter == "" {
		return nil, errors.New("needs filter and login_attribute, or a preset")
	}
	if l.filter, err = parseLoginFilter(filter); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	if l.base, err = parseBase(d.Base); err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	if l.loginAttribute, err = parseAttribute(cmp.Or(d.LoginAttribute, preset.loginAttribute)); err != nil {
		return nil, fmt.Errorf("login_attribute: %w", err)
	}
	l.attributes = append([]string{l.loginAttribute}, l.filter.attributes...)
	if l.nameAttribute = cmp.Or(d.NameAttribute, preset.nameAttribute); l.nameAttribute != "" {
		if _, err := parseAttribute(l.nameAttribute); err != nil {
			return nil, fmt.Errorf("name_attribute: %w", err)
		}
		l.attributes = append(l.attributes, l.nameAttribute)
	}
	slices.Sort(l.attributes)
	l.attributes = slices.Compact(l.attributes)
	n := max(d.Connections, 1)
	l.underWay = make(chan struct{}, n*ldapUnderWay)
	for range n {
		l.slots = append(l.slots, &ldapSlot{server: server, needsBase: d.Base == ""})
	}
	return l, nil
}

func (l *ldapLogins) close() {
	for _, s := range l.slots {
		s.close()
	}
}

// found is what a search brought.
type found struct {
	logins []Login
	err    error
}

// login returns the login names of an address: one, or none, or two if it is ambiguous.
// It is back when the context ends.
func (l *ldapLogins) login(ctx context.Context, a address.Address) ([]Login, error) {
	if a.Local == "" {
		return nil, nil
	}
	select {
	case l.underWay <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	answer := make(chan found, 1)
	slot := l.slots[int(l.next.Add(1))%len(l.slots)]
	go func() { // the library's searches know no context
		defer func() { <-l.underWay }()
		logins, err := l.ask(ctx, slot, a)
		answer <- found{logins, err}
	}()
	started := time.Now()
	select {
	case f := <-answer:
		return f.logins, f.err
	case <-ctx.Done():
		slot.silent(started)
		return nil, ctx.Err()
	}
}

// ask searches, once more if the connection was closed meanwhile.
func (l *ldapLogins) ask(ctx context.Context, slot *ldapSlot, a address.Address) (logins []Login, err error) {
	for range 2 {
		conn, base, dialErr := slot.get(ctx)
		if dialErr != nil {
			return nil, fmt.Errorf("%s: %w", l.server.addr, dialErr)
		}
		if len(l.base) > 0 {
			base = l.base.fill(a, ldap.EscapeDN)
		}
		if logins, err = l.search(conn, base, a); !broken(err) || ctx.Err() != nil {
			break
		}
		slot.drop(conn)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", l.server.addr, ldapReason(err))
	}
	return logins, err
}

func (l *ldapLogins) search(conn *ldapConn, base string, a address.Address) ([]Login, error) {
	const most, seconds = 2, int(ldapForgotten / time.Second)
	result, err := conn.Search(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, most, seconds, false,
		l.filter.fill(a, ldap.EscapeFilter), l.attributes, nil))
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultSizeLimitExceeded):
		return make([]Login, most), nil // one more than those is enough to know
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax):
		return nil, nil // a base with the address's domain in it
	case err != nil:
		return nil, err
	}
	var logins []Login
	for _, e := range result.Entries {
		values := slices.Sorted(slices.Values(e.GetEqualFoldAttributeValues(l.loginAttribute)))
		if len(values) == 0 || !l.filter.owns(e, a) {
			continue
		}
		login := Login{Name: values[0]} // their order is nobody's (RFC 4511 §4.1.7), so every replica takes the first of the alphabet
		if l.nameAttribute != "" {
			login.FullName = e.GetEqualFoldAttributeValue(l.nameAttribute)
		}
		logins = append(logins, login)
	}
	return logins, nil
}

// ldapSlot is a place for a connection.
type ldapSlot struct {
	server    *ldapServer
	needsBase bool

	mu       sync.Mutex
	conn     *ldapConn
	base     string        // the server's, if it is needed
	dialing  chan struct{} // closed when it is done; nil: nobody does
	failed   error
	failedAt time.Time
	closed   bool
}

// get returns the connection, or waits for it as long as the context allows. To connect
// may take longer than one look-up has time; the next ones find it done.
func (s *ldapSlot) get(ctx context.Context) (*ldapConn, string, error) {
	s.mu.Lock()
	if s.conn != nil && !s.conn.IsClosing() {
		defer s.mu.Unlock()
		return s.conn, s.base, nil
	}
	if s.dialing == nil {
		if s.closed || time.Since(s.failedAt) < ldapRedial {
			defer s.mu.Unlock()
			return nil, "", cmp.Or(s.failed, errNoConnection)
		}
		s.dialing = make(chan struct{})
		go s.dial()
	}
	dialing := s.dialing
	s.mu.Unlock()
	select {
	case <-dialing:
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, "", cmp.Or(s.failed, errNoConnection)
	}
	return s.conn, s.base, nil
}

func (s *ldapSlot) dial() {
	conn, base, err := s.connect()
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.dialing)
	s.dialing = nil
	if err == nil && s.closed {
		conn.hangUp()
		conn = nil
	}
	s.conn, s.base, s.failed, s.failedAt = conn, base, err, time.Time{}
	if err != nil {
		s.failedAt = time.Now()
	}
}

func (s *ldapSlot) connect() (*ldapConn, string, error) {
	conn, err := s.server.dial(context.Background())
	if err != nil {
		return nil, "", err
	}
	conn.SetTimeout(ldapForgotten)
	if !s.needsBase {
		return conn, "", nil
	}
	root, err := conn.root()
	if err == nil {
		err = root.settle("", false)
	}
	if err != nil {
		conn.hangUp()
		return nil, "", ldapReason(err)
	}
	return conn, root.base, nil
}

// drop gives up a connection that is of no use.
func (s *ldapSlot) drop(conn *ldapConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == conn {
		s.conn = nil
	}
	conn.hangUp()
}

// silent gives up the connection if nothing has come since a time, while somebody
// waited: where the network is cut, nobody says so.
func (s *ldapSlot) silent(since time.Time) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil && conn.wire.heard.Load() < since.UnixNano() {
		s.drop(conn)
	}
}

func (s *ldapSlot) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.conn != nil {
		s.conn.hangUp()
		s.conn = nil
	}
}
