package doctor

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"milepost/settings"
)

// Question is put to DNS.
type Question struct {
	Name   string // lower case, without its last dot
	Type   uint16
	Server string // the address of the name server that is asked itself; empty: the resolver is
}

func (q Question) String() string {
	s := dns.TypeToString[q.Type] + " " + q.Name
	if q.Server != "" {
		s += " @" + q.Server
	}
	return s
}

// Answer is what DNS said.
type Answer struct {
	Failure       Failure // there was no answer
	Rcode         int
	Authoritative bool     // the AA bit
	Authentic     bool     // the AD bit: the resolver has validated DNSSEC
	Bogus         bool     // it fails, and does not if nobody validates
	Records       []dns.RR // of the answer section, aliases included
	Referral      []dns.RR // NS records of the authority section
	Milliseconds  int
}

// Request is one exchange over HTTP or HTTPS; redirects are not followed. A POST has
// Outlook's request in its body.
type Request struct {
	Method string
	URL    string
}

func (r Request) String() string { return r.Method + " " + withoutQuery(r.URL) }

// withoutQuery is a URL as it may be told: the query has the address, and so may the path's end.
func withoutQuery(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return u
}

// Exchange is what a web server sent.
type Exchange struct {
	Failure       Failure
	Detail        string // of the failure, for people
	TLS           *TLS   // nil: in clear text, or there is none
	Status        int
	ContentType   string
	Location      []string // absolute or not, as it was sent
	Authenticates bool     // it asks for a login, with WWW-Authenticate
	Body          []byte   // of a 200, cut at MaxBody
	Cut           bool
	Milliseconds  int
}

// MaxBody is how much of an answer is read, in octets, unpacked; the longest real
// documents have some 10,000.
const MaxBody = 128 << 10

// Endpoint is a mail server, as a program would reach it; or, without a protocol, one
// address of a host, to see whether it answers at all.
type Endpoint struct {
	Protocol   settings.Protocol
	Host       string // lower case, or an IP address
	Port       uint16
	SocketType settings.SocketType
}

func (e Endpoint) String() string {
	if e.Protocol == "" {
		return "port " + netip.AddrPortFrom(netip.MustParseAddr(e.Host), e.Port).String()
	}
	return fmt.Sprintf("%s %s:%d %s", e.Protocol, e.Host, e.Port, e.SocketType)
}

// Greeting is what a mail server said, up to the moment in which a password would go.
type Greeting struct {
	Failure      Failure
	Detail       string
	TLS          *TLS              // nil: it has not come to that
	Speaks       settings.Protocol // which its greeting is of; empty: of none that is known
	Banner       string            // the greeting's first line
	Before       []string          // capabilities in clear text, where STARTTLS is asked for
	Capabilities []string          // those that hold for the login
	Milliseconds int
}

// Failure says why nothing came back.
type Failure string

const (
	NoAddress   Failure = "no address"     // the host name has none
	Refused     Failure = "refused"        // the port is closed
	Unreachable Failure = "unreachable"    // no route, or a firewall says so
	TimedOut    Failure = "timed out"      // nothing came within the probe's time
	NoTLS       Failure = "no TLS"         // something else answers, or the handshake is refused
	NoStartTLS  Failure = "no STARTTLS"    // the server does not offer the upgrade, or refuses it
	NotMail     Failure = "no mail server" // what answers is none
	NotHTTP     Failure = "no web server"  // what answers is none
	Forbidden   Failure = "not allowed"    // the address is one that must not be asked
	NotAsked    Failure = "not asked"      // the time was over, or there was too much to ask
	BrokenDNS   Failure = "DNS fails"      // no server answered that the resolver could use
)

// TLS is what a server showed.
type TLS struct {
	Names    []string      // of its certificate
	Issuer   string        // who signed that
	Problems []Certificate // none: programs take it
	DaysLeft int           // until it expires
	Key      string        // as "ECDSA P-256"
	Version  string        // as "TLS 1.3"
}

// Certificate is what programs refuse a certificate for.
type Certificate string

const (
	Expired    Certificate = "expired"
	NotYet     Certificate = "not-yet-valid"
	WrongName  Certificate = "wrong-name"
	Incomplete Certificate = "incomplete-chain" // its issuer is neither trusted nor sent along
	SelfSigned Certificate = "self-signed"
	Untrusted  Certificate = "untrusted" // nobody whom programs know has signed it
	WeakKey    Certificate = "weak-key"
)

// Observations are all that was seen.
type Observations struct {
	DNS  map[Question]Answer
	Web  map[Request]Exchange
	Mail map[Endpoint]Greeting

	parsed map[parsedAs]any // Judge comes again and again, and the documents are the same
}

// parsedAs is the answer to a request in one format.
type parsedAs struct {
	Request
	format string
}

// result is what a parser returned.
type result[T any] struct {
	value T
	err   error
}

// parse parses a document once.
func parse[T any](o *Observations, r Request, format string, body []byte, parse func([]byte) (T, error)) (T, error) {
	key := parsedAs{r, format}
	if known, ok := o.parsed[key].(result[T]); ok {
		return known.value, known.err
	}
	value, err := parse(body)
	o.parsed[key] = result[T]{value, err}
	return value, err
}

// NewObservations has seen nothing.
func NewObservations() *Observations {
	return &Observations{make(map[Question]Answer), make(map[Request]Exchange), make(map[Endpoint]Greeting), make(map[parsedAs]any)}
}

// NotAsked puts down that something was not asked.
func (o *Observations) NotAsked(w Want) {
	switch w := w.(type) {
	case Question:
		o.DNS[w] = Answer{Failure: NotAsked}
	case Request:
		o.Web[w] = Exchange{Failure: NotAsked}
	case Endpoint:
		o.Mail[w] = Greeting{Failure: NotAsked}
	}
}
