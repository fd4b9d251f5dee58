package autodiscover_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"milepost/autodiscover"
	"milepost/internal/fixture"
	"milepost/settings"
)

var protocolElement = regexp.MustCompile(`(?s)<Type>(\w+)</Type>.*?<Port>(\d+)</Port>.*?<Encryption>(\w+)</Encryption>`)

// thunderbirdReads is how Thunderbird's Exchange look-up understands a Protocol
// (ExchangeAutoDiscover.sys.mjs, readAutoDiscoverXML).
func thunderbirdReads(port, encryption string) string {
	switch {
	case encryption == "None":
		return "None"
	case port == "143" || port == "110" || port == "25" || port == "587":
		return "TLS"
	}
	return "SSL"
}

// A server that Thunderbird misreads is in no document, and half a document is none.
func TestThunderbird(t *testing.T) {
	for _, tc := range []struct {
		name               string
		incoming, outgoing string
		want               string
	}{
		{"all as usual", "imap 993 SSL, pop3 995 SSL", "smtp 465 SSL", "IMAP 993 SSL, POP3 995 SSL, SMTP 465 SSL"},
		{"STARTTLS on its ports", "imap 143 STARTTLS, pop3 110 STARTTLS", "smtp 587 STARTTLS", "IMAP 143 TLS, POP3 110 TLS, SMTP 587 TLS"},
		{"TLS on 587 before 465", "imap 993 SSL", "smtp 587 SSL, smtp 465 SSL", "IMAP 993 SSL, SMTP 465 SSL"},
		{"STARTTLS on a port of its own before 143", "imap 1143 STARTTLS, imap 143 STARTTLS", "smtp 465 SSL", "IMAP 143 TLS, SMTP 465 SSL"},
		{"one protocol of two", "imap 993 SSL, pop3 1110 STARTTLS", "smtp 465 SSL", "IMAP 993 SSL, SMTP 465 SSL"},
		{"the other protocol of two", "imap 1143 STARTTLS, pop3 995 SSL", "smtp 465 SSL", "POP3 995 SSL, SMTP 465 SSL"},
		{"clear text is no way out", "imap 1143 STARTTLS, imap 143 plain, pop3 110 plain", "smtp 465 SSL", "none"},
		{"clear text alone", "imap 1143 plain", "smtp 25 plain", "IMAP 1143 None, SMTP 25 None"},
		{"nothing else to send with", "imap 993 SSL", "smtp 587 SSL", "none"},
		{"Bridge", "imap 1143 STARTTLS", "smtp 1025 STARTTLS", "none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := settings.Provider{Incoming: servers(t, tc.incoming), Outgoing: servers(t, tc.outgoing)}
			if got := strings.Join(protocols(t, &p), ", "); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// Whatever a shipped provider's document names is read rightly; three have none.
func TestThunderbirdReadsShippedProviders(t *testing.T) {
	var none []string
	for _, p := range fixture.ShippedServers(t) {
		for _, protocol := range protocols(t, p) {
			f := strings.Fields(protocol)
			if protocol == "none" {
				none = append(none, p.ID)
			} else if f[2] != thunderbirdReads(f[1], f[2]) {
				t.Errorf("%s: %s is read as %s", p.ID, protocol, thunderbirdReads(f[1], f[2]))
			}
		}
	}
	if got, want := fmt.Sprint(none), "[brighthouse.com charter.net proton.me]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// servers reads "PROTOCOL PORT SOCKET-TYPE [OAuth2], …".
func servers(t *testing.T, list string) []settings.Server {
	t.Helper()
	var out []settings.Server
	for one := range strings.SplitSeq(list, ", ") {
		s := settings.Server{Hostname: "mail.example.com", Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.EmailAddress}
		one, oauth2 := strings.CutSuffix(one, " OAuth2")
		if _, err := fmt.Sscan(one, &s.Protocol, &s.Port, &s.SocketType); err != nil {
			t.Fatal(err)
		}
		if oauth2 {
			s.Authentication[0] = settings.OAuth2
		}
		out = append(out, s)
	}
	return out
}

// protocols lists what a document names.
func protocols(t *testing.T, p *settings.Provider) []string {
	t.Helper()
	doc, err := autodiscover.Render(p.ForMX(fixture.Address(t, "fred@example.com"), fixture.MXHost(t, p)))
	if err != nil {
		return []string{"none"}
	}
	var out []string
	for _, m := range protocolElement.FindAllStringSubmatch(string(doc), -1) {
		out = append(out, strings.Join(m[1:], " "))
	}
	return out
}
