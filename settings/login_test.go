package settings_test

import (
	"slices"
	"testing"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/settings"
)

// hosted has %LOGIN% in each kind of list, and usernames of its own beside it.
func hosted(fallback settings.Username) *settings.Provider {
	two := func(hostname settings.Hostname) []settings.Server {
		return []settings.Server{{Hostname: hostname, Username: settings.Login}, {Hostname: "b.example.com", Username: "everybody"}}
	}
	return &settings.Provider{
		Incoming: two("imap.%EMAILDOMAIN%"), Outgoing: two("a.example.com"), Setup: two("a.example.com"), LoginFallback: fallback,
		Services: []settings.Service{{URL: "https://a.example.com/", Username: settings.Login}, {URL: "https://b.example.com/", Username: "everybody"}},
	}
}

// usernames are all of an account: as a format sees them, filled in, in the order of
// the lists.
func usernames(a settings.Account) (out []string) {
	for _, s := range slices.Concat(a.Provider.Incoming, a.Provider.Outgoing, a.Provider.Setup) {
		out = append(out, a.Username(s.Username))
	}
	for _, s := range a.Provider.Services {
		out = append(out, a.Username(s.Username))
	}
	return out
}

func TestLogin(t *testing.T) {
	fred := fixture.Address(t, "fred@example.com")
	nobody := address.Address{Domain: fred.Domain}
	for _, tc := range []struct {
		name            string
		provider        *settings.Provider
		address         address.Address
		login, fullName string
		want            string // for %LOGIN%
		shared          bool
	}{
		{"known", hosted(""), fred, "u77", "Fred Example", "u77", false},
		{"not known", hosted(""), fred, "", "", "fred@example.com", false},
		{"not known, with a fallback", hosted("x-%EMAILLOCALPART%"), fred, "", "", "x-fred", false},
		{"the name alone is known", hosted(""), fred, "", "Fred Example", "fred@example.com", false},
		{"a login name like a placeholder", hosted(""), fred, settings.Login, "", settings.Login, false},
		{"nobody in particular", hosted(""), nobody, "", "", settings.EmailAddress, true},
		{"nobody in particular, with a fallback", hosted("u-%EMAILDOMAIN%"), nobody, "", "", "u-example.com", true},
		{"nobody in particular, with a fallback of addresses", hosted(settings.EmailLocalPart), nobody, "", "", settings.EmailLocalPart, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := tc.provider.For(tc.address).WithLogin(tc.login, tc.fullName)
			want := slices.Repeat([]string{tc.want, "everybody"}, 4)
			if got := usernames(a); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if a.Shared() != tc.shared || a.TakesLogin() != (tc.address.Local != "") || a.FullName != tc.fullName {
				t.Errorf("shared %t, takes a login name %t, %q", a.Shared(), a.TakesLogin(), a.FullName)
			}
			if h := a.Provider.Incoming[0].Hostname; h != "imap.example.com" {
				t.Errorf("the hostname is %s", h)
			}
			if tc.provider.Incoming[0].Username != settings.Login {
				t.Error("the catalogue's provider has changed")
			}
		})
	}
}

// A provider without %LOGIN% has nothing to do with a directory.
func TestNoLogin(t *testing.T) {
	p := &settings.Provider{Incoming: []settings.Server{{Hostname: "a.example.com", Username: settings.EmailAddress}}}
	a := p.For(fixture.Address(t, "fred@example.com"))
	if p.HasLogin() || a.TakesLogin() || !a.Shared() || p.WithoutLogin() != p || a.WithLogin("u77", "").Username(p.Incoming[0].Username) != "fred@example.com" {
		t.Errorf("%+v", a)
	}
	if a := (settings.Account{Address: a.Address, Provider: hosted("")}); a.Shared() {
		t.Error("an account that is not filled in is shared")
	}
}

func TestParseLogin(t *testing.T) {
	for in, want := range map[string]string{
		"%LOGIN%":      "",
		"%LOGIN%@x":    `"%LOGIN%@x" has more than %LOGIN%, which stands alone: the directory's login name is the whole username`,
		"%login%":      `"%login%" has an unknown placeholder or a stray %; %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN% are allowed, and %LOGIN% as a whole username`,
		"%EMAILLOGIN%": `"%EMAILLOGIN%" has an unknown placeholder or a stray %; %EMAILADDRESS%, %EMAILLOCALPART% and %EMAILDOMAIN% are allowed, and %LOGIN% as a whole username`,
	} {
		got := ""
		if _, err := settings.ParseUsername(in); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
