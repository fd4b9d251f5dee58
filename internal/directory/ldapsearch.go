package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// ldapRoot is what a server says of itself in its root DSE (RFC 4512 §5.1).
type ldapRoot struct {
	activeDirectory bool
	usn             string // Active Directory's number of its last write
	contexts        []string
	standard        string // Active Directory's own naming context
	configuration   string // that of its configuration
	base, suffix    string // to search below, and the naming context that it is in
}

// changed is the attribute that has an entry's last change and may be searched for.
// Active Directory computes modifyTimestamp, and finds nothing by it.
func (r ldapRoot) changed() string {
	if r.activeDirectory {
		return "whenChanged"
	}
	return "modifyTimestamp" // RFC 4512 §3.4.4
}

// root reads the root DSE.
func (c *ldapConn) root() (ldapRoot, error) {
	e, err := c.read("", "namingContexts", "defaultNamingContext", "configurationNamingContext", "highestCommittedUSN")
	if err != nil || e == nil {
		return ldapRoot{}, err
	}
	r := ldapRoot{
		usn:           e.GetEqualFoldAttributeValue("highestCommittedUSN"),
		contexts:      e.GetEqualFoldAttributeValues("namingContexts"),
		standard:      e.GetEqualFoldAttributeValue("defaultNamingContext"),
		configuration: e.GetEqualFoldAttributeValue("configurationNamingContext"),
	}
	r.activeDirectory = r.usn != ""
	return r, nil
}

// settle chooses the base: one that is set, else the server's.
func (r *ldapRoot) settle(base string, configuration bool) error {
	switch {
	case base != "":
		r.base = base
	case configuration && r.configuration != "":
		r.base = r.configuration
	case r.standard != "":
		r.base = r.standard
	case len(r.contexts) == 1:
		r.base = r.contexts[0]
	default:
		return fmt.Errorf("base: the server has %d naming contexts; one must be set", len(r.contexts))
	}
	dn, err := ldap.ParseDN(r.base)
	if err != nil {
		return fmt.Errorf("base: %q is no DN (RFC 4514)", r.base)
	}
	r.suffix = r.base
	for _, c := range r.contexts {
		if above, err := ldap.ParseDN(c); err == nil && (above.EqualFold(dn) || above.AncestorOfFold(dn)) {
			r.suffix = c
		}
	}
	return nil
}

// read reads an entry; nil: it is not there, or not for this bind DN.
func (c *ldapConn) read(dn string, attributes ...string) (*ldap.Entry, error) {
	result, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false,
		"(objectClass=*)", attributes, nil))
	switch {
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights):
		return nil, nil
	case err != nil:
		return nil, err
	case len(result.Entries) == 0:
		return nil, nil
	}
	return result.Entries[0], nil
}

// pages yields what a search finds below the base.
func (r *ldapReader) pages(filter string, attributes []string, yield func(*ldap.Entry) error) error {
	paging := ldap.NewControlPaging(ldapPage)
	request := ldap.NewSearchRequest(r.root.base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		filter, attributes, []ldap.Control{paging})
	for {
		result, err := r.conn.Search(request)
		if err != nil {
			return r.said(err)
		}
		for _, e := range result.Entries {
			if err := yield(e); err != nil {
				return err
			}
		}
		next, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(next.Cookie) == 0 {
			return nil
		}
		paging.SetCookie(next.Cookie)
	}
}

// connected does something with a connection. One that was kept may have been closed by
// the server meanwhile; then there is a new one.
func (r *ldapReader) connected(ctx context.Context, do func() error) error {
	err := errNoConnection
	if r.conn != nil && !r.conn.IsClosing() {
		err = r.with(ctx, r.conn, do)
	}
	if !errors.Is(err, errNoConnection) {
		return err
	}
	r.close()
	conn, err := r.server.dial(ctx)
	if err != nil {
		return r.said(err)
	}
	conn.SetTimeout(ldapPageTimeout)
	r.conn = conn
	return r.with(ctx, conn, do)
}

var errNoConnection = errors.New("no connection")

func (r *ldapReader) with(ctx context.Context, conn *ldapConn, do func() error) error {
	stop := context.AfterFunc(ctx, conn.hangUp) // the library's searches know no context
	var err error
	if r.root, err = conn.root(); err != nil {
		err = fmt.Errorf("%s: %w: %w", r.server.addr, errNoConnection, ldapReason(err))
	} else if err = r.root.settle(r.base, r.preset.configuration); err == nil {
		err = do()
	}
	if !stop() {
		err = cmp.Or(ctx.Err(), err)
	}
	return err
}

func (r *ldapReader) said(err error) error {
	return fmt.Errorf("%s: %w", r.server.addr, ldapReason(err))
}
