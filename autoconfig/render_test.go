package autoconfig_test

import (
	"regexp"
	"testing"

	"milepost/autoconfig"
	"milepost/internal/fixture"
	"milepost/settings"
)

var usernameElement = regexp.MustCompile(`<username>(.*)</username>`)

// A directory's login name is written as it is, but where a client would read
// something else and a template says the same.
func TestLogin(t *testing.T) {
	for _, tc := range []struct{ name, address, login, username, want string }{
		{"none", "fred@example.com", "", "%EMAILLOCALPART%", "fred"},
		{"another name", "fred@example.com", "u-77", "%EMAILADDRESS%", "u-77"},
		{"the provider's own template makes it", "fred@example.com", "fred@example.com", "%EMAILADDRESS%", "%EMAILADDRESS%"},
		{"the whole address, where the provider says the local part", "fred@example.com", "fred@example.com", "%EMAILLOCALPART%", "%EMAILADDRESS%"},
		{"the local part, where the provider says the address", "fred@example.com", "fred", "%EMAILADDRESS%", "fred"},
		{"a number that is the local part", "0123@example.com", "0123", "%EMAILADDRESS%", "%EMAILLOCALPART%"},
		{"a number that is nothing else", "fred@example.com", "0123", "%EMAILADDRESS%", "0123"},
		{"a hexadecimal number of any length", "0xAb5801a7D398351b8bE1@example.com", "", "%EMAILLOCALPART%", "%EMAILLOCALPART%"},
		{"a number in exponential notation", "1e5@example.com", "", "%EMAILLOCALPART%", "%EMAILLOCALPART%"},
		{"a boolean", "True@example.com", "", "%EMAILLOCALPART%", "%EMAILLOCALPART%"},
		{"an entity in the local part", "o&m@example.com", "o&m", "%EMAILADDRESS%", "%EMAILLOCALPART%"},
		{"markup", "fred@example.com", `EXAMPLE\fred</username>`, "%EMAILADDRESS%", `EXAMPLE\fred&lt;/username&gt;`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := settings.Server{Protocol: settings.IMAP, Hostname: "mail.example.com", Port: 993, SocketType: settings.SSL,
				Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.Login}
			p := settings.Provider{ID: "example.com", LoginFallback: settings.Username(tc.username), Incoming: []settings.Server{server}, Outgoing: []settings.Server{server}}
			p.Outgoing[0].Protocol = settings.SMTP
			account := p.For(fixture.Address(t, tc.address)).WithLogin(tc.login, "")
			doc, err := autoconfig.Render(account)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range usernameElement.FindAllStringSubmatch(string(doc), -1) {
				if m[1] != tc.want {
					t.Errorf("%s, want %s", m[1], tc.want)
				}
			}
			if n := len(usernameElement.FindAllString(string(doc), -1)); n != 2 {
				t.Errorf("%d usernames in\n%s", n, doc)
			}
		})
	}
}
