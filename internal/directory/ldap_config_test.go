package directory

import (
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

func TestParseLDAP(t *testing.T) {
	dir := fixture.Directory(t, "no.pem", "nothing")
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct {
		name, dsn string
		want      ldapServer
		err       string
	}{
		{"TLS", "ldaps://cn=m,dc=example,dc=com:p%40ss@ldap.example.com", ldapServer{network: "tcp", addr: "ldap.example.com:636", host: "ldap.example.com", bindDN: "cn=m,dc=example,dc=com", password: "p@ss"}, ""},
		{"a port", "ldaps://ldap.example.com:1636/", ldapServer{network: "tcp", addr: "ldap.example.com:1636", host: "ldap.example.com"}, ""},
		{"StartTLS to elsewhere", "ldap://ldap.example.com", ldapServer{network: "tcp", addr: "ldap.example.com:389", host: "ldap.example.com", startTLS: true}, ""},
		{"clear text to loopback", "ldap://[::1]", ldapServer{network: "tcp", addr: "[::1]:389"}, ""},
		{"StartTLS to loopback", "ldap://localhost?tls=starttls", ldapServer{network: "tcp", addr: "localhost:389", host: "localhost", startTLS: true}, ""},
		{"clear text by name", "ldap://cn=m:secret@ldap.example.com?tls=off", ldapServer{network: "tcp", addr: "ldap.example.com:389", bindDN: "cn=m", password: "secret"}, ""},
		{"a socket", "ldapi:///run/slapd/ldapi", ldapServer{network: "unix", addr: "/run/slapd/ldapi"}, ""},
		{"a socket as in RFC 4516", "ldapi://cn=m:secret@%2Frun%2Fslapd%2Fldapi/", ldapServer{network: "unix", addr: "/run/slapd/ldapi", bindDN: "cn=m", password: "secret"}, ""},
		{"a user of Active Directory", "ldaps://milepost@example.com:secret@dc1.example.com", ldapServer{network: "tcp", addr: "dc1.example.com:636", host: "dc1.example.com", bindDN: "milepost@example.com", password: "secret"}, ""},

		{"another scheme", "https://ldap.example.com", ldapServer{}, "is no URL of LDAP; ldaps://, ldap:// and ldapi:// are allowed"},
		{"no URL", "ldap.example.com", ldapServer{}, "is no URL of LDAP; ldaps://, ldap:// and ldapi:// are allowed"},
		{"a stray %", "ldaps://cn=m:top%secret@ldap.example.com", ldapServer{}, "is no URL; special characters of the password must be percent-encoded, as %40 for @"},
		{"a stray #", "ldaps://cn=m:top#secret@ldap.example.com", ldapServer{}, "is no URL; special characters of the password must be percent-encoded, as %40 for @"},
		{"no host", "ldap://", ldapServer{}, "names no host"},
		{"a base", "ldap://ldap.example.com/dc=example,dc=com", ldapServer{}, "has a path; the DN to search below stands under base"},
		{"no socket", "ldapi://", ldapServer{}, "names no socket; ldapi:///run/slapd/ldapi is an example"},
		{"an option", "ldaps://ldap.example.com?verify=no", ldapServer{}, "has verify behind the ?; tls and ca are allowed"},
		{"TLS twice", "ldaps://ldap.example.com?tls=off", ldapServer{}, "has tls, which ldap:// alone may have"},
		{"another TLS", "ldap://ldap.example.com?tls=yes", ldapServer{}, "has tls=yes; starttls and off are allowed"},
		{"a relative path", "ldaps://ldap.example.com?ca=own.pem", ldapServer{}, "has ca=own.pem; an absolute path is allowed"},
		{"no password", "ldaps://cn=m@ldap.example.com", ldapServer{}, "has a bind DN and no password"},
		{"no bind DN", "ldaps://:secret@ldap.example.com", ldapServer{}, "has a password and no bind DN"},
		{"no DN", "ldaps://milepost:secret@ldap.example.com", ldapServer{}, `has the bind DN "milepost", which is no DN (RFC 4514)`},
		{"no certificate", "ldaps://ldap.example.com?ca=" + file("no.pem"), ldapServer{}, "ca " + file("no.pem") + ": has no certificate in PEM"},
		{"no file", "ldaps://ldap.example.com?ca=" + file("none.pem"), ldapServer{}, "ca " + file("none.pem") + ": no such file or directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseLDAP(tc.dsn)
			if err != nil || tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("%v, want %s", err, tc.err)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Error("the message has the password")
				}
				return
			}
			if *got != tc.want {
				t.Errorf("%+v\nwant %+v", *got, tc.want)
			}
		})
	}
}

func TestBadLDAPSource(t *testing.T) {
	good := config.Source{Access: config.Access{DSN: "ldapi:///run/slapd/ldapi", Preset: "openldap"}}
	if _, err := openLDAP(good); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		spoil  func(*config.Source)
		expect string
	}{
		{"dsn", func(s *config.Source) { s.DSN = "ldap://" }, "dsn: names no host"},
		{"preset", func(s *config.Source) { s.Preset = "postfixadmin" }, `preset: "postfixadmin" is no preset for LDAP; activedirectory, iredmail, openldap are allowed`},
		{"neither preset nor filter", func(s *config.Source) { s.Preset = "" }, "needs filter and domain_attribute, or a preset"},
		{"a filter alone", func(s *config.Source) { s.Preset, s.Filter = "", "(mail=*)" }, "needs filter and domain_attribute, or a preset"},
		{"an attribute alone", func(s *config.Source) { s.Preset, s.DomainAttribute = "", "mail" }, "needs filter and domain_attribute, or a preset"},
		{"filter", func(s *config.Source) { s.Filter = "(mail=*" }, `filter: "(mail=*" is no filter (RFC 4515): unexpected end of filter`},
		{"placeholder in filter", func(s *config.Source) { s.Filter = "(mail=%EMAILADDRESS%)" }, `filter: "(mail=%EMAILADDRESS%)" has a placeholder; it is asked for all domains`},
		{"base", func(s *config.Source) { s.Base = "example.com" }, `base: "example.com" is no DN (RFC 4514)`},
		{"placeholder in base", func(s *config.Source) { s.Base = "dc=%EMAILDOMAIN%" }, `base: "dc=%EMAILDOMAIN%" has a placeholder; it is asked for all domains`},
		{"domain_attribute", func(s *config.Source) { s.DomainAttribute = "mail," }, `domain_attribute: "" is no attribute; mail is an example`},
		{"host_attribute", func(s *config.Source) { s.HostAttribute = "mail)(x=*" }, `host_attribute: "mail)(x=*" is no attribute; mail is an example`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := good
			tc.spoil(&s)
			if _, err := openLDAP(s); err == nil || err.Error() != tc.expect {
				t.Errorf("%v\nwant %s", err, tc.expect)
			}
		})
	}
}

func TestBadLDAPDirectory(t *testing.T) {
	good := config.Directory{Access: config.Access{DSN: "ldapi:///run/slapd/ldapi", Preset: "openldap"}}
	if _, err := openLDAPLogins(good); err != nil {
		t.Fatal(err)
	}
	const placed = ` has a placeholder in another place than an equality, as (mail=%EMAILADDRESS%)`
	for _, tc := range []struct {
		name   string
		spoil  func(*config.Directory)
		expect string
	}{
		{"dsn", func(d *config.Directory) { d.DSN = "ldaps://cn=m@x.example" }, "dsn: has a bind DN and no password"},
		{"preset", func(d *config.Directory) { d.Preset = "mailu" }, `preset: "mailu" is no preset for LDAP; activedirectory, iredmail, openldap are allowed`},
		{"neither preset nor filter", func(d *config.Directory) { d.Preset = "" }, "needs filter and login_attribute, or a preset"},
		{"unbalanced filter", func(d *config.Directory) { d.Filter = "(&(mail=%EMAILADDRESS%)" }, `filter: "(&(mail=%EMAILADDRESS%)" is no filter (RFC 4515): unexpected end of filter`},
		{"the same for all", func(d *config.Directory) { d.Filter = "(associatedDomain=%EMAILDOMAIN%)" }, `filter: "(associatedDomain=%EMAILDOMAIN%)" finds the same for all addresses of a domain; it needs %EMAILADDRESS% or %EMAILLOCALPART%`},
		{"another placeholder", func(d *config.Directory) { d.Filter = "(mail=%s)" }, `filter: "(mail=%s)" has an unknown placeholder or a stray %; %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN% are allowed, and \25 for a %`},
		{"a pattern", func(d *config.Directory) { d.Filter = "(mail=%EMAILLOCALPART%@*)" }, `filter: "(mail=%EMAILLOCALPART%@*)"` + placed},
		{"likeness", func(d *config.Directory) { d.Filter = "(mail~=%EMAILADDRESS%)" }, `filter: "(mail~=%EMAILADDRESS%)"` + placed},
		{"not", func(d *config.Directory) { d.Filter = "(!(mail=%EMAILADDRESS%))" }, `filter: "(!(mail=%EMAILADDRESS%))"` + placed},
		{"order", func(d *config.Directory) { d.Filter = "(&(mail=%EMAILADDRESS%)(uid>=%EMAILLOCALPART%))" }, `filter: "(&(mail=%EMAILADDRESS%)(uid>=%EMAILLOCALPART%))"` + placed},
		{"an extensible match", func(d *config.Directory) { d.Filter = "(mail:dn:=%EMAILADDRESS%)" }, `filter: "(mail:dn:=%EMAILADDRESS%)"` + placed},
		{"an escaped placeholder", func(d *config.Directory) { d.Filter = `(&(mail=%EMAILADDRESS%)(cn=\25EMAILDOMAIN\25))` }, `filter: "(&(mail=%EMAILADDRESS%)(cn=\\25EMAILDOMAIN\\25))"` + placed},
		{"base", func(d *config.Directory) { d.Base = "%EMAILDOMAIN%=x" }, `base: "%EMAILDOMAIN%=x" has a placeholder for the name of an attribute`},
		{"login_attribute", func(d *config.Directory) { d.LoginAttribute = "u id" }, `login_attribute: "u id" is no attribute; mail is an example`},
		{"no login_attribute", func(d *config.Directory) { d.Preset, d.Filter = "", "(mail=%EMAILADDRESS%)" }, `login_attribute: "" is no attribute; mail is an example`},
		{"name_attribute", func(d *config.Directory) { d.NameAttribute = "*" }, `name_attribute: "*" is no attribute; mail is an example`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := good
			tc.spoil(&d)
			if _, err := openLDAPLogins(d); err == nil || err.Error() != tc.expect {
				t.Errorf("%v\nwant %s", err, tc.expect)
			}
		})
	}
}
