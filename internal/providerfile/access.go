package providerfile

import (
	"fmt"
	"slices"

	"milepost/internal/tomlfile"
	"milepost/settings"
)

// password reads which password mail programs need.
func password(t *tomlfile.Table) settings.Password {
	if t == nil {
		return settings.Password{Kind: settings.AccountPassword}
	}
	p := settings.Password{
		Kind: tomlfile.Required(t, "kind", tomlfile.OneOf(settings.PasswordKinds)),
		URL:  tomlfile.Optional(t, "url", httpsURL),
	}
	t.Done()
	return p
}

// enable reads what must be switched on first, for which of a provider's protocols.
func enable(t *tomlfile.Table, p *settings.Provider) []settings.Enable {
	offered := p.Protocols()
	if len(offered) == 0 { // all of them were refused, or there are to be none
		offered = slices.Concat(settings.IncomingProtocols, settings.OutgoingProtocols, settings.SetupProtocols, settings.ServiceProtocols)
	}
	var out []settings.Enable
	for _, et := range t.Tables("enable") {
		e := settings.Enable{URL: tomlfile.Optional(et, "url", httpsURL)}
		if e.Protocols = once(et, "protocols", offered); e.Protocols == nil {
			e.Protocols = offered
		}
		if text := et.Table("text"); text != nil {
			e.Text = texts(text, "")
			text.Done()
		} else if !et.Refused("text") {
			et.Errorf("text", "is missing; a text in at least one language is needed, as text.en")
		}
		et.Done()
		out = append(out, e)
	}
	return out
}

// devices reads on which devices a server works. This machine's own is found on no
// other one.
func devices(t *tomlfile.Table, loopback bool) []settings.Device {
	out := once(t, "devices", settings.Devices)
	if !loopback {
		return out
	}
	if t.Has("devices") && !t.Refused("devices") && !slices.Equal(out, []settings.Device{settings.Computer}) {
		t.Errorf("devices", "names others than computer, and the hostname is the computer's own; computer is allowed")
	}
	return []settings.Device{settings.Computer}
}

// once reads an array of words, each of which may stand once. Nil: there is no array.
func once[T ~string](t *tomlfile.Table, key string, allowed []T) []T {
	var read []T
	out, _ := tomlfile.Each(t, key, func(s string) (T, error) {
		v, err := tomlfile.OneOf(allowed)(s)
		if err == nil && slices.Contains(read, v) {
			err = fmt.Errorf("%q stands twice; once is allowed", v)
		}
		read = append(read, v)
		return v, err
	})
	if out != nil && len(read) == 0 && !t.Refused(key) {
		t.Errorf(key, "is empty; %s", tomlfile.Allowed(allowed))
	}
	return out
}

// inList makes a parser of the names in somebody's list.
func inList(whose string, names []string) func(string) (string, error) {
	return func(s string) (string, error) {
		if slices.Contains(names, s) {
			return s, nil
		}
		return "", fmt.Errorf("%q is not in the list of %s; it holds %q", s, whose, names)
	}
}
