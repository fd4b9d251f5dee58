package settings_test

import (
	"testing"

	"milepost/address"
	"milepost/settings"
)

func account(t *testing.T, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFor(t *testing.T) {
	fred := account(t, `"fred & co"@Bücher.example`)
	nobody := address.Address{Domain: fred.Domain}
	p := &settings.Provider{
		Incoming: []settings.Server{{Hostname: "imap.%EMAILDOMAIN%"}, {Hostname: "imap.example.com"}},
		Services: []settings.Service{{URL: "https://dav.example.com/%EMAILADDRESS%/?u=%EMAILLOCALPART%&d=%EMAILDOMAIN%"}},
		OAuth2:   &settings.OAuth2Settings{AuthURL: "https://login.example.com/%EMAILDOMAIN%"},
		Webmail:  "https://webmail.example.com/%EMAILDOMAIN%",
	}
	got := p.For(fred).Provider
	for name, tc := range map[string]struct{ got, want string }{
		"hostname":                {string(got.Incoming[0].Hostname), "imap.xn--bcher-kva.example"},
		"hostname as it is":       {string(got.Incoming[1].Hostname), "imap.example.com"},
		"service":                 {string(got.Services[0].URL), "https://dav.example.com/%22fred%20%26%20co%22%40xn--bcher-kva.example/?u=fred%20%26%20co&d=xn--bcher-kva.example"},
		"OAuth2":                  {string(got.OAuth2.AuthURL), "https://login.example.com/xn--bcher-kva.example"},
		"webmail":                 {string(got.Webmail), "https://webmail.example.com/xn--bcher-kva.example"},
		"no address":              {string(p.For(nobody).Provider.Services[0].URL), "https://dav.example.com/%EMAILADDRESS%/?u=%EMAILLOCALPART%&d=xn--bcher-kva.example"},
		"the original":            {string(p.Services[0].URL), "https://dav.example.com/%EMAILADDRESS%/?u=%EMAILLOCALPART%&d=%EMAILDOMAIN%"},
		"username":                {settings.Username("%EMAILLOCALPART%/%EMAILDOMAIN%").For(fred), "fred & co/xn--bcher-kva.example"},
		"username, no address":    {settings.Username("%EMAILLOCALPART%/%EMAILDOMAIN%").For(nobody), "%EMAILLOCALPART%/xn--bcher-kva.example"},
		"no placeholder is twice": {settings.Username("%EMAILLOCALPART%").For(account(t, "%EMAILDOMAIN%@example.com")), "%EMAILDOMAIN%"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", name, tc.got, tc.want)
		}
	}
}

func TestForLeavesLongHostnamesOut(t *testing.T) {
	long := ""
	for range 25 {
		long += "a23456789."
	}
	d, err := address.ParseDomain(long + "abc") // 253 octets, the most
	if err != nil {
		t.Fatal(err)
	}
	p := &settings.Provider{Incoming: []settings.Server{{Hostname: "imap.%EMAILDOMAIN%"}, {Hostname: "%EMAILDOMAIN%"}}}
	if got := p.For(address.Address{Domain: d}).Provider.Incoming; len(got) != 1 || got[0].Hostname != settings.Hostname(d.ASCII) {
		t.Errorf("%v", got)
	}
}

func TestBest(t *testing.T) {
	password := []settings.Authentication{settings.PasswordCleartext}
	oauth := []settings.Authentication{settings.OAuth2}
	for _, tc := range []struct {
		name    string
		servers []settings.Server
		want    settings.Hostname
	}{
		{"none", nil, ""},
		{"other protocol", []settings.Server{{Protocol: settings.POP3, Hostname: "a"}}, ""},
		{"clear text alone", []settings.Server{{Protocol: settings.IMAP, Hostname: "a", SocketType: settings.Plain, Authentication: password}}, "a"},
		{"encrypted first", []settings.Server{
			{Protocol: settings.IMAP, Hostname: "a", SocketType: settings.Plain, Authentication: password},
			{Protocol: settings.IMAP, Hostname: "b", SocketType: settings.STARTTLS, Authentication: oauth},
		}, "b"},
		{"the provider's order", []settings.Server{
			{Protocol: settings.IMAP, Hostname: "a", SocketType: settings.STARTTLS, Authentication: password},
			{Protocol: settings.IMAP, Hostname: "b", SocketType: settings.SSL, Authentication: password},
		}, "a"},
		{"with a password", []settings.Server{
			{Protocol: settings.IMAP, Hostname: "a", SocketType: settings.SSL, Authentication: oauth},
			{Protocol: settings.IMAP, Hostname: "b", SocketType: settings.SSL, Authentication: password},
		}, "b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := settings.Best(tc.servers, settings.IMAP)
			if got.Hostname != tc.want || ok != (tc.want != "") {
				t.Errorf("%v %v", got, ok)
			}
		})
	}
}

func TestParseHostnameAccepts(t *testing.T) {
	for in, want := range map[string]settings.Hostname{
		"Mail.Example.COM.":   "mail.example.com",
		"mail.bücher.example": "mail.xn--bcher-kva.example",
		"127.0.0.1":           "127.0.0.1", // Proton Mail Bridge
		"%EMAILDOMAIN%":       "%EMAILDOMAIN%",
		"imap.%EMAILDOMAIN%":  "imap.%EMAILDOMAIN%",
	} {
		if got, err := settings.ParseHostname(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}
