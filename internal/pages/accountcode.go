package pages

import (
	"bytes"
	"encoding/json"

	"milepost/settings"
)

// accountCode is the text of the QR code from which Thunderbird for Android
// sets an account up (qr-code-format.md of thunderbird-android, version 1):
// nested JSON arrays without a password. False: the format cannot say it.
func accountCode(a Answer) (string, bool) {
	address := a.Asked.Address.String()
	incoming, ok := codeServer(a.Incoming, a.Asked)
	if !ok || a.Asked.Local() == "" || !isASCII(address) || a.OnThisComputer() {
		return "", false
	}
	outgoing, ok := codeServer(a.Outgoing, a.Asked)
	if !ok {
		return "", false
	}
	identity := []any{address, address}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // every octet makes the code denser
	if err := e.Encode([]any{1, []any{1, 1}, incoming, []any{[]any{outgoing, identity}}}); err != nil {
		return "", false
	}
	return string(bytes.TrimSpace(b.Bytes())), true
}

// codeServer writes a server. Thunderbird drops the whole account over a value
// that it does not know, so what the format lacks is refused here.
func codeServer(s settings.Server, a Asked) ([]any, bool) {
	protocol, known := map[settings.Protocol]int{settings.IMAP: 0, settings.POP3: 1, settings.SMTP: 0}[s.Protocol]
	security, safe := map[settings.SocketType]int{settings.Plain: 0, settings.STARTTLS: 2, settings.SSL: 3}[s.SocketType]
	if !known || !safe {
		return nil, false
	}
	for _, m := range s.Authentication {
		if method, ok := codeMethods[m]; ok {
			return []any{protocol, string(s.Hostname), s.Port, security, method, s.Username.For(a.Address)}, true
		}
	}
	return nil, false
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
