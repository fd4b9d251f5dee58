package config

import (
	"log/slog"
	"net/netip"
	"time"

	"milepost/internal/tomlfile"
	"milepost/settings"
)

// Setting is a key of milepost.toml under which one value stands: a word, a number, a
// list of words. It is defined once, here: the reader of the file and of the
// environment, the options of the command line, the example and the manual are all made
// of it.
type Setting struct {
	Table, Key string
	Flag       string // the option of the command line that sets it too; empty: there is none
	Doc        string // what it is for, in sentences
	Example    string // as TOML; empty: the default says enough
	Restart    bool   // a reload does not apply it
	kind
}

// Name is how the setting is called in messages, as "http.listen".
func (s *Setting) Name() string { return s.Table + "." + s.Key }

// Tables are the tables of milepost.toml in the order of the manual, with what each is
// for.
var Tables = []struct{ Name, Doc string }{
	{"http", "Plain HTTP. With HTTPS beside it, it serves documents to mail programs, of which some ask nothing else, and sends people to HTTPS."},
	{"https", "HTTPS, with the certificates of [tls]."},
	{"tls", "Certificates: milepost gets them by itself from an ACME server such as Let's Encrypt (acme = true), or reads them from files (cert and key)."},
	{"service", "This server itself: under which name it is reached, and how its pages look."},
	{"catalogue", "The providers and their domains."},
	{"lookup", "Domains that no provider names. Most belong to companies and families whose mail is at a provider: DNS says at which, by their MX hosts. A domain is answered so only if its host lies below a provider's mx. Only the domain of an address is asked about."},
	{"doctor", "An examination of domains on the pages: what each mail program would find for one, and what to do where it finds nothing. docs/doctor.md says what is asked and how that is bounded."},
	{"dns", "DNS answers for the domains of one's own providers. docs/dns.md explains the zones."},
	{"signing", "The certificate that Apple profiles are signed with; without one they are unsigned."},
	{"proxy", "Proxies in front of this server. docs/proxies.md has a configuration for each."},
	{"limits", "What one client, and all of them, may ask for."},
	{"log", "The log, on standard error."},
	{"admin", "Metrics, health and what proxies ask, for the machine's own people: not for the Internet."},
}

// Settings returns every setting, in the order of the manual.
func Settings() []*Setting {
	return []*Setting{
		{"http", "listen", "http", "Where to listen: HOST:PORT or :PORT; port 0 picks a free one. [] is nowhere.", `[":80"]`, true,
			list(func(c *Config) *[]ListenAddress { return &c.HTTP.Listen }, ParseListenAddress, quoted)},
		{"http", "drain", "drain", "How long a server that is told to stop goes on answering those who are connected.", "", true,
			one(func(c *Config) *time.Duration { return &c.HTTP.Drain }, parseDuration(0, time.Hour), duration)},

		{"https", "listen", "https", "Where to listen: HOST:PORT or :PORT; port 0 picks a free one.", `[":443"]`, true,
			list(func(c *Config) *[]ListenAddress { return &c.HTTPS.Listen }, ParseListenAddress, quoted)},

		{"tls", "acme", "", "Gets certificates when they are first needed: for service.host, and for autoconfig., autodiscover., ua-auto-config. and mta-sts. of every domain that one's own providers name. For no shipped provider, no wildcard and no other name. The names must lead here in DNS, port 80 or 443 of them to this server.", "true", true,
			boolean(func(c *Config) *bool { return &c.TLS.ACME })},
		{"tls", "email", "", "Where the ACME server may write to, if it does.", `"hostmaster@example.net"`, true,
			one(func(c *Config) *string { return &c.TLS.Email }, parseEmail, quoted)},
		{"tls", "directory", "", "The ACME server's directory (RFC 8555 §7.1.1).", `"https://acme-staging-v02.api.letsencrypt.org/directory"`, true,
			one(func(c *Config) *string { return &c.TLS.Directory }, parseDirectoryURL, quoted)},
		{"tls", "ca", "", "A file of certificates in PEM that the ACME server's own HTTPS is checked with; without it those of the system.", `"acme-ca.pem"`, true,
			path(func(c *Config) *string { return &c.TLS.CA })},
		{"tls", "storage", "", "A directory, or the postgres:// URL of a database, for certificates, their keys and the ACME account, to be kept: whoever loses it needs new ones. Several servers may share it. docs/operations.md says more of both.", "", true,
			pathOrURL(func(c *Config) *string { return &c.TLS.Storage })},
		{"tls", "copy", "", "A directory of this machine alone. Where storage is a database, the certificates that this server has served are copied there with their keys, for a start at which it is down.", "", true,
			path(func(c *Config) *string { return &c.TLS.Copy })},
		{"tls", "new_orders_per_hour", "", "For how many names that have none certificates are ordered an hour; renewals are not counted. Let's Encrypt allows an account 300 in three hours.", "", true,
			number(func(c *Config) *int { return &c.TLS.NewOrdersPerHour }, 1, 1_000_000)},
		{"tls", "cert", "", "A certificate with its intermediates, in PEM; read again when it changes.", `"cert.pem"`, true,
			path(func(c *Config) *string { return &c.TLS.Cert })},
		{"tls", "key", "", "The key of cert, in PEM.", `"key.pem"`, true,
			path(func(c *Config) *string { return &c.TLS.Key })},

		{"service", "host", "", "The name under which this server is reached and has its certificate; autoconfig. and autodiscover. lead there in DNS.", `"mail.example.net"`, false,
			one(func(c *Config) *settings.Hostname { return &c.Service.Host }, ParseHost, quoted)},
		{"service", "addresses", "", "The addresses of this server: with them, autoconfig. and autodiscover. have A and AAAA records, else a CNAME.", `["192.0.2.1", "2001:db8::1"]`, false,
			list(func(c *Config) *[]netip.Addr { return &c.Service.Addresses }, ParseIP, asText)},
		{"service", "public_url", "public-url", "The HTTPS address under which people and mail programs reach this server, as https://mail.example.net: Autodiscover requests by plain HTTP are sent there, and the pages have a QR code that opens a profile there. Default: https:// and service.host, if [https] is served.", `"https://mail.example.net"`, false,
			one(func(c *Config) *string { return &c.Service.PublicURL }, ParsePublicURL, quoted)},
		{"service", "name", "", "The service's name on its pages: 1 to 40 characters.", `"Example Mail"`, false,
			text(func(c *Config) *string { return &c.Service.Name })},
		{"service", "logo", "", "A PNG of at most 2048 by 2048 pixels or an SVG without script, at most 32 kB.", `"logo.svg"`, false,
			path(func(c *Config) *string { return &c.Service.LogoFile })},
		{"service", "colour", "", "The pages' colour; darkened for the light scheme and lightened for the dark one as far as reading needs it.", `"#1d5f8a"`, false,
			text(func(c *Config) *string { return &c.Service.Colour })},
		{"service", "support_url", "", "Where people get help: an https: or a mailto: URL.", `"mailto:help@example.com"`, false,
			text(func(c *Config) *string { return &c.Service.SupportURL })},

		{"catalogue", "providers", "providers", "Provider files (*.toml), and directories of them. A later one's provider replaces an earlier one's, and the shipped one's, by id, and takes its domains over.", `["providers"]`, false,
			paths(func(c *Config) *[]string { return &c.Catalogue.Providers })},
		{"catalogue", "builtin", "", "Whether the shipped providers are served too.", "", false,
			boolean(func(c *Config) *bool { return &c.Catalogue.Builtin })},
		{"catalogue", "check_every", "", "How often the content of this file, of the provider files and of whatever they name is compared with what is served; a change is taken over. 0s: only at SIGHUP.", "", true,
			one(func(c *Config) *time.Duration { return &c.Catalogue.CheckEvery }, parseDuration(0, 24*time.Hour), duration)},
		{"catalogue", "state", "", "A directory in which what each [[source]] said last is kept, for a start at which it is down; without it its domains are missing then.", "", true,
			path(func(c *Config) *string { return &c.Catalogue.State })},

		{"lookup", "mx", "", "For whom DNS is asked: \"pages\" for people (the pages, the JSON and the profiles that they link to), \"all\" or true for mail programs too, \"off\" or false for nobody. With a default provider nobody is asked, for it serves every domain.", "", false,
			word(func(c *Config) *MX { return &c.Lookup.MX }, parseMX, quoted)},
		{"lookup", "resolver", "", "The resolver that is asked, by its IP address, with a port if that is not 53. Default: those of /etc/resolv.conf. A look-up takes 2 seconds at most.", `"127.0.0.1:53"`, true,
			one(func(c *Config) *netip.AddrPort { return &c.Lookup.Resolver }, parseResolver, resolver)},
		{"lookup", "rate", "", "How many look-ups a second may be asked of it, for all clients together; more domains are unknown for the moment. What is in memory is not counted.", "", true,
			number(func(c *Config) *int { return &c.Lookup.Rate }, 1, 10_000)},

		{"doctor", "web", "", "Whether visitors may have domains examined, at /doctor and /api/v1/doctor. The resolver of [lookup] is asked; public addresses alone are connected to, and none of this machine's own.", "true", false,
			boolean(func(c *Config) *bool { return &c.Doctor.Web })},
		{"doctor", "allow", "", "The networks that may be connected to all the same, at the ports of mail and the web: those of one's own mail servers, and of this server, if they are private or its own. Whoever can open the pages learns what answers there.", `["192.0.2.10/32", "10.1.2.0/24"]`, false,
			list(func(c *Config) *[]netip.Prefix { return &c.Doctor.Allow }, parsePrefix, asText)},

		{"dns", "listen", "dns", "Where to answer DNS questions, over UDP and TCP; port 0 picks a free one. Without it DNS is not served.", `":53"`, true,
			one(func(c *Config) *ListenAddress { return &c.DNS.Listen }, ParseListenAddress, quoted)},
		{"dns", "domain_zones", "", "For which names of every domain of one's own providers the server is authoritative: names below the domain, or \"@\" for the domain itself.", "", false,
			list(func(c *Config) *[]string { return &c.DNS.DomainZones }, parseDomainZone, quoted)},
		{"dns", "not_offered", "", "Which services, if a provider lacks them, have a record that says so: \"mail\" (IMAP, POP3 and submission) or \"all\".", "", false,
			one(func(c *Config) *bool { return &c.DNS.AllNotOffered }, ParseNotOffered, notOffered)},
		{"dns", "hostmaster", "", "The mailbox in the SOA; default: hostmaster@ each domain.", `"hostmaster@example.net"`, false,
			one(func(c *Config) *string { return &c.DNS.Mailbox }, parseMailbox, mailbox)},
		{"dns", "ttl", "", "Seconds that an answer may be kept.", "", false,
			number(func(c *Config) *uint32 { return &c.DNS.TTL }, 1, maxTTL)},
		{"dns", "negative_ttl", "", "Seconds that the lack of one may be kept.", "", false,
			number(func(c *Config) *uint32 { return &c.DNS.NegativeTTL }, 1, maxTTL)},
		{"dns", "catalog_zone", "", "The name of a zone that lists all others (RFC 9432), for secondaries: they set up by themselves what it has, and drop what it no longer has. It is for those who may copy zones, and lies in no other zone.", `"catalog.example.net"`, false,
			one(func(c *Config) *string { return &c.DNS.CatalogZone }, parseCatalogZone, withoutDot)},
		{"dns", "cookie_secret", "", "Secrets of DNS cookies (RFC 9018), 32 hexadecimal digits each ('openssl rand -hex 16' makes one): the first makes cookies, a second one is still, or already, taken. Servers behind one address need the same. Default: each server draws its own.", `["e5e973e5a6b2a43f48e7dc849e37bfcf"]`, false,
			secret(list(func(c *Config) *[]CookieSecret { return &c.DNS.CookieSecrets }, parseCookieSecret, hexadecimal))},
		{"dns", "serial_file", "", "Keeps the highest serial between runs, for machines whose clock is behind when they start.", `"/var/lib/milepost/serial"`, false,
			path(func(c *Config) *string { return &c.DNS.SerialFile })},
		{"dns", "serial_storage", "", "Where replicas agree on the serials of their zones, as tls.storage: a directory that all of them have, or the postgres:// URL of a database. Without it a serial is of the process's own clock.", `"postgres://milepost@db.example.net/milepost"`, true,
			pathOrURL(func(c *Config) *string { return &c.DNS.SerialStorage })},
		{"dns", "rate_limit", "", "Responses a second of one kind to one network; 0: no limit.", "", false,
			number(func(c *Config) *int { return &c.DNS.RateLimit }, 0, 1_000_000)},

		{"signing", "cert", "sign-cert", "A certificate with its intermediates, in PEM; read again when it changes.", `"cert.pem"`, true,
			path(func(c *Config) *string { return &c.Signing.Cert })},
		{"signing", "key", "sign-key", "The RSA or ECDSA key of cert, in PEM.", `"key.pem"`, true,
			path(func(c *Config) *string { return &c.Signing.Key })},
		{"signing", "from_tls", "", "Signs with the certificate that [tls] has for service.host.", "true", true,
			boolean(func(c *Config) *bool { return &c.Signing.FromTLS })},

		{"proxy", "trusted", "", "The networks of proxies that are believed when they say for whom they ask. Nobody else is; with [] nobody at all. docs/proxies.md says when that is needed.", `["127.0.0.0/8", "::1/128", "10.0.0.0/8"]`, true,
			list(func(c *Config) *[]netip.Prefix { return &c.Proxy.Trusted }, parsePrefix, asText)},
		{"proxy", "protocol", "", "Whether those proxies speak the PROXY protocol (version 1 or 2); they must then, on every connection.", "", true,
			boolean(func(c *Config) *bool { return &c.Proxy.Protocol })},

		{"limits", "rate", "", "Requests a second of one client (an IPv4 address, or a /64 of IPv6) in the long run; 0: no limit. An office behind one address is one client.", "", true,
			number(func(c *Config) *int { return &c.Limits.Rate }, 0, 1_000_000)},
		{"limits", "burst", "", "How many requests one client may make at once.", "", true,
			number(func(c *Config) *int { return &c.Limits.Burst }, 1, 1_000_000)},
		{"limits", "requests_at_once", "", "How many requests are worked on at a time; to more the server says 503, and when to come back. 0: no limit.", "", true,
			number(func(c *Config) *int { return &c.Limits.AtOnce }, 0, 1_000_000)},
		{"limits", "connections", "", "Open connections in total; more end those that have gone longest without an answer. The descriptors of the process bound it too.", "", true,
			number(func(c *Config) *int { return &c.Limits.Connections }, 16, 1_000_000)},
		{"limits", "connections_per_client", "", "Open connections of one client; more end the one that has gone longest without an answer. Loopback and trusted proxies have no bound of their own.", "", true,
			number(func(c *Config) *int { return &c.Limits.ConnectionsPerClient }, 1, 1_000_000)},

		{"log", "format", "", "\"text\" (key=value) or \"json\", a line an event.", "", true,
			one(func(c *Config) *string { return &c.Log.Format }, tomlfile.OneOf([]string{"text", "json"}), quoted)},
		{"log", "level", "", "\"debug\", \"info\" (each request too), \"warn\" or \"error\": what is less is not written.", "", true,
			one(func(c *Config) *slog.Level { return &c.Log.Level }, parseLevel, level)},

		{"admin", "listen", "admin", "Where to answer /metrics, /healthz, /readyz and /internal/tls-allowed; port 0 picks a free one.", `"127.0.0.1:9180"`, true,
			one(func(c *Config) *ListenAddress { return &c.Admin.Listen }, ParseListenAddress, quoted)},
		{"admin", "pprof", "", "Whether Go's profiler is served there, below /debug/pprof/.", "", true,
			boolean(func(c *Config) *bool { return &c.Admin.PProf })},
	}
}

// defaults is the configuration in which nothing is set.
func defaults() *Config {
	return &Config{
		HTTP: HTTP{Listen: []ListenAddress{"127.0.0.1:8080"}, Drain: 5 * time.Second},
		TLS: TLS{
			Directory:        "https://acme-v02.api.letsencrypt.org/directory",
			Storage:          "/var/lib/milepost/certificates",
			Copy:             "/var/lib/milepost/copy",
			NewOrdersPerHour: 60,
		},
		Catalogue: Catalogue{Builtin: true, CheckEvery: 5 * time.Second, State: "/var/lib/milepost/sources"},
		Lookup:    Lookup{MX: MXPages, Rate: 50},
		DNS: DNS{
			DomainZones: []string{"_tcp", "autoconfig", "autodiscover"},
			TTL:         3600, NegativeTTL: 300,
			RateLimit: 50,
		},
		Proxy:  Proxy{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
		Limits: Limits{Rate: 50, Burst: 2000, AtOnce: 2048, Connections: 2048, ConnectionsPerClient: 1024},
		Log:    Log{Format: "text", Level: slog.LevelInfo},
	}
}
