package mobileconfig

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"milepost/internal/xmlwriter"
	"milepost/settings"
)

// Render makes a profile for the accounts, all of one person. The error is that
// of [Check] for the first account that cannot be set up by a profile.
func Render(accounts []settings.Account, o Options) ([]byte, error) {
	p, err := newProfile(accounts, o)
	if err != nil {
		return nil, err
	}
	w := writer{plist{xmlwriter.New()}, p}
	w.Doctype("plist", "-//Apple//DTD PLIST 1.0//EN", "http://www.apple.com/DTDs/PropertyList-1.0.dtd")
	w.Element("plist", func() {
		w.Element("dict", w.topLevel)
	}, xmlwriter.Attr{Name: "version", Value: "1.0"})
	return w.Bytes(), nil
}

type writer struct {
	plist
	profile *profile
}

func (w writer) topLevel() {
	w.string("PayloadType", "Configuration")
	w.integer("PayloadVersion", 1)
	w.string("PayloadIdentifier", w.profile.identifier())
	w.string("PayloadUUID", w.profile.id)
	w.string("PayloadDisplayName", w.profile.title)
	w.string("PayloadDescription", w.profile.description)
	w.string("PayloadOrganization", w.profile.accounts[0].Provider.DisplayName)
	w.dict("ConsentText", func() {
		w.string("default", w.profile.consent)
		w.string(w.profile.lang, w.profile.consent)
	})
	w.array("PayloadContent", func() {
		for i := range w.profile.accounts {
			w.account(&w.profile.accounts[i])
		}
	})
}

func (w writer) account(a *account) {
	w.mail(a)
	calendars := w.dav(a, settings.CalDAV, "com.apple.caldav.account", "CalDAV", w.profile.text.calendar)
	contacts := w.dav(a, settings.CardDAV, "com.apple.carddav.account", "CardDAV", w.profile.text.contacts)
	w.activeSync(a, calendars, contacts)
}

// payload writes the keys that all payloads have, and then its own.
func (w writer) payload(a *account, kind, service, name string, inside func()) {
	parent := w.profile.identifier() // in the identity too: one address may stand in two profiles
	id := identity(parent, a.Provider.ID, a.Address.String(), service)
	w.Element("dict", func() {
		w.string("PayloadType", kind)
		w.integer("PayloadVersion", 1)
		w.string("PayloadIdentifier", parent+"."+service+"."+id)
		w.string("PayloadUUID", id)
		w.string("PayloadDisplayName", name)
		inside()
	})
}

func (w writer) mail(a *account) {
	service, accountType := "imap", "EmailTypeIMAP"
	if a.incoming.Protocol == settings.POP3 {
		service, accountType = "pop3", "EmailTypePOP"
	}
	signsIn := emailAuth(a.incoming) != "EmailAuthNone" && emailAuth(a.outgoing) != "EmailAuthNone"
	w.payload(a, "com.apple.mail.managed", service, a.Provider.DisplayName, func() {
		w.string("EmailAccountType", accountType)
		w.string("EmailAccountDescription", a.Address.Unicode())
		if name := cmp.Or(w.profile.person, a.FullName); name != "" {
			w.string("EmailAccountName", name)
		}
		w.string("EmailAddress", a.Address.String())
		w.server("Incoming", a, a.incoming)
		w.server("Outgoing", a, a.outgoing)
		w.boolean("OutgoingPasswordSameAsIncomingPassword", signsIn)
	})
}

func (w writer) server(direction string, a *account, s settings.Server) {
	auth := emailAuth(s)
	w.string(direction+"MailServerAuthentication", auth)
	w.string(direction+"MailServerHostName", string(s.Hostname))
	w.integer(direction+"MailServerPortNumber", int(s.Port))
	w.boolean(direction+"MailServerUseSSL", s.SocketType.Encrypted()) // absent it would mean no
	if auth != "EmailAuthNone" {
		w.string(direction+"MailServerUsername", a.Username(s.Username))
	}
}

// passwordService finds a service that a password opens, with its URL.
func passwordService(a *account, protocol settings.Protocol) (settings.Service, *url.URL, bool) {
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
func (w writer) dav(a *account, protocol settings.Protocol, kind, prefix, name string) bool {
	s, u, ok := passwordService(a, protocol)
	if !ok {
		return false
	}
	name = fmt.Sprintf(name, a.Provider.ShortName)
	w.payload(a, kind, string(protocol), name, func() {
		w.string(prefix+"AccountDescription", name)
		w.string(prefix+"HostName", u.Hostname())
		w.integer(prefix+"Port", port(u))
		w.boolean(prefix+"UseSSL", true)
		w.string(prefix+"Username", a.Username(s.Username))
		if strings.Trim(u.Path, "/") != "" {
			w.string(prefix+"PrincipalURL", u.EscapedPath())
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
func (w writer) activeSync(a *account, calendars, contacts bool) {
	s, u, ok := passwordService(a, settings.ActiveSync)
	if !ok {
		return
	}
	w.payload(a, "com.apple.eas.account", "activesync", a.Provider.DisplayName, func() {
		w.string("EmailAddress", a.Address.String())
		w.string("Host", u.Host)
		w.boolean("SSL", true)
		w.string("UserName", a.Username(s.Username))
		w.boolean("EnableMail", false)
		w.boolean("EnableContacts", !contacts)
		w.boolean("EnableCalendars", !calendars)
		w.boolean("EnableReminders", !calendars) // CalDAV brings them too
		w.boolean("EnableNotes", true)
	})
}
