// Package config reads milepost.toml: what the server must know beside its
// catalogue. docs/dns.md and docs/pages.md describe the keys.
package config

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"milepost/address"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

const (
	maxFile = 1 << 20  // octets of milepost.toml
	maxZone = 16 << 20 // octets of a zone's file
)

// Config is what milepost.toml says.
type Config struct {
	File    string // as it was named; empty: there is none
	Service Service
	DNS     DNS
}

// Service says where the server is reached and how its pages look.
type Service struct {
	Line      int               // where the table starts; 0: there is none
	Host      settings.Hostname // empty: not set
	Addresses []netip.Addr
	Branding  Branding
}

// Branding is how the pages look, in the file's own words.
type Branding struct {
	Name, Colour, SupportURL Value
	Logo                     Value // the image itself
}

// Value is what stands under a key, not yet judged. Line 0: the key is not set.
type Value struct {
	Text string
	Line int
}

// Load reads a file, and the files that it names. The error holds
// [textfile.Errors], with every mistake; what was read without one comes beside it,
// to be looked into further.
func Load(name string) (*Config, error) {
	c := &Config{File: name, DNS: defaultDNS()}
	data, err := textfile.ReadFile(name, maxFile)
	if err != nil {
		return c, textfile.Errors{{File: name, Err: err}}
	}
	t := tomlfile.Parse(name, data)
	if s := t.Table("service"); s != nil {
		c.Service.Line = s.Line("")
		c.Service.Host = tomlfile.Optional(s, "host", ParseHost)
		c.Service.Addresses, _ = tomlfile.Each(s, "addresses", ParseIP)
		c.Service.Branding = Branding{
			Name: value(s, "name"), Colour: value(s, "colour"), SupportURL: value(s, "support_url"),
			Logo: content(s, "logo", filepath.Dir(name)),
		}
		s.Done()
	}
	var fromZones textfile.Errors
	if d := t.Table("dns"); d != nil {
		fromZones = c.DNS.read(d, filepath.Dir(name))
		d.Done()
	}
	t.Done()
	if errs := append(t.Errors(), fromZones...); len(errs) > 0 {
		return c, errs
	}
	return c, nil
}

// value returns the string under a key.
func value(t *tomlfile.Table, key string) Value {
	s, ok := t.String(key)
	if !ok {
		return Value{}
	}
	return Value{s, t.Line(key)}
}

// content returns the content of the file that a key names.
func content(t *tomlfile.Table, key, dir string) Value {
	v := value(t, key)
	if v.Line == 0 {
		return v
	}
	file := within(dir, v.Text)
	data, err := textfile.ReadFile(file, maxFile)
	if err != nil {
		t.Errorf(key, "%s: %w", file, err)
		return Value{}
	}
	return Value{string(data), v.Line}
}

// Default is the configuration without a file.
func Default() *Config { return &Config{DNS: defaultDNS()} }

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
