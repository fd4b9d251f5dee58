// Package config reads milepost.toml, the environment and the options of the command
// line: everything that the server must know beside its catalogue. settings.go defines
// the keys, and docs/configuration.md lists them.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

const (
	maxFile = 1 << 20  // octets of milepost.toml
	maxZone = 16 << 20 // octets of a zone's file
)

// DefaultFile is read when no other is named and it is there.
const DefaultFile = "/etc/milepost/milepost.toml"

// Config is what the server is told.
type Config struct {
	File      string // as it was named; empty: there is none
	HTTP      HTTP
	HTTPS     HTTPS
	TLS       TLS
	Service   Service
	Catalogue Catalogue
	Lookup    Lookup
	Doctor    Doctor
	DNS       DNS
	Signing   Signing
	Proxy     Proxy
	Limits    Limits
	Log       Log
	Admin     Admin
	// Sources are where domains come from beside the provider files, Directories where
	// login names do.
	Sources     []Source
	Directories []Directory
	// Warnings are what is allowed and was probably not meant.
	Warnings textfile.Errors

	origins map[string]Origin // by the setting's name; not there: its default
}

// HTTP says where plain HTTP is served.
type HTTP struct {
	Listen []ListenAddress
	Drain  time.Duration // how long a server that stops goes on answering
}

// HTTPS says where HTTPS is served.
type HTTPS struct{ Listen []ListenAddress }

// TLS says where certificates come from: ACME or files.
type TLS struct {
	ACME             bool
	Email            string // for the ACME server; may be empty
	Directory        string // the URL of the ACME server's directory
	CA               string // a file of certificates that its own HTTPS is checked with; empty: the system's
	Storage          string // a directory, or a postgres:// URL, which may hold a password
	Copy             string // a directory for a copy of the certificates of a database
	NewOrdersPerHour int
	Cert, Key        string // files; empty: none
}

// Service says where the server is reached and how its pages look.
type Service struct {
	Host      settings.Hostname // empty: not set
	Addresses []netip.Addr
	PublicURL string // https://HOST[:PORT]; empty: not set
	// How the pages look, in the file's own words: package pages reads them.
	Name, Colour, SupportURL string
	LogoFile                 string
	Logo                     []byte // what is in LogoFile
}

// Catalogue says which providers are served.
type Catalogue struct {
	Providers  []string // files, and directories of them; a later one wins
	Builtin    bool     // the shipped ones too
	CheckEvery time.Duration
	State      string // a directory in which sources of domains are kept for when they are down
}

// Lookup says whether domains that no provider serves are looked up by their MX hosts.
type Lookup struct {
	MX       MX
	Resolver netip.AddrPort // zero: those of the system
	Rate     int            // look-ups a second
}

// MX says for whom MX hosts are looked up.
type MX string

const (
	MXOff   MX = "off"
	MXPages MX = "pages" // for people: the pages, their JSON, and the profiles that they link to
	MXAll   MX = "all"   // for mail programs too
)

func parseMX(s string) (MX, error) {
	switch s {
	case "true":
		return MXAll, nil
	case "false":
		return MXOff, nil
	}
	return tomlfile.OneOf([]MX{MXOff, MXPages, MXAll})(s)
}

// Doctor says whether visitors may have domains examined.
type Doctor struct {
	Web   bool
	Allow []netip.Prefix // may be connected to though they are private, or this machine's
}

// Signing says what profiles are signed with: files, or the certificate of [TLS].
type Signing struct {
	Cert, Key string // files; empty: none
	FromTLS   bool
}

// Proxy says who is believed about whom it asks for.
type Proxy struct {
	Trusted  []netip.Prefix
	Protocol bool // they speak the PROXY protocol
}

// Limits bound what clients may ask for.
type Limits struct {
	Rate, Burst          int // requests a second of one client, in the long run and at once
	AtOnce               int // requests at a time
	Connections          int
	ConnectionsPerClient int
}

// Log says what is logged and how.
type Log struct {
	Format string // text or json
	Level  slog.Level
}

// Admin says where the machine's own people ask.
type Admin struct {
	Listen ListenAddress // empty: nowhere
	PProf  bool
}

// Inputs say where a configuration comes from. What is named later here wins.
type Inputs struct {
	File    string   // milepost.toml; empty: none
	Environ []string // as os.Environ returns it
	Options []Option
	// Seen remembers what was read; nil: nothing does.
	Seen *textfile.Seen
}

// Option is an option of the command line that sets a setting.
type Option struct{ Flag, Setting, Value string }

// Default is the configuration of no source.
func Default() *Config { return defaults() }

// Load reads a configuration. The error holds [textfile.Errors], with every mistake;
// what was read without one comes beside it, to be looked into further.
func Load(from Inputs) (*Config, error) {
	c := defaults()
	c.File, c.origins = from.File, make(map[string]Origin)
	all := Settings()
	var errs textfile.Errors
	if c.File != "" {
		errs = c.readFile(all, from.Seen)
	}
	errs = append(errs, c.readEnvironment(all, from.Environ)...)
	errs = append(errs, c.readOptions(all, from.Options)...)
	errs = append(errs, c.readLogo(from.Seen)...)
	errs = append(errs, c.disagreements(errs)...)
	if c.TLS.ACME && c.Service.Host == "" {
		c.Warnings = append(c.Warnings, c.Mistake("tls.acme", errors.New("service.host is not set, so the server itself gets no certificate; only autoconfig. and the like of one's own providers' domains do")))
	}
	if len(errs) > 0 {
		slices.SortStableFunc(errs, func(a, b textfile.Error) int {
			if a.File == c.File && b.File == c.File {
				return a.Line - b.Line
			}
			return 0
		})
		return c, errs
	}
	return c, nil
}

func (c *Config) readFile(all []*Setting, seen *textfile.Seen) textfile.Errors {
	data, err := seen.ReadFile(c.File, maxFile)
	if err != nil {
		return textfile.Errors{{File: c.File, Err: err}}
	}
	root, dir, none := tomlfile.Parse(c.File, data), filepath.Dir(c.File), defaults()
	var inZones textfile.Errors
	for _, table := range Tables {
		t := root.Table(table.Name)
		if t == nil {
			continue
		}
		for _, s := range all {
			if s.Table == table.Name && t.Has(s.Key) {
				c.origins[s.Name()] = Origin{File: c.File, Line: t.Line(s.Key)}
				t.Example(s.Key, s.example(none))
				s.read(c, t, s.Key, dir)
			} else if s.Table == table.Name {
				t.Has(s.Key) // known
			}
		}
		c.origins[table.Name] = Origin{File: c.File, Line: t.Line("")}
		if table.Name == "dns" {
			inZones = c.DNS.readArrays(t, dir, seen)
		}
		t.Done()
	}
	c.readDirectories(root, dir, seen)
	c.readSources(root, dir, seen)
	root.Done()
	return append(root.Errors(), inZones...)
}

// readLogo reads the image itself.
func (c *Config) readLogo(seen *textfile.Seen) textfile.Errors {
	if c.Service.LogoFile == "" {
		return nil
	}
	data, err := seen.ReadFile(c.Service.LogoFile, maxFile)
	if err != nil {
		return textfile.Errors{c.Mistake("service.logo", fmt.Errorf("%s: %w", c.Service.LogoFile, err))}
	}
	c.Service.Logo = data
	return nil
}

// within is where a path leads: from the configuration's directory, unless it is
// absolute.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// ParseHost reads what a DNS record can name as a host: no IP address, and nothing
// to be filled in.
func ParseHost(s string) (settings.Hostname, error) {
	d, err := address.ParseDomain(s)
	if err != nil {
		return "", fmt.Errorf(`%q is no host name: %w; "mail.example.com", say, is allowed`, s, err)
	}
	return settings.Hostname(d.ASCII), nil
}

// ParseIP reads an address that a DNS record can hold.
func ParseIP(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf(`%q is no IP address; "192.0.2.1" and "2001:db8::1", say, are allowed`, s)
	}
	return a.Unmap(), nil
}
