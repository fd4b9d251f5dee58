package mobileconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"milepost/settings"
)

// Options are a person's choices.
type Options struct {
	Name string // the person's, for the From line, over the directory's; may be empty
	POP3 bool   // instead of IMAP
	Lang string // of the texts, one of messages; else English
}

// profile is what a profile says about itself, and its accounts.
type profile struct {
	id          string // a UUID
	title       string
	description string
	consent     string
	lang        string // of the texts
	text        message
	person      string // their name
	accounts    []account
}

// identifier is what a device knows the profile by.
func (p *profile) identifier() string { return "milepost." + p.id }

// account is a settings.Account with the two servers of its mail payload.
type account struct {
	settings.Account
	incoming, outgoing settings.Server
}

func newProfile(accounts []settings.Account, o Options) (*profile, error) {
	if len(accounts) == 0 {
		return nil, errors.New("a profile needs an account")
	}
	p := &profile{lang: o.Lang, text: messages[o.Lang], person: o.Name}
	if p.text == (message{}) {
		p.lang, p.text = "en", messages["en"]
	}
	var addresses, providers, notices, ids []string
	for _, a := range accounts {
		chosen, err := choose(a, o)
		if err != nil {
			return nil, err
		}
		p.accounts = append(p.accounts, chosen)
		addresses = append(addresses, a.Address.String())
		providers = appendNew(providers, a.Provider.ShortName)
		ids = append(ids, a.Provider.ID+"\x00"+a.Address.String())
		for _, n := range a.Provider.Notices(chosen.incoming.Protocol, chosen.outgoing.Protocol) {
			notices = appendNew(notices, settings.InLanguage(n.Text, p.lang).Value)
		}
	}
	slices.Sort(ids) // the same addresses in another order are the same profile
	p.id = identity(append([]string{"profile"}, ids...)...)
	all := strings.Join(addresses, ", ")
	p.title = fmt.Sprintf(p.text.title, strings.Join(providers, ", "))
	p.description = fmt.Sprintf(p.text.description, all)
	p.consent = strings.Join(append([]string{fmt.Sprintf(p.text.consent, all)}, notices...), "\n\n")
	return p, nil
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// namespace is where the UUIDs of profiles and payloads are derived from
// (UUIDv5, RFC 9562 §5.5).
var namespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("urn:milepost:mobileconfig"))

// identity derives a UUID, which must be the same at every download: only a
// payload whose identifier and UUID both match is replaced in place, any other
// is removed together with its account.
func identity(parts ...string) string {
	return strings.ToUpper(uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String())
}

// ErrNotExpressible is, for [errors.Is], every error about a provider that no
// profile can describe: Apple has no key for its servers or ways to log in.
var ErrNotExpressible = errors.New("not expressible in a profile")

// unusable is an [ErrNotExpressible] that tells a person why.
type unusable struct{ sentence string }

func (u unusable) Error() string   { return u.sentence }
func (u unusable) Is(e error) bool { return e == ErrNotExpressible }

// Check says why no profile can be made for an account. The error is
// [ErrNotExpressible] if it is the provider's servers; nil: [Render] makes one.
func Check(a settings.Account, o Options) error {
	_, err := choose(a, o)
	return err
}

// choose finds the servers of a mail payload. Where IMAP has none that a payload
// can describe, POP3 stands in for it.
func choose(a settings.Account, o Options) (account, error) {
	if err := checkAddress(a.Address); err != nil {
		return account{}, err
	}
	p := a.Provider
	if o.POP3 && !slices.ContainsFunc(p.Incoming, func(s settings.Server) bool { return s.Protocol == settings.POP3 }) {
		return account{}, unusable{p.DisplayName + " has no POP3 server; leave protocol=pop3 out"}
	}
	if p.NoMailPrograms {
		return account{}, unusable{p.DisplayName + " can be read with its own programs alone; no mail program can be set up for it"}
	}
	here := func(servers []settings.Server) []settings.Server {
		return settings.On(servers, settings.Phone, settings.Computer) // a profile cannot say for which of them it is
	}
	if len(here(p.Incoming)) == 0 || len(here(p.Outgoing)) == 0 {
		return account{}, unusable{p.DisplayName + " has no servers for phones and computers alike, and a profile can be opened on either; add the account by hand"}
	}
	candidates := expressible(here(p.Incoming))
	incoming, ok := settings.Best(candidates, settings.IMAP)
	if !ok || o.POP3 {
		incoming, ok = settings.Best(candidates, settings.POP3)
		// Clear text, which nobody asked for, is no way out.
		ok = ok && (o.POP3 || incoming.SocketType.Encrypted() || !slices.ContainsFunc(here(p.Incoming), encrypted))
	}
	outgoing, sends := settings.Best(expressible(here(p.Outgoing)), settings.SMTP)
	if !ok || !sends {
		return account{}, unusable{p.DisplayName + " takes no passwords from mail programs, and no profile of Apple's can say anything else; add the account by hand in Settings, under Mail"}
	}
	return account{a, incoming, outgoing}, nil
}

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
