package providerfile

import (
	"fmt"
	"strings"

	"milepost/address"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

const (
	defaultMTASTSAge = 7 * 24 * 3600
	shortMTASTSAge   = 24 * 3600
)

// mtasts reads a policy of MTA-STS.
func mtasts(t *tomlfile.Table) *settings.MTASTS {
	if t == nil {
		return nil
	}
	p := &settings.MTASTS{
		Mode:   tomlfile.Required(t, "mode", tomlfile.OneOf(settings.MTASTSModes)),
		MaxAge: uint32(tomlfile.Number(t, "max_age", defaultMTASTSAge, 0, settings.MaxMTASTSAge)),
	}
	var read []settings.DomainPattern
	p.MX, _ = tomlfile.Each(t, "mx", func(s string) (settings.DomainPattern, error) {
		mx, err := parseMX(s)
		for _, other := range read {
			if err == nil && other == mx {
				err = fmt.Errorf("%q stands twice; once is allowed", s)
			}
		}
		read = append(read, mx)
		return mx, err
	})
	if len(read) == 0 && (p.Mode == settings.Enforce || p.Mode == settings.Testing) && !t.Refused("mx") {
		t.Errorf("mx", "%s; the mode %q needs the names of the MX hosts", missing(t, "mx"), p.Mode)
	}
	// RFC 8461 §10.2: whoever can block the policy waits until it has aged.
	if p.Mode == settings.Enforce && p.MaxAge < shortMTASTSAge && !t.Refused("max_age") {
		t.WarnAt(t.Line("max_age"), "max_age", fmt.Errorf("is %d seconds, less than a day; so short a policy protects little, and some servers may not keep it", p.MaxAge))
	}
	t.Done()
	return p
}

// parseMX reads an MX host, or all hosts one label below a domain (RFC 8461 §4.1).
func parseMX(s string) (settings.DomainPattern, error) {
	name, wildcard := strings.CutPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return settings.DomainPattern{}, fmt.Errorf(`%q has a * where none can be; "mail.example.com" and "*.example.com" are allowed`, s)
	}
	d, err := address.ParseDomain(name)
	return settings.DomainPattern{Wildcard: wildcard, Domain: d}, err
}
