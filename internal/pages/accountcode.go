package pages

import (
	"bytes"
	"encoding/json"
	"slices"

	"milepost/settings"
)

// accountCode is the text of the QR code from which Thunderbird for Android
// sets an account up (qr-code-format.md of thunderbird-android, version 1):
// nested JSON arrays without a password. With it comes how a person signs in
// then, as [Answer.SignInAt] says it. False: the format cannot say it.
func accountCode(a Answer) (text, signIn string, ok bool) {
	address := a.Asked.Address.String()
	if a.Asked.Local() == "" || !isASCII(address) || a.OnThisComputer() || a.Asked.Provider.Closed {
		return "", "", false
	}
	// One sign-in for both servers, or the person has to do two.
	oauth2 := codeKnowsOAuth2(a.Incoming) && codeKnowsOAuth2(a.Outgoing)
	incoming, receives, ok := codeServer(a.Incoming, a.Asked, oauth2)
	if !ok {
		return "", "", false
	}
	outgoing, sends, ok := codeServer(a.Outgoing, a.Asked, oauth2)
	if !ok {
		return "", "", false
	}
	identity := []any{address, address}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // every octet makes the code denser
	if err := e.Encode([]any{1, []any{1, 1}, incoming, []any{[]any{outgoing, identity}}}); err != nil {
		return "", "", false
	}
	both := settings.Server{Authentication: []settings.Authentication{receives, sends}}
	return string(bytes.TrimSpace(b.Bytes())), signInAt(both), true
}

// codeServer writes a server, and says which method it wrote. Thunderbird drops
// the whole account over a value that it does not know, so what the format lacks
// is refused here.
func codeServer(s settings.Server, a Asked, oauth2 bool) ([]any, settings.Authentication, bool) {
	protocol, known := map[settings.Protocol]int{settings.IMAP: 0, settings.POP3: 1, settings.SMTP: 0}[s.Protocol]
	security, safe := map[settings.SocketType]int{settings.Plain: 0, settings.STARTTLS: 2, settings.SSL: 3}[s.SocketType]
	method, ok := codeMethod(s, oauth2)
	if !known || !safe || !ok {
		return nil, "", false
	}
	return []any{protocol, string(s.Hostname), s.Port, security, codeMethods[method], a.Username(s.Username)}, method, true
}

// codeMethod chooses the one method that a code has room for. A password goes
// into every program, OAuth2 only where Thunderbird knows the provider.
func codeMethod(s settings.Server, oauth2 bool) (settings.Authentication, bool) {
	switch {
	case oauth2:
		return settings.OAuth2, true
	case s.SocketType.Encrypted() && slices.Contains(s.Authentication, settings.PasswordCleartext):
		return settings.PasswordCleartext, true // TLS hides it, and every server of the kind takes it
	}
	if i := slices.IndexFunc(s.Authentication, settings.Authentication.Password); i >= 0 {
		return s.Authentication[i], true
	}
	for _, m := range s.Authentication {
		if _, ok := codeMethods[m]; ok {
			return m, true
		}
	}
	return "", false
}

// codeKnowsOAuth2 tells whether the provider prefers OAuth2 and Thunderbird can
// do it. Its table goes by hostname, not by issuer: pop.gmail.com has Google's
// issuer and is not in it.
func codeKnowsOAuth2(s settings.Server) bool {
	return len(s.Authentication) > 0 && s.Authentication[0] == settings.OAuth2 && slices.Contains(codeOAuth2Hosts, s.Hostname)
}

// codeOAuth2Hosts are the servers in TbOAuthConfigurationFactory of
// thunderbird-android, whose client is registered with AOL, Fastmail, Google,
// Microsoft and Yahoo alone.
var codeOAuth2Hosts = []settings.Hostname{
	"imap.aol.com", "smtp.aol.com",
	"imap.fastmail.com", "smtp.fastmail.com",
	"imap.gmail.com", "imap.googlemail.com", "smtp.gmail.com", "smtp.googlemail.com",
	"outlook.office365.com", "smtp.office365.com", "smtp-mail.outlook.com",
	"imap.mail.yahoo.com", "smtp.mail.yahoo.com",
}

// codeMethods are the format's numbers for the ways to log in.
var codeMethods = map[settings.Authentication]int{
	settings.None:              0,
	settings.PasswordCleartext: 1,
	settings.PasswordEncrypted: 2,
	settings.GSSAPI:            3,
	settings.NTLM:              4,
	settings.TLSClientCert:     5,
	settings.OAuth2:            6,
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
