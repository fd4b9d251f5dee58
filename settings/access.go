package settings

import "slices"

// Password is what a mail program must be given where it asks for a password.
type Password struct {
	Kind PasswordKind
	URL  URL // where a person makes it; may be empty
}

// PasswordKind tells passwords apart by where they come from. Empty: nobody said.
type PasswordKind string

const (
	AccountPassword PasswordKind = "account"      // the one that opens the web mail too
	AppPassword     PasswordKind = "app-password" // made for mail programs; the account's own is refused
	BridgePassword  PasswordKind = "bridge"       // shown by a program of the provider's on the person's own computer
)

// PasswordKinds lists the kinds.
var PasswordKinds = []PasswordKind{AccountPassword, AppPassword, BridgePassword}

// Enable is what a person must switch on before mail programs can get in.
type Enable struct {
	Protocols []Protocol // that work only then; never empty
	URL       URL        // where to do it; may be empty
	Text      []Text
}

// Notices are what must be switched on for these protocols, or for any if none is named,
// and then what else a person must know.
func (p *Provider) Notices(protocols ...Protocol) []Notice {
	var out []Notice
	for _, e := range p.Enable {
		if len(protocols) == 0 || slices.ContainsFunc(protocols, func(protocol Protocol) bool { return slices.Contains(e.Protocols, protocol) }) {
			out = append(out, Notice{URL: e.URL, Text: e.Text})
		}
	}
	if p.Notice != nil {
		out = append(out, *p.Notice)
	}
	return out
}

// Device is a kind of device on which mail programs run.
type Device string

const (
	Computer Device = "computer"
	Phone    Device = "phone" // tablets too
	Cloud    Device = "cloud" // programs that fetch mail from their maker's servers: new Outlook, Outlook for phones, the Gmail app
)

// Devices lists the kinds.
var Devices = []Device{Computer, Phone, Cloud}

// WorksOn tells whether the server can be used on all of these kinds of device.
func (s Server) WorksOn(devices ...Device) bool {
	return len(s.Devices) == 0 || !slices.ContainsFunc(devices, func(d Device) bool { return !slices.Contains(s.Devices, d) })
}

// On returns the servers that can be used on all of these kinds of device.
func On(servers []Server, devices ...Device) []Server {
	return slices.DeleteFunc(slices.Clone(servers), func(s Server) bool { return !s.WorksOn(devices...) })
}

// AppleNames are the account types that Apple's Mail lists, in its words.
var AppleNames = []string{"iCloud", "Microsoft Exchange", "Google", "Yahoo", "Aol", "Outlook.com"}

// GoogleNames are the kinds of account that the Gmail app lists beside "Other".
var GoogleNames = []string{"Google", "Outlook, Hotmail, and Live", "Yahoo", "Exchange and Office 365"}

// Date is a day as RFC 3339 writes it, 2026-03-05, so that the text's order is that of
// the days; empty: none.
type Date string
