package settings_test

import (
	"fmt"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/settings"
)

func TestFor(t *testing.T) {
	fred := fixture.Address(t, `"fred & co"@Bücher.example`)
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
		"no placeholder is twice": {settings.Username("%EMAILLOCALPART%").For(fixture.Address(t, "%EMAILDOMAIN%@example.com")), "%EMAILDOMAIN%"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", name, tc.got, tc.want)
		}
	}
}

func TestUsername(t *testing.T) {
	fred := fixture.Address(t, "fred@example.com")
	nobody := address.Address{Domain: fred.Domain}
	for _, tc := range []struct {
		name     string
		address  address.Address
		login    string
		username settings.Username
		want     string
	}{
		{"the template", fred, "", "%EMAILLOCALPART%.%EMAILDOMAIN%", "fred.example.com"},
		{"no template", fred, "", "everybody", "everybody"},
		{"nobody's", nobody, "", "%EMAILLOCALPART%.%EMAILDOMAIN%", "%EMAILLOCALPART%.example.com"},
		{"the directory's", fred, "u1234", settings.Login, "u1234"},
		{"the directory's is for %LOGIN% alone", fred, "u1234", settings.EmailAddress, "fred@example.com"},
		{"a login name is no template", fred, settings.EmailLocalPart, settings.Login, settings.EmailLocalPart},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := settings.Account{Address: tc.address, Login: tc.login}
			if got := a.Username(tc.username); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestShared(t *testing.T) {
	server := func(u settings.Username) []settings.Server {
		return []settings.Server{{Hostname: "imap.%EMAILDOMAIN%", Username: settings.EmailAddress}, {Hostname: "mail.example.com", Username: u}}
	}
	service := func(url settings.URL, u settings.Username) []settings.Service {
		return []settings.Service{{URL: "https://a.example.com/", Username: settings.EmailAddress}, {URL: url, Username: u}}
	}
	for _, tc := range []struct {
		name     string
		provider settings.Provider
		want     bool
	}{
		{"nothing", settings.Provider{}, true},
		{"the whole address as username", settings.Provider{Incoming: server(settings.EmailAddress)}, true},
		{"the domain alone", settings.Provider{Incoming: server("u-%EMAILDOMAIN%"), Webmail: "https://webmail.%EMAILDOMAIN%/%EMAILDOMAIN%"}, true},
		{"incoming username", settings.Provider{Incoming: server(settings.EmailLocalPart)}, false},
		{"outgoing username", settings.Provider{Outgoing: server("x-%EMAILADDRESS%")}, false},
		{"set-up username", settings.Provider{Setup: server(settings.EmailLocalPart)}, false},
		{"service username", settings.Provider{Services: service("https://b.example.com/", settings.EmailLocalPart)}, false},
		{"service URL", settings.Provider{Services: service("https://b.example.com/%EMAILADDRESS%", settings.EmailAddress)}, false},
		{"service URL with the domain", settings.Provider{Services: service("https://b.example.com/%EMAILDOMAIN%", settings.EmailAddress)}, true},
		{"OAuth2 authorisation", settings.Provider{OAuth2: &settings.OAuth2Settings{AuthURL: "https://a.example.com/%EMAILLOCALPART%"}}, false},
		{"OAuth2 token", settings.Provider{OAuth2: &settings.OAuth2Settings{TokenURL: "https://a.example.com/?u=%EMAILADDRESS%"}}, false},
		{"webmail", settings.Provider{Webmail: "https://webmail.example.com/%EMAILLOCALPART%"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fred := fixture.Address(t, "fred@example.com")
			for name, a := range map[string]settings.Account{
				"somebody's": tc.provider.For(fred),
				"nobody's":   tc.provider.For(address.Address{Domain: fred.Domain}),
				"not filled": {Address: fred, Provider: &tc.provider},
			} {
				if got := a.Shared(); got != tc.want {
					t.Errorf("%s: %t", name, got)
				}
				if n := testing.AllocsPerRun(10, func() { a.Shared() }); n > 0 {
					t.Errorf("%s: %v allocations", name, n)
				}
			}
		})
	}
}

func TestInLanguage(t *testing.T) {
	texts := func(langs ...string) []settings.Text {
		var out []settings.Text
		for _, l := range langs {
			out = append(out, settings.Text{Lang: l, Value: "in " + l})
		}
		return out
	}
	for _, tc := range []struct {
		name  string
		texts []settings.Text
		lang  string
		want  string
	}{
		{"the tag itself", texts("en", "pt-BR", "pt"), "pt", "pt"},
		{"a region's tag", texts("en", "pt", "pt-BR"), "pt-BR", "pt-BR"},
		{"a text with a region", texts("en", "pt-BR"), "pt", "pt-BR"},
		{"a reader with a region", texts("en", "pt"), "pt-BR", "pt"},
		{"another region", texts("en", "pt-PT"), "pt-BR", "pt-PT"},
		{"English", texts("de", "en-GB", "en"), "fr", "en"},
		{"English with a region", texts("de", "en-GB"), "fr", "en-GB"},
		{"the first", texts("de", "nl"), "fr", "de"},
		{"letters alone are no language", texts("est", "en"), "es", "en"},
		{"none", nil, "en", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := settings.InLanguage(tc.texts, tc.lang); got.Lang != tc.want {
				t.Errorf("%q, want %q", got.Lang, tc.want)
			}
		})
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

// %MXHOST% is filled in with a host below the provider's MX domains and no other, and
// a document made of it is not kept for those who asked with another host.
func TestMXHost(t *testing.T) {
	p := &settings.Provider{
		MX:       []address.Domain{fixture.Domain(t, "hoster.example"), fixture.Domain(t, "hoster.test")},
		Incoming: []settings.Server{{Hostname: "%MXHOST%", Username: settings.EmailAddress}},
		Outgoing: []settings.Server{{Hostname: "smtp.hoster.example", Username: settings.EmailAddress}, {Hostname: "%MXHOST%", Username: settings.EmailAddress}},
	}
	for _, tc := range []struct {
		name, address, host string
		want                string // the hosts, and whether documents are shared
	}{
		{"not known", "fred@customer.example", "", "[] [smtp.hoster.example] true"},
		{"known", "fred@customer.example", "w1.hoster.example", "[w1.hoster.example] [smtp.hoster.example w1.hoster.example] false"},
		{"by the second MX domain", "fred@customer.example", "a.w1.hoster.test", "[a.w1.hoster.test] [smtp.hoster.example a.w1.hoster.test] false"},
		{"the MX domain itself", "fred@customer.example", "hoster.example", "[] [smtp.hoster.example] true"},
		{"another's", "fred@customer.example", "w1.evil.example", "[] [smtp.hoster.example] true"},
		{"no label below", "fred@customer.example", "evilhoster.example", "[] [smtp.hoster.example] true"},
		{"asked about", "fred@w1.hoster.example", "w1.hoster.example", "[w1.hoster.example] [smtp.hoster.example w1.hoster.example] true"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			host := address.Domain{}
			if tc.host != "" {
				host = fixture.Domain(t, tc.host)
			}
			a := p.ForMX(fixture.Address(t, tc.address), host)
			names := func(servers []settings.Server) []settings.Hostname {
				out := []settings.Hostname{}
				for _, s := range servers {
					out = append(out, s.Hostname)
				}
				return out
			}
			if got := fmt.Sprint(names(a.Provider.Incoming), names(a.Provider.Outgoing), a.Shared()); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	if got := p.For(fixture.Address(t, "fred@w1.hoster.example")).Provider.Incoming; len(got) != 1 {
		t.Errorf("For does not take the domain for the MX host: %v", got)
	}
	if p.Incoming[0].Hostname != "%MXHOST%" {
		t.Error("the catalogue's own provider was changed")
	}
	if _, err := settings.ParseURL("https://%MXHOST%/", "https"); err == nil {
		t.Error("a URL may hold it")
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
		"%MXHOST%":            "%MXHOST%",
	} {
		if got, err := settings.ParseHostname(in); err != nil || got != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}

func BenchmarkShared(b *testing.B) {
	p := settings.Provider{
		Incoming: []settings.Server{{Username: settings.EmailAddress}, {Username: settings.EmailAddress}},
		Outgoing: []settings.Server{{Username: settings.EmailAddress}},
		Services: []settings.Service{{URL: "https://dav.example.com/", Username: settings.EmailAddress}},
		Webmail:  "https://webmail.example.com/",
	}
	a := p.For(fixture.Address(b, "fred@example.com"))
	b.ReportAllocs()
	for b.Loop() {
		if !a.Shared() {
			b.Fatal("not shared")
		}
	}
}
