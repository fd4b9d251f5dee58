package mobileconfig

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"milepost/internal/xmlwriter"
	"milepost/settings"
)

// Options are a person's choices.
type Options struct {
	Name string // the person's, for the From line; may be empty
	POP3 bool   // instead of IMAP
	Lang string // of the texts, one of messages; else English
}

// ErrNotExpressible is what errors about providers are (see [errors.Is]) whose
// servers or ways to log in Apple has no key for.
var ErrNotExpressible = errors.New("not expressible in a profile")

// namespace is where the UUIDs of profiles and payloads are derived from
// (UUIDv5, RFC 9562 §5.5).
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:milepost:mobileconfig"))

// identity derives a UUID, which must be the same at every download: only a
// payload whose identifier and UUID both match is replaced in place, any other
// is removed together with its account.
func identity(parts ...string) string {
	return strings.ToUpper(uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String())
}

// Render makes a profile for the accounts, all of one person. The error is
// [ErrNotExpressible] if an account cannot be set up by a profile.
func Render(accounts []settings.Account, o Options) ([]byte, error) {
	if len(accounts) == 0 {
		return nil, errors.New("a profile needs an account")
	}
	chosen := make([]mailServers, len(accounts))
	for i, a := range accounts {
		if a.Address.Local == "" {
			return nil, errors.New("a profile needs a whole address")
		}
		var err error
		if chosen[i], err = choose(a.Provider, o.POP3); err != nil {
			return nil, err
		}
	}
	if _, ok := messages[o.Lang]; !ok {
		o.Lang = "en"
	}
	var addresses, names, ids []string
	for _, a := range accounts {
		addresses = append(addresses, a.Address.String())
		if !slices.Contains(names, a.Provider.ShortName) {
			names = append(names, a.Provider.ShortName)
		}
		ids = append(ids, a.Provider.ID+"\x00"+a.Address.String())
	}
	slices.Sort(ids) // the same addresses in another order are the same profile
	p := profile{newPlist(), messages[o.Lang], o}
	title := fmt.Sprintf(p.text.title, strings.Join(names, ", "))
	consent := fmt.Sprintf(p.text.consent, strings.Join(addresses, ", "))
	var notices []*settings.Notice
	for _, a := range accounts {
		if n := a.Provider.Notice; n != nil && !slices.Contains(notices, n) {
			notices = append(notices, n)
			consent += "\n\n" + inLanguage(n.Text, o.Lang)
		}
	}
	id := identity(append([]string{"profile"}, ids...)...)

	p.Element("plist", func() {
		p.Element("dict", func() {
			p.string("PayloadType", "Configuration")
			p.integer("PayloadVersion", 1)
			p.string("PayloadIdentifier", "milepost."+id)
			p.string("PayloadUUID", id)
			p.string("PayloadDisplayName", title)
			p.string("PayloadDescription", fmt.Sprintf(p.text.description, strings.Join(addresses, ", ")))
			p.string("PayloadOrganization", accounts[0].Provider.DisplayName)
			p.dict("ConsentText", func() {
				p.string("default", consent)
				p.string(o.Lang, consent)
			})
			p.array("PayloadContent", func() {
				for i := range accounts {
					p.account(&accounts[i], chosen[i], "milepost."+id)
				}
			})
		})
	}, xmlwriter.Attr{Name: "version", Value: "1.0"})
	return p.Bytes(), nil
}

// mailServers are the two servers of a mail payload.
type mailServers struct{ incoming, outgoing settings.Server }

func choose(p settings.Provider, pop3 bool) (mailServers, error) {
	protocols := []settings.Protocol{settings.IMAP, settings.POP3}
	if pop3 {
		protocols = []settings.Protocol{settings.POP3}
	}
	if pop3 && !slices.ContainsFunc(p.Incoming, func(s settings.Server) bool { return s.Protocol == settings.POP3 }) {
		return mailServers{}, unusable{p.DisplayName + " has no POP3 server; leave protocol=pop3 out"}
	}
	var m mailServers
	found := false
	for i, protocol := range protocols {
		m.incoming, found = settings.Best(expressible(p.Incoming), protocol)
		if found && i > 0 && !m.incoming.SocketType.Encrypted() && slices.ContainsFunc(p.Incoming, encrypted) {
			found = false // clear text is no way out
		}
		if found {
			break
		}
	}
	if found {
		m.outgoing, found = settings.Best(expressible(p.Outgoing), settings.SMTP)
	}
	if !found {
		return m, unusable{p.DisplayName + " takes no passwords from mail programs, and no profile of Apple's can say anything else; add the account by hand in Settings, under Mail"}
	}
	return m, nil
}

// unusable is a sentence that is an [ErrNotExpressible].
type unusable struct{ sentence string }

func (u unusable) Error() string   { return u.sentence }
func (u unusable) Is(e error) bool { return e == ErrNotExpressible }

func encrypted(s settings.Server) bool { return s.SocketType.Encrypted() }

// expressible leaves out the servers that a mail payload cannot describe.
func expressible(servers []settings.Server) []settings.Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s settings.Server) bool { return emailAuth(s) == "" })
}

// emailAuth names the first method that a mail payload can say; empty: none.
func emailAuth(s settings.Server) string {
	for _, m := range s.Authentication {
		switch m {
		case settings.PasswordCleartext:
			return "EmailAuthPassword"
		case settings.PasswordEncrypted:
			return "EmailAuthCRAMMD5"
		case settings.NTLM:
			return "EmailAuthNTLM"
		case settings.None, settings.ClientIPAddress:
			return "EmailAuthNone"
		}
	}
	return ""
}

type profile struct {
	plist
	text    message
	options Options
}

// account writes the payloads of one account.
func (p profile) account(a *settings.Account, m mailServers, parent string) {
	p.mail(a, m, parent)
	calendars := p.dav(a, parent, settings.CalDAV, "com.apple.caldav.account", "CalDAV", p.text.calendar)
	contacts := p.dav(a, parent, settings.CardDAV, "com.apple.carddav.account", "CardDAV", p.text.contacts)
	p.activeSync(a, parent, calendars, contacts)
}

// payload writes the keys that all payloads have, and then its own.
func (p profile) payload(a *settings.Account, parent, kind, service, name string, inside func()) {
	// The parent is in it too: one address may stand in two profiles.
	id := identity(parent, a.Provider.ID, a.Address.String(), service)
	p.Element("dict", func() {
		p.string("PayloadType", kind)
		p.integer("PayloadVersion", 1)
		p.string("PayloadIdentifier", parent+"."+service+"."+id)
		p.string("PayloadUUID", id)
		p.string("PayloadDisplayName", name)
		inside()
	})
}

func (p profile) mail(a *settings.Account, m mailServers, parent string) {
	service, accountType := "imap", "EmailTypeIMAP"
	if m.incoming.Protocol == settings.POP3 {
		service, accountType = "pop3", "EmailTypePOP"
	}
	name := a.Provider.DisplayName
	p.payload(a, parent, "com.apple.mail.managed", service, name, func() {
		p.string("EmailAccountType", accountType)
		p.string("EmailAccountDescription", a.Address.Unicode())
		p.optional("EmailAccountName", p.options.Name)
		p.string("EmailAddress", a.Address.String())
		p.server("Incoming", a, m.incoming)
		p.server("Outgoing", a, m.outgoing)
		p.boolean("OutgoingPasswordSameAsIncomingPassword", emailAuth(m.incoming) != "EmailAuthNone" && emailAuth(m.outgoing) != "EmailAuthNone")
	})
}

func (p profile) server(direction string, a *settings.Account, s settings.Server) {
	auth := emailAuth(s)
	p.string(direction+"MailServerAuthentication", auth)
	p.string(direction+"MailServerHostName", string(s.Hostname))
	p.integer(direction+"MailServerPortNumber", int(s.Port))
	p.boolean(direction+"MailServerUseSSL", s.SocketType.Encrypted()) // absent it would mean no
	if auth != "EmailAuthNone" {
		p.string(direction+"MailServerUsername", a.Username(s.Username))
	}
}

// passwordService finds a service that a password opens, with its URL.
func passwordService(a *settings.Account, protocol settings.Protocol) (settings.Service, *url.URL, bool) {
	for _, s := range a.Provider.Services {
		if s.Protocol != protocol || !slices.ContainsFunc(s.Authentication, settings.Authentication.Password) {
			continue
		}
		if u, err := url.Parse(string(s.URL)); err == nil {
			return s, u, true
		}
	}
	return settings.Service{}, nil, false
}

// dav writes a CalDAV or CardDAV payload, whose keys differ in their prefix, and
// tells whether there is one.
func (p profile) dav(a *settings.Account, parent string, protocol settings.Protocol, kind, prefix, name string) bool {
	s, u, ok := passwordService(a, protocol)
	if !ok {
		return false
	}
	name = fmt.Sprintf(name, a.Provider.ShortName)
	p.payload(a, parent, kind, string(protocol), name, func() {
		p.string(prefix+"AccountDescription", name)
		p.string(prefix+"HostName", u.Hostname())
		p.integer(prefix+"Port", port(u))
		p.boolean(prefix+"UseSSL", true)
		p.string(prefix+"Username", a.Username(s.Username))
		if strings.Trim(u.Path, "/") != "" {
			p.string(prefix+"PrincipalURL", u.EscapedPath())
		}
	})
	return true
}

// port returns a URL's port; without one it is that of https.
func port(u *url.URL) int {
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil && n > 0 {
		return int(n)
	}
	return 443
}

// activeSync writes an ActiveSync payload. What the other payloads set up is
// switched off in it, so that nothing appears twice.
func (p profile) activeSync(a *settings.Account, parent string, calendars, contacts bool) {
	s, u, ok := passwordService(a, settings.ActiveSync)
	if !ok {
		return
	}
	p.payload(a, parent, "com.apple.eas.account", "activesync", a.Provider.DisplayName, func() {
		p.string("EmailAddress", a.Address.String())
		p.string("Host", u.Host)
		p.boolean("SSL", true)
		p.string("UserName", a.Username(s.Username))
		p.boolean("EnableMail", false)
		p.boolean("EnableContacts", !contacts)
		p.boolean("EnableCalendars", !calendars)
		p.boolean("EnableReminders", !calendars) // CalDAV brings them too
		p.boolean("EnableNotes", true)
	})
}

// inLanguage returns the text in a language, or else in English, or the first.
func inLanguage(texts []settings.Text, lang string) string {
	for _, wanted := range []string{lang, "en"} {
		for _, t := range texts {
			if t.Lang == wanted {
				return t.Value
			}
		}
	}
	return texts[0].Value
}
