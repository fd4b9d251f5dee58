// Package thunderbirdqr writes the text of the QR code from which Thunderbird for
// Android sets an account up (qr-code-format.md of thunderbird-android, version
// 1): nested JSON arrays, without a password.
package thunderbirdqr

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"milepost/internal/answer"
	"milepost/settings"
)

// Code is what a QR code says.
type Code struct {
	Text   string
	SignIn answer.SignIn // what is asked of a person once the code is read
}

// Encode makes the code of an answer. False: the format cannot say it, or it
// would be of no use.
func Encode(a answer.Answer) (Code, bool) {
	address := a.Address.String()
	if a.Address.Local == "" || strings.ContainsFunc(address, beyondASCII) || !a.WorksOn(settings.Phone) || a.Provider.Closed {
		return Code{}, false
	}
	// One sign-in for both servers, or the person has to do two.
	oauth2 := prefersOAuth2(a.Incoming) && prefersOAuth2(a.Outgoing)
	incoming, receives, ok := server(a.Incoming, a.Account, oauth2)
	if !ok {
		return Code{}, false
	}
	outgoing, sends, ok := server(a.Outgoing, a.Account, oauth2)
	if !ok {
		return Code{}, false
	}
	identity := []any{address, cmp.Or(a.FullName, address)}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // every octet makes the code denser
	if err := e.Encode([]any{1, []any{1, 1}, incoming, []any{[]any{outgoing, identity}}}); err != nil {
		return Code{}, false
	}
	return Code{string(bytes.TrimSpace(b.Bytes())), answer.SignInAt([]settings.Authentication{receives, sends})}, true
}

// server is a server's array, and the method that stands in it. False: the format
// lacks one of its values, and over an unknown one Thunderbird drops the whole
// account.
func server(s settings.Server, a settings.Account, oauth2 bool) ([]any, settings.Authentication, bool) {
	protocol, hasProtocol := protocols[s.Protocol]
	security, hasSecurity := securities[s.SocketType]
	method, hasMethod := chooseMethod(s, oauth2)
	if !hasProtocol || !hasSecurity || !hasMethod {
		return nil, "", false
	}
	return []any{protocol, string(s.Hostname), s.Port, security, methods[method], a.Username(s.Username)}, method, true
}

// chooseMethod chooses the one method that a server's array has room for.
// Thunderbird can ask for a password anywhere, but does OAuth2 only with the
// providers that it knows.
func chooseMethod(s settings.Server, oauth2 bool) (settings.Authentication, bool) {
	switch {
	case oauth2:
		return settings.OAuth2, true
	case s.SocketType.Encrypted() && slices.Contains(s.Authentication, settings.PasswordCleartext):
		return settings.PasswordCleartext, true // TLS hides it, and it works with every such server
	}
	if i := slices.IndexFunc(s.Authentication, settings.Authentication.Password); i >= 0 {
		return s.Authentication[i], true
	}
	for _, m := range s.Authentication {
		if _, ok := methods[m]; ok {
			return m, true
		}
	}
	return "", false
}

// prefersOAuth2 tells whether OAuth2 is the server's first choice, and Thunderbird
// can do it there. Thunderbird goes by hostname and not by issuer: it does not
// know pop.gmail.com, though Google is the issuer.
func prefersOAuth2(s settings.Server) bool {
	return len(s.Authentication) > 0 && s.Authentication[0] == settings.OAuth2 && OpensPage(s)
}

// OpensPage tells whether Thunderbird for Android can do OAuth2 with a server.
func OpensPage(s settings.Server) bool {
	return slices.Contains(s.Authentication, settings.OAuth2) && slices.Contains(oauth2Hosts, s.Hostname)
}

// oauth2Hosts are the servers in TbOAuthConfigurationFactory of
// thunderbird-android, whose client is registered with AOL, Fastmail, Google,
// Microsoft and Yahoo alone.
var oauth2Hosts = []settings.Hostname{
	"imap.aol.com", "smtp.aol.com",
	"imap.fastmail.com", "smtp.fastmail.com",
	"imap.gmail.com", "imap.googlemail.com", "smtp.gmail.com", "smtp.googlemail.com",
	"outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com",
	"imap.mail.yahoo.com", "smtp.mail.yahoo.com",
}

// The format's numbers. It reserves security 1.
var (
	protocols  = map[settings.Protocol]int{settings.IMAP: 0, settings.POP3: 1, settings.SMTP: 0}
	securities = map[settings.SocketType]int{settings.Plain: 0, settings.STARTTLS: 2, settings.SSL: 3}
	methods    = map[settings.Authentication]int{
		settings.None:              0,
		settings.PasswordCleartext: 1,
		settings.PasswordEncrypted: 2,
		settings.GSSAPI:            3,
		settings.NTLM:              4,
		settings.TLSClientCert:     5,
		settings.OAuth2:            6,
	}
)

func beyondASCII(r rune) bool { return r > unicode.MaxASCII }
