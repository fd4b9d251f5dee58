package autodiscover

import (
	"fmt"
	"slices"
	"strconv"

	"milepost/address"
	"milepost/internal/xmlwriter"
	"milepost/settings"
)

// Render makes the answer in the Outlook schema: one Account with a Protocol
// each for IMAP, POP3 and SMTP (several Accounts break clients), and for CalDAV
// and CardDAV; or the redirect that the provider asks for. Without a local part
// it is what holds for the whole domain, without User and LoginName.
func Render(a settings.Account) ([]byte, error) {
	p := *a.Provider
	a.Provider = &p
	p.Incoming = recommended(p.Incoming, settings.IncomingProtocols)
	p.Outgoing = recommended(p.Outgoing, settings.OutgoingProtocols)
	// Half a document does harm: without SMTP, Thunderbird sends through another
	// account's server. Without any, clients ask elsewhere.
	_, elsewhere := redirectAddress(&a)
	elsewhere = elsewhere || p.AutodiscoverRedirectURL != ""
	if !elsewhere && (len(p.Incoming) == 0 || len(p.Outgoing) == 0) {
		return nil, fmt.Errorf("provider %s has no servers for %s that all clients of Autodiscover read rightly", p.ID, a.Address.Domain)
	}
	w := &document{xmlwriter.New(), &a}
	w.Element("Autodiscover", func() {
		w.Element("Response", func() {
			w.user("AutoDiscoverSMTPAddress")
			w.Element("Account", w.action)
		}, xmlns(string(Outlook)))
	}, xmlns(envelope))
	return w.Bytes(), nil
}

type document struct {
	*xmlwriter.Writer
	account *settings.Account
}

// user writes whose account it is, the address in an element of that name.
func (w *document) user(element string) {
	if a := w.account.Address; a.Local != "" {
		w.Element("User", func() {
			w.Leaf("DisplayName", a.String())
			w.Leaf(element, a.String())
		})
	}
}

// action writes the settings, or where to ask instead.
func (w *document) action() {
	w.Leaf("AccountType", "email")
	p := w.account.Provider
	switch to, ok := redirectAddress(w.account); {
	case ok:
		w.Leaf("Action", "redirectAddr")
		w.Leaf("RedirectAddr", to)
	case p.AutodiscoverRedirectURL != "" && w.account.Address.Local != "": // Delta Chat's GET needs settings
		w.Leaf("Action", "redirectUrl")
		w.Leaf("RedirectUrl", string(p.AutodiscoverRedirectURL))
	default:
		w.Leaf("Action", "settings")
		for i := range p.Incoming {
			w.server(&p.Incoming[i])
		}
		for i := range p.Outgoing {
			w.server(&p.Outgoing[i])
		}
		w.service(settings.CalDAV)
		w.service(settings.CardDAV)
	}
}

// recommended returns the best server of each protocol for computers, where the clients
// run that read servers here, of those that Thunderbird's Exchange look-up reads
// rightly. Clear text is no way out of a misreading.
func recommended(servers []settings.Server, protocols []settings.Protocol) []settings.Server {
	servers = settings.On(servers, settings.Computer)
	encrypts := slices.ContainsFunc(servers, func(s settings.Server) bool { return s.SocketType.Encrypted() })
	return settings.Recommended(slices.DeleteFunc(servers, func(s settings.Server) bool {
		return misread(s) || encrypts && !s.SocketType.Encrypted()
	}), protocols)
}

// misread tells whether Thunderbird's Exchange look-up takes STARTTLS for TLS or
// TLS for STARTTLS. It goes by the port, whatever Encryption says
// (ExchangeAutoDiscover.sys.mjs, readAutoDiscoverXML).
func misread(s settings.Server) bool {
	startTLS := s.Port == 143 || s.Port == 110 || s.Port == 25 || s.Port == 587
	return s.SocketType.Encrypted() && startTLS != (s.SocketType == settings.STARTTLS)
}

// redirectAddress returns the address that the client must ask about instead.
// It must differ from the one it asked about, or clients go round in circles.
func redirectAddress(a *settings.Account) (string, bool) {
	if a.Provider.AutodiscoverRedirectAddress == "" || a.Address.Local == "" {
		return "", false
	}
	to, err := address.Parse(a.Provider.AutodiscoverRedirectAddress.For(a.Address))
	return to.String(), err == nil && to != a.Address
}

// server writes a Protocol; the order of its children is that of Microsoft's
// pages.
func (w *document) server(s *settings.Server) {
	w.Element("Protocol", func() {
		w.Leaf("Type", typeOf[s.Protocol])
		w.Leaf("TTL", timeToLive)
		w.Leaf("Server", string(s.Hostname))
		w.Leaf("Port", strconv.Itoa(int(s.Port)))
		w.login(s.Username)
		w.Leaf("DomainRequired", "off")
		w.Leaf("SPA", onOff(s.Authentication[0] == settings.NTLM)) // absent it would mean on
		w.Leaf("SSL", onOff(s.SocketType.Encrypted()))
		w.Leaf("Encryption", encryptionOf[s.SocketType])
		w.Leaf("AuthRequired", onOff(asksForLogin(s)))
		if s.Protocol == settings.SMTP {
			w.Leaf("UsePOPAuth", onOff(asksForLogin(s) && w.sameLogin(s)))
			w.Leaf("SMTPLast", "off")
		}
	})
}

// asksForLogin tells whether a server asks for a login at all.
func asksForLogin(s *settings.Server) bool {
	return s.Authentication[0] != settings.None && s.Authentication[0] != settings.ClientIPAddress
}

// sameLogin tells whether an outgoing server takes the login name of the incoming
// ones.
func (w *document) sameLogin(s *settings.Server) bool {
	differs := func(in settings.Server) bool {
		return w.account.Username(in.Username) != w.account.Username(s.Username)
	}
	return !slices.ContainsFunc(w.account.Provider.Incoming, differs)
}

func (w *document) service(protocol settings.Protocol) {
	s := w.account.Provider.Service(protocol)
	if s.URL == "" {
		return
	}
	w.Element("Protocol", func() {
		w.Leaf("Type", typeOf[s.Protocol])
		w.Leaf("Server", string(s.URL))
		w.login(s.Username)
		w.Leaf("DomainRequired", "off")
	})
}

func (w *document) login(u settings.Username) {
	if w.account.Address.Local != "" {
		w.Leaf("LoginName", w.account.Username(u))
	}
}

// RenderMobileSync makes the answer in the MobileSync schema: the settings, or the
// address to ask about instead. It fails with an [*Error] if the provider has no
// ActiveSync.
func RenderMobileSync(a settings.Account) ([]byte, error) {
	to, redirected := redirectAddress(&a)
	url := string(a.Provider.Service(settings.ActiveSync).URL)
	if url == "" && !redirected {
		return nil, &Error{NotProvided, "the provider has no ActiveSync"}
	}
	w := &document{xmlwriter.New(), &a}
	w.Element("Autodiscover", func() {
		w.Element("Response", func() {
			w.Leaf("Culture", "en:us")
			w.user("EMailAddress")
			w.Element("Action", func() {
				if redirected {
					w.Leaf("Redirect", to)
					return
				}
				w.Element("Settings", func() {
					w.Element("Server", func() {
						w.Leaf("Type", "MobileSync")
						w.Leaf("Url", url)
						w.Leaf("Name", url)
					})
				})
			})
		}, xmlns(string(MobileSync)))
	}, xmlns(envelope))
	return w.Bytes(), nil
}

// RenderError makes an error document (MS-OXDSCLI §2.2.4.1.1.3), in the
// envelope's namespace. Time is HH:MM:SS with an optional fraction; id stands
// for the server in its support log.
func RenderError(e *Error, time string, id uint32) []byte {
	w := xmlwriter.New()
	w.Element("Autodiscover", func() {
		w.Element("Response", func() {
			w.Element("Error", func() {
				w.Leaf("ErrorCode", strconv.Itoa(int(e.Code)))
				w.Leaf("Message", e.Message)
				w.Empty("DebugData")
			}, xmlwriter.Attr{Name: "Time", Value: time}, xmlwriter.Attr{Name: "Id", Value: strconv.FormatUint(uint64(id), 10)})
		})
	}, xmlns(envelope))
	return w.Bytes()
}
