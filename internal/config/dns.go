package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
)

// DNS says what the server is authoritative for and who may copy it.
type DNS struct {
	Listen        ListenAddress  // empty: DNS is not served
	DomainZones   []string       // zones of every domain of the admin's own providers: names below it, or [Apex]
	AllNotOffered bool           // says "not offered" of every service that a provider lacks, not of mail's own alone
	Mailbox       string         // of the SOA: an absolute name; empty: hostmaster of each domain
	TTL           uint32         // seconds
	NegativeTTL   uint32         // seconds
	CatalogZone   string         // lists all other zones (RFC 9432): an absolute name; empty: there is none
	CookieSecrets []CookieSecret // the first makes cookies, all check them; none: they are drawn
	SerialFile    string         // keeps the highest serial between runs; empty: none does
	RateLimit     int            // responses a second of one kind to one network; 0: no limit
	SerialStorage string         // where replicas agree on serials: a directory or a postgres:// URL, which may hold a password; empty: they do not
	NameServers   []NameServer
	Zones         []Zone
	Secondaries   []Secondary
	Keys          []Key
}

// Apex stands for the domain itself among [DNS.DomainZones].
const Apex = "@"

// NameServer is a server of the zones. Addresses are needed if its name lies in one
// of them.
type NameServer struct {
	Line      int
	Name      string // absolute
	Addresses []netip.Addr
}

// Zone is a zone that is set by name. No two of them overlap.
type Zone struct {
	Line    int
	Name    string // absolute: a domain, or a name below one
	File    string // of the records; empty: there is none
	Records []Record
}

// Record is a record of a zone's file.
type Record struct {
	dns.RR
	Line int // where it ends
}

// Secondary is a server that gets a NOTIFY (RFC 1996) of changes and may transfer
// the zones.
type Secondary struct {
	Address netip.AddrPort
	Key     string // absolute name of the key that it signs with; empty: its address is enough
}

// Key is a TSIG key (RFC 8945): whoever signs with it may transfer the zones.
type Key struct {
	Name      string // absolute, in lower case
	Algorithm string // as dns.HmacSHA256
	Secret    string // base64
}

// CookieSecret is what DNS cookies are made with (RFC 9018 §4.4).
type CookieSecret [16]byte

const (
	maxCookieSecrets = 2 // RFC 9018 §5
	// maxCatalogZone is the length of the longest name of a catalog zone, below which the
	// member nodes are.
	maxCatalogZone = 253 - 40
	maxTTL         = 7 * 24 * 3600
	leastSecret    = 16 // octets
	maxRecords     = 100_000
	maxRecordsSize = 4 * maxZone // octets on the wire, where names are longer than in the file
)

// SpeaksOfDNS tells whether anything of [dns] is set.
func (c *Config) SpeaksOfDNS() bool {
	d := &c.DNS
	for name := range c.origins {
		if strings.HasPrefix(name, "dns.") {
			return true
		}
	}
	return len(d.NameServers)+len(d.Zones)+len(d.Keys)+len(d.Secondaries) > 0
}

// readArrays reads the tables within the table. It returns the mistakes in zone files;
// the table keeps its own.
func (d *DNS) readArrays(t *tomlfile.Table, dir string, seen *textfile.Seen) textfile.Errors {
	for _, ns := range t.Tables("name_server") {
		d.readNameServer(ns)
	}
	for _, k := range t.Tables("key") {
		d.readKey(k)
	}
	for _, s := range t.Tables("secondary") {
		d.readSecondary(s)
	}
	var errs textfile.Errors
	for _, z := range t.Tables("zone") {
		errs = append(errs, d.readZone(z, dir, seen)...)
	}
	return errs
}

// ParseNotOffered reads of which services, if a provider lacks them, the records say
// so: of mail's own (IMAP, POP3 and submission), or of all.
func ParseNotOffered(s string) (all bool, err error) {
	word, err := tomlfile.OneOf([]string{"mail", "all"})(s)
	return word == "all", err
}

// ParseTTL reads how long a record may be kept, in seconds.
func ParseTTL(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31) // RFC 2181 §8
	if err != nil || n == 0 {
		return 0, errors.New("is no number of seconds; 1 to 2147483647 are allowed")
	}
	return uint32(n), nil
}

func (d *DNS) readNameServer(t *tomlfile.Table) {
	ns := NameServer{Line: t.Line("name")}
	ns.Name = tomlfile.Required(t, "name", func(s string) (string, error) {
		h, err := ParseHost(s)
		return dns.Fqdn(string(h)), err
	})
	ns.Addresses, _ = tomlfile.Each(t, "addresses", ParseIP)
	for _, other := range d.NameServers {
		if ns.Name != "" && other.Name == ns.Name {
			t.Errorf("name", "%s is set at line %d already", strings.TrimSuffix(ns.Name, "."), other.Line)
		}
	}
	t.Done()
	d.NameServers = append(d.NameServers, ns)
}

// algorithms lists those of RFC 8945 §6 that are not broken.
var algorithms = []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"}

func (d *DNS) readKey(t *tomlfile.Table) {
	k := Key{Algorithm: dns.HmacSHA256}
	k.Name = tomlfile.Required(t, "name", parseName)
	if t.Has("algorithm") {
		k.Algorithm = dns.Fqdn(tomlfile.Optional(t, "algorithm", tomlfile.OneOf(algorithms)))
	}
	k.Secret = tomlfile.Required(t, "secret", parseSecret)
	for _, other := range d.Keys {
		if k.Name != "" && other.Name == k.Name {
			t.Errorf("name", "%s is set twice; each key needs a name of its own", strings.TrimSuffix(k.Name, "."))
		}
	}
	t.Done()
	d.Keys = append(d.Keys, k)
}

// parseSecret reads a key's secret. The messages do not repeat it.
func parseSecret(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", errors.New("is no base64; 'openssl rand -base64 32' makes a secret")
	}
	if len(b) < leastSecret {
		return "", fmt.Errorf("has %d octets; at least %d are needed: 'openssl rand -base64 32' makes a secret", len(b), leastSecret)
	}
	return s, nil
}

func (d *DNS) readSecondary(t *tomlfile.Table) {
	var s Secondary
	s.Address = tomlfile.Required(t, "address", parseAddrPort)
	s.Key = tomlfile.Optional(t, "key", func(s string) (string, error) {
		wanted, err := parseName(s)
		if err != nil {
			return "", err
		}
		var names []string
		for _, k := range d.Keys {
			if k.Name == wanted {
				return wanted, nil
			}
			if n := strings.TrimSuffix(k.Name, "."); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		if len(names) == 0 {
			return "", fmt.Errorf("%q is no key; there is no [[dns.key]]", s)
		}
		return "", fmt.Errorf("%q is no key; %s", s, tomlfile.Allowed(names))
	})
	t.Done()
	d.Secondaries = append(d.Secondaries, s)
}

// parseAddrPort reads an address. Its port is DNS's own unless it says otherwise.
func parseAddrPort(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 53), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf(`%q is no address; "192.0.2.1", "192.0.2.1:5353" and "[2001:db8::1]:53" are allowed`, s)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}

func (d *DNS) readZone(t *tomlfile.Table, dir string, seen *textfile.Seen) textfile.Errors {
	z := Zone{Line: t.Line("name")}
	z.Name = tomlfile.Required(t, "name", parseName)
	for _, other := range d.Zones {
		switch {
		case z.Name == "" || other.Name == "":
		case z.Name == other.Name:
			t.Errorf("name", "%s is set at line %d already", strings.TrimSuffix(z.Name, "."), other.Line)
		case dns.IsSubDomain(other.Name, z.Name), dns.IsSubDomain(z.Name, other.Name):
			t.Errorf("name", "%s overlaps the zone %s of line %d; zones may not overlap", strings.TrimSuffix(z.Name, "."), strings.TrimSuffix(other.Name, "."), other.Line)
		}
	}
	var errs textfile.Errors
	if file, ok := t.String("records"); ok && z.Name != "" {
		z.File = within(dir, file)
		data, err := seen.ReadFile(z.File, maxZone)
		if err != nil {
			t.Errorf("records", "%s: %w", z.File, err)
		}
		z.Records, errs = parseRecords(z.File, data, z.Name, d.TTL)
	}
	t.Done()
	d.Zones = append(d.Zones, z)
	return errs
}

// parseRecords reads a master file (RFC 1035 §5). $INCLUDE is refused by the parser.
func parseRecords(file string, data []byte, origin string, ttl uint32) ([]Record, textfile.Errors) {
	text := &lineReader{Reader: bytes.NewReader(data), line: 1}
	p := dns.NewZoneParser(text, origin, "")
	p.SetDefaultTTL(ttl)
	var records []Record
	size := 0
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if size += dns.Len(rr); len(records) == maxRecords || size > maxRecordsSize {
			return nil, textfile.Errors{{File: file, Line: text.line, Err: fmt.Errorf("is where the file exceeds %d records or %d MiB of them; so much is allowed ($GENERATE makes a record of each number)", maxRecords, maxRecordsSize>>20)}}
		}
		records = append(records, Record{rr, text.line})
	}
	if err := p.Err(); err != nil {
		reason, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "dns: "), " at line: ")
		return nil, textfile.Errors{{File: file, Line: text.line, Err: errors.New(reason)}}
	}
	return records, nil
}

// lineReader knows the line of the octet that was read last. The parser reads octet
// by octet, and no further than the end of a record.
type lineReader struct {
	*bytes.Reader
	line  int
	ended bool // by that octet
}

func (r *lineReader) ReadByte() (byte, error) {
	c, err := r.Reader.ReadByte()
	if err == nil && r.ended {
		r.line++
	}
	r.ended = c == '\n'
	return c, err
}

// parseDomainZone reads the name of a zone relative to its domain, or [Apex].
func parseDomainZone(s string) (string, error) {
	if s == Apex {
		return s, nil
	}
	n, err := parseName(s)
	return strings.TrimSuffix(n, "."), err
}

var label = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$`)

// parseName reads a name, whose labels may start with an underscore (RFC 8552), and
// returns it absolute and in lower case.
func parseName(s string) (string, error) {
	n := strings.ToLower(strings.TrimSuffix(s, "."))
	if d, err := address.ParseDomain(n); err == nil {
		n = d.ASCII // an internationalised name, too
	}
	for _, l := range strings.Split(n, ".") {
		if !label.MatchString(l) || len(l) > 63 || len(n) > 253 {
			return "", fmt.Errorf(`%q is no name; "example.com" and "_tcp.example.com", say, are allowed`, s)
		}
	}
	return dns.Fqdn(n), nil
}

// parseCatalogZone reads a name below which there is room for member nodes.
func parseCatalogZone(s string) (string, error) {
	n, err := parseName(s)
	if err == nil && len(n) > maxCatalogZone {
		err = fmt.Errorf("has %d characters; at most %d are allowed, for other names stand below it", len(n)-1, maxCatalogZone-1)
	}
	return n, err
}

// parseCookieSecret reads a secret. The message does not repeat it.
func parseCookieSecret(s string) (secret CookieSecret, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(secret) {
		return secret, fmt.Errorf("is no secret of %d hexadecimal digits; 'openssl rand -hex %d' makes one", 2*len(secret), len(secret))
	}
	copy(secret[:], b)
	return secret, nil
}

// parseMailbox reads a mail address as the SOA holds it (RFC 1035 §8).
func parseMailbox(s string) (string, error) {
	a, err := address.Parse(s)
	if err != nil {
		return "", fmt.Errorf(`%w; "hostmaster@example.net", say, is allowed`, err)
	}
	if !localPart.MatchString(a.Local) {
		return "", fmt.Errorf("%q has characters that a SOA record should not; letters, digits, dots and hyphens are allowed", s)
	}
	return strings.ReplaceAll(a.Local, ".", `\.`) + "." + dns.Fqdn(a.Domain.ASCII), nil
}

var localPart = regexp.MustCompile(`^[A-Za-z0-9._+-]+$`)
