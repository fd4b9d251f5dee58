package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/internal/textfile"
)

// disagreements finds what is wrong with settings that each are right. Those that are
// wrong already are left out.
func (c *Config) disagreements(already textfile.Errors) (errs textfile.Errors) {
	add := func(name, format string, args ...any) {
		errs = append(errs, c.Mistake(name, fmt.Errorf(format, args...)))
	}
	refuse := func(name, format string, args ...any) {
		e := c.Mistake(name, nil)
		if !slices.ContainsFunc(already, func(a textfile.Error) bool { return a.File == e.File && a.Key == e.Key }) {
			add(name, format, args...)
		}
	}
	pair := func(cert, key string, hasCert, hasKey bool) {
		switch {
		case hasCert && !hasKey:
			refuse(cert, "has no key; %s is missing", c.other(cert, key))
		case hasKey && !hasCert:
			refuse(key, "has no certificate; %s is missing", c.other(key, cert))
		}
	}
	pair("tls.cert", "tls.key", c.TLS.Cert != "", c.TLS.Key != "")
	pair("signing.cert", "signing.key", c.Signing.Cert != "", c.Signing.Key != "")
	files := c.TLS.Cert != "" || c.TLS.Key != ""
	if c.TLS.ACME && files {
		refuse("tls.acme", "certificates come from ACME or from files, not from both; acme = true, or cert and key, is allowed")
	}
	if len(c.HTTPS.Listen) > 0 && !c.TLS.ACME && !files {
		refuse("https.listen", "HTTPS needs certificates; set acme = true, or cert and key, in [tls]")
	}
	if c.TLS.ACME && len(c.HTTPS.Listen) == 0 {
		refuse("tls.acme", "certificates are for HTTPS, which is not served; set listen in [https]")
	}
	if files && len(c.HTTPS.Listen) == 0 {
		set := "tls.cert"
		if c.TLS.Cert == "" {
			set = "tls.key"
		}
		refuse(set, "certificates are for HTTPS, which is not served; set listen in [https]")
	}
	if c.Signing.FromTLS {
		switch {
		case c.Signing.Cert != "" || c.Signing.Key != "":
			refuse("signing.from_tls", "profiles are signed with the certificate of [tls] or with files, not with both")
		case !c.TLS.ACME && !files:
			refuse("signing.from_tls", "there is no certificate in [tls]")
		case c.TLS.ACME && c.Service.Host == "":
			refuse("signing.from_tls", "the certificate is that of service.host, which is not set")
		}
	}
	if c.Proxy.Protocol && len(c.Proxy.Trusted) == 0 {
		refuse("proxy.protocol", "nobody is trusted to speak it; set trusted in [proxy]")
	}
	if len(c.HTTP.Listen)+len(c.HTTPS.Listen) == 0 && c.DNS.Listen == "" {
		refuse("http.listen", "nothing would be served; an address in http.listen, https.listen or dns.listen is needed")
	}
	if n := len(c.DNS.CookieSecrets); n > maxCookieSecrets {
		refuse("dns.cookie_secret", "there are %d secrets; %d are allowed, the one that makes cookies and one beside it", n, maxCookieSecrets)
	}
	if catalog := c.DNS.CatalogZone; catalog != "" {
		for _, z := range c.DNS.Zones {
			if z.Name != "" && (dns.IsSubDomain(catalog, z.Name) || dns.IsSubDomain(z.Name, catalog)) {
				add("dns.catalog_zone", "%s overlaps the zone %s of line %d; zones may not overlap", strings.TrimSuffix(catalog, "."), strings.TrimSuffix(z.Name, "."), z.Line)
			}
		}
	}
	for i, zone := range c.DNS.DomainZones {
		before := c.DNS.DomainZones[:i]
		if slices.Contains(before, zone) {
			add("dns.domain_zones", "%q stands there twice", zone)
			continue
		}
		for _, other := range before {
			if zone == Apex || other == Apex || strings.HasSuffix("."+zone, "."+other) || strings.HasSuffix("."+other, "."+zone) {
				add("dns.domain_zones", "%q and %q overlap; zones may not overlap", other, zone)
			}
		}
	}
	if !c.Catalogue.Builtin && len(c.Catalogue.Providers) == 0 {
		refuse("catalogue.builtin", "there are no providers: without the shipped ones, a directory in catalogue.providers (or -providers) is needed")
	}
	return errs
}

// other names a setting as people do who set another one: as an option of the command
// line, or as a key.
func (c *Config) other(set, name string) string {
	if strings.HasPrefix(c.origins[set].Name, "-") {
		for _, s := range Settings() {
			if s.Name() == name && s.Flag != "" {
				return "-" + s.Flag
			}
		}
	}
	return name
}
