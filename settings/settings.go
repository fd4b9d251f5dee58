// Package settings says what a mail provider offers: its servers, services and
// what a person needs to know. It is the one model that every format is
// rendered from, and it knows no wire format and no file format.
//
// The words are those of draft-ietf-mailmaint-autoconfig.
package settings

import (
	"slices"
	"strings"

	"milepost/address"
)

// Protocol is what a server or a service speaks.
type Protocol string

// The protocols of servers found by hostname and port.
const (
	IMAP        Protocol = "imap"        // RFC 9051, incoming
	POP3        Protocol = "pop3"        // RFC 1939, incoming
	SMTP        Protocol = "smtp"        // message submission (RFC 6409), outgoing
	ManageSieve Protocol = "managesieve" // RFC 5804, set-up of mail filters
)

// The protocols of services found by URL.
const (
	JMAP       Protocol = "jmap"       // RFC 8620, mail and more
	CalDAV     Protocol = "caldav"     // RFC 4791, calendars
	CardDAV    Protocol = "carddav"    // RFC 6352, address books
	WebDAV     Protocol = "webdav"     // RFC 4918, files
	ActiveSync Protocol = "activesync" // Exchange ActiveSync, MS-ASHTTP
	EWS        Protocol = "ews"        // Exchange Web Services, MS-OXWSMSG
)

// The protocols that stand in each list of a Provider, in their customary order.
var (
	IncomingProtocols = []Protocol{IMAP, POP3}
	OutgoingProtocols = []Protocol{SMTP}
	SetupProtocols    = []Protocol{ManageSieve}
	ServiceProtocols  = []Protocol{JMAP, CalDAV, CardDAV, WebDAV, ActiveSync, EWS}
)

// SocketType says when TLS starts on a connection.
type SocketType string

const (
	SSL      SocketType = "SSL"      // TLS from the first byte
	STARTTLS SocketType = "STARTTLS" // clear text that must be upgraded
	Plain    SocketType = "plain"    // never
)

// SocketTypes lists the socket types, the safest first.
var SocketTypes = []SocketType{SSL, STARTTLS, Plain}

// Encrypted tells whether a password sent over such a connection is encrypted.
func (t SocketType) Encrypted() bool { return t == SSL || t == STARTTLS }

var defaultPorts = map[Protocol]map[SocketType]uint16{
	IMAP:        {SSL: 993, STARTTLS: 143, Plain: 143},
	POP3:        {SSL: 995, STARTTLS: 110, Plain: 110},
	SMTP:        {SSL: 465, STARTTLS: 587, Plain: 25},
	ManageSieve: {SSL: 4190, STARTTLS: 4190, Plain: 4190},
}

// DefaultPort returns the registered port of a protocol with a socket type
// (RFC 6186, RFC 8314 §7, RFC 5804), or 0 if there is none.
func DefaultPort(p Protocol, t SocketType) uint16 { return defaultPorts[p][t] }

// Authentication is one way to log in.
type Authentication string

// The methods of servers found by hostname.
const (
	PasswordCleartext Authentication = "password-cleartext" // PLAIN, LOGIN or the protocol's own
	PasswordEncrypted Authentication = "password-encrypted" // CRAM-MD5, DIGEST-MD5, SCRAM
	NTLM              Authentication = "NTLM"
	GSSAPI            Authentication = "GSSAPI"          // Kerberos
	TLSClientCert     Authentication = "TLS-client-cert" // SASL EXTERNAL
	OAuth2            Authentication = "OAuth2"          // OAUTHBEARER, XOAUTH2; for services too
	ClientIPAddress   Authentication = "client-IP-address"
	None              Authentication = "none"
)

// The methods of services found by URL, beside OAuth2 (RFC 7617, RFC 7616).
const (
	Basic  Authentication = "Basic"
	Digest Authentication = "Digest"
)

// The methods that a Server and a Service may list.
var (
	ServerAuthentications  = []Authentication{PasswordCleartext, PasswordEncrypted, NTLM, GSSAPI, TLSClientCert, OAuth2, ClientIPAddress, None}
	ServiceAuthentications = []Authentication{Basic, Digest, OAuth2}
)

// Password tells whether the method asks for a password.
func (a Authentication) Password() bool {
	return a == PasswordCleartext || a == PasswordEncrypted || a == Basic || a == Digest
}

// Server is an incoming, outgoing or set-up server: found by hostname and port.
type Server struct {
	Protocol       Protocol
	Hostname       Hostname
	Port           uint16 // 1 to 65535
	SocketType     SocketType
	Authentication []Authentication // the provider's preference first; at least one
	Username       Username
	Devices        []Device // on which it works; empty: on all
}

// TakesPassword tells whether any of the server's methods asks for a password.
func (s Server) TakesPassword() bool {
	return slices.ContainsFunc(s.Authentication, Authentication.Password)
}

// Service is what a provider offers at a URL.
type Service struct {
	Protocol       Protocol
	URL            URL
	Authentication []Authentication // the provider's preference first; at least one
	Username       Username
}

// OAuth2Settings tell where an OAuth 2.0 client (RFC 6749) of the provider
// goes. There is no place for a client secret: what is published is no secret.
type OAuth2Settings struct {
	Issuer   string // a hostname or an https URL (RFC 8414 §2)
	AuthURL  URL
	TokenURL URL
	Scope    string // separated by spaces
	ClientID string // a public client's, or empty
}

// Text is a sentence in one language.
type Text struct {
	Lang  string // a BCP 47 tag
	Value string
}

// InLanguage returns the text for the readers of a language: the one with its
// tag, else one with its base language (pt for pt-BR, and pt-BR for pt), else an
// English one, else the first.
func InLanguage(texts []Text, lang string) Text {
	best, _ := highest(texts, func(t Text) int {
		switch {
		case t.Lang == lang:
			return 4
		case baseLanguage(t.Lang) == baseLanguage(lang):
			return 3
		case t.Lang == "en":
			return 2
		case baseLanguage(t.Lang) == "en":
			return 1
		}
		return 0
	})
	return best
}

func baseLanguage(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return base
}

// highest returns the first element of the highest rank. Those whose rank is
// negative do not count.
func highest[T any](list []T, rank func(T) int) (best T, ok bool) {
	bestRank := -1
	for _, x := range list {
		if r := rank(x); r > bestRank {
			best, bestRank = x, r
		}
	}
	return best, bestRank >= 0
}

// Documentation is a help page of the provider.
type Documentation struct {
	URL          URL
	Descriptions []Text
}

// Notice is what a person must know before setting the account up, and no other
// field can say: that the service has closed, or moves.
type Notice struct {
	URL  URL // where to read more or to act; may be empty
	Text []Text
}

// Kind tells in which table for people a provider stands.
type Kind string

const (
	InternetProvider Kind = "internet-provider"
	MailService      Kind = "mail-service"
)

// Kinds lists the kinds.
var Kinds = []Kind{InternetProvider, MailService}

// DomainPattern names the domains that a provider serves: one domain, or with
// Wildcard all domains below it. A Wildcard without Domain is every domain.
type DomainPattern struct {
	Wildcard bool
	Domain   address.Domain
}

// String returns the pattern as it is written: example.com, *.example.com or *.
func (p DomainPattern) String() string {
	switch {
	case !p.Wildcard:
		return p.Domain.ASCII
	case p.Domain.IsZero():
		return "*"
	}
	return "*." + p.Domain.ASCII
}

// MTASTS is a policy of SMTP MTA Strict Transport Security (RFC 8461 §3.2) for all
// domains of a provider: what other mail servers are to demand of those that take mail
// for them.
type MTASTS struct {
	Mode   MTASTSMode
	MaxAge uint32          // seconds for which it may be kept, at most MaxMTASTSAge
	MX     []DomainPattern // whose certificates are valid: at least one unless Mode is none; never *
}

// MTASTSMode says what a server does that finds no such certificate (RFC 8461 §5).
type MTASTSMode string

const (
	Enforce  MTASTSMode = "enforce" // does not deliver
	Testing  MTASTSMode = "testing" // delivers, and reports it
	NoPolicy MTASTSMode = "none"    // delivers: the policy is being withdrawn
)

// MTASTSModes lists the modes.
var MTASTSModes = []MTASTSMode{Enforce, Testing, NoPolicy}

// MaxMTASTSAge is a year (RFC 8461 §3.2).
const MaxMTASTSAge = 31557600

// Provider is everything that one provider offers. It is shared between
// requests and must not be changed.
type Provider struct {
	ID          string // hostname syntax
	DisplayName string // at most 60 characters
	ShortName   string // at most 20 characters
	Domains     []DomainPattern
	MX          []address.Domain // the domains that hold the provider's MX hosts

	Incoming []Server // the provider's preference first, as in all lists
	Outgoing []Server
	Setup    []Server
	Services []Service
	OAuth2   *OAuth2Settings // nil: none

	// Where Outlook finds the Exchange server that has the mailboxes; at most one
	// of the two is set. The address is a template.
	AutodiscoverRedirectURL     URL
	AutodiscoverRedirectAddress Username

	// LoginFallback stands in for [Login] where the login name is not known; empty:
	// [EmailAddress].
	LoginFallback Username

	MTASTS *MTASTS // nil: none

	// What a person needs before a mail program can get in.
	Password       Password
	Enable         []Enable
	NoMailPrograms bool // the service opens to its own programs alone; there are no servers

	Documentation []Documentation
	Notice        *Notice // nil: none
	Webmail       URL

	// For people alone.
	Closed     bool // the service exists no more; its servers are a record
	Kind       Kind
	Country    string // ISO 3166-1 alpha-2, or empty
	Website    string
	AppleName  string // of AppleNames; empty: Apple does not list the provider
	GoogleName string // of GoogleNames; empty: the Gmail app does not list it
	Source     string // where these facts come from
	Checked    Date   // of the copy of the source in which they were read; empty: nobody has read one
}

// Service returns the first service of a protocol whose URL has no placeholder
// left; the zero Service: there is none.
func (p *Provider) Service(protocol Protocol) Service {
	i := slices.IndexFunc(p.Services, func(s Service) bool { return s.Protocol == protocol && s.URL.Filled() })
	if i < 0 {
		return Service{}
	}
	return p.Services[i]
}

// Protocols lists what the provider's servers and services speak, each once.
func (p *Provider) Protocols() []Protocol {
	var out []Protocol
	add := func(protocol Protocol) {
		if protocol != "" && !slices.Contains(out, protocol) {
			out = append(out, protocol)
		}
	}
	for _, s := range slices.Concat(p.Incoming, p.Outgoing, p.Setup) {
		add(s.Protocol)
	}
	for _, s := range p.Services {
		add(s.Protocol)
	}
	return out
}

// Best returns the server of a protocol that a program should use: encrypted
// before clear text, then one that takes a password before one that does not
// (most programs have no other way in), then the provider's order.
func Best(servers []Server, p Protocol) (Server, bool) {
	return highest(servers, func(s Server) int {
		encrypted, password := s.SocketType.Encrypted(), s.TakesPassword()
		switch {
		case s.Protocol != p:
			return -1
		case encrypted && password:
			return 3
		case encrypted:
			return 2
		case password:
			return 1
		}
		return 0
	})
}

// Recommended returns the best server of each protocol, in the order of the
// protocols, for documents that hold one of each. If any of them is encrypted,
// those in clear text are left out: nobody needs them then.
func Recommended(servers []Server, protocols []Protocol) []Server {
	best := make([]Server, 0, len(protocols))
	encrypted := false
	for _, p := range protocols {
		if s, ok := Best(servers, p); ok {
			best = append(best, s)
			encrypted = encrypted || s.SocketType.Encrypted()
		}
	}
	if encrypted {
		best = slices.DeleteFunc(best, func(s Server) bool { return !s.SocketType.Encrypted() })
	}
	return best
}
