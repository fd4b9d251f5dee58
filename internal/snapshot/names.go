package snapshot

import (
	"slices"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// httpsLabels begin the names below a domain that clients ask over HTTPS: Mozilla's,
// Microsoft's, PACC's, and that of RFC 8461.
var httpsLabels = []string{"autoconfig", "autodiscover", "ua-auto-config", "mta-sts"}

// Host is the name under which the service is reached: the configured one, or that of
// the public URL; empty: neither is known.
func (s *Snapshot) Host() settings.Hostname { return s.host }

// MayHaveCertificate tells whether a certificate may be ordered for a name: the
// service's host, and names below a domain that one of the admin's own providers names, in its file or in a table.
// A wildcard names no domain: whoever asks for ever new names below it would have ever
// new certificates ordered.
func (s *Snapshot) MayHaveCertificate(name string) bool {
	d, err := address.ParseDomain(name)
	if err != nil {
		return false
	}
	if d.ASCII == string(s.Host()) {
		return true
	}
	label, below, ok := strings.Cut(d.ASCII, ".")
	if !ok || !slices.Contains(httpsLabels, label) {
		return false
	}
	_, ok = s.Catalogue.Claim(address.Domain{ASCII: below})
	return ok
}
