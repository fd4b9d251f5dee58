package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/snapshot"
	"milepost/internal/zoneformat"
	"milepost/zone"
)

// dnsOptions has the options of the command dns.
type dnsOptions struct {
	format      zoneformat.Format
	all         bool
	nameServers []string // absolute
	from        options
	zone.Options
}

func (o *dnsOptions) register(flags *flag.FlagSet) {
	o.format, o.TTL = zoneformat.Zone, zone.DefaultTTL
	flags.BoolVar(&o.all, "all", false, "")
	flags.Func("format", "", func(s string) (err error) {
		o.format, err = zoneformat.ParseFormat(s)
		return err
	})
	flags.Func("service-host", "", func(s string) (err error) {
		o.Host, err = config.ParseHost(s)
		return err
	})
	flags.Func("service-address", "", func(s string) error {
		a, err := config.ParseIP(s)
		if err == nil && !slices.Contains(o.Addresses, a) {
			o.Addresses = append(o.Addresses, a)
		}
		return err
	})
	flags.Func("name-server", "", func(s string) error {
		name, err := config.ParseHost(s)
		if absolute := dns.Fqdn(string(name)); err == nil && !slices.Contains(o.nameServers, absolute) {
			o.nameServers = append(o.nameServers, absolute)
		}
		return err
	})
	flags.Func("not-offered", "", func(s string) (err error) {
		o.AllNotOffered, err = config.ParseNotOffered(s)
		return err
	})
	flags.Func("ttl", "", func(s string) error {
		n, err := strconv.ParseUint(s, 10, 31) // RFC 2181 §8
		if err != nil || n == 0 {
			return errors.New("is no number of seconds; 1 to 2147483647 are allowed")
		}
		o.TTL = uint32(n)
		return nil
	})
	o.from.register(flags)
}

// printDNS prints the DNS records of domains.
func printDNS(args []string, stdout, stderr io.Writer) int {
	var (
		flags = flag.NewFlagSet("dns", flag.ContinueOnError)
		o     dnsOptions
	)
	o.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if o.all == (flags.NArg() > 0) {
		complain(stderr, "dns: either -all or domains, behind the options, are needed")
		return exitUsage
	}
	domains, err := parseDomains(flags.Args())
	if err != nil {
		complain(stderr, "dns: %s", err)
		return exitUsage
	}
	s, err := snapshot.Build(context.Background(), o.from.Options, nil)
	if err != nil {
		complainBuild(stderr, err)
		return exitNo
	}
	c := s.Catalogue
	if o.all {
		if domains = c.NamedDomains(); len(domains) == 0 {
			complain(stderr, "dns: the catalogue names no domain; -all leaves wildcards out")
			return exitNo
		}
	}
	records, unknown := recordsOf(c, domains, o.Options)
	if len(unknown) > 0 {
		complainUnknown(stderr, unknown...)
		return exitNo
	}
	body, err := zoneformat.Render(o.format, records, zone.Authority{
		NameServers: o.nameServers,
		Serial:      uint32(time.Now().Unix()),
		TTL:         o.TTL,
	})
	if err != nil {
		complain(stderr, "dns: %s", err)
		return exitNo
	}
	if o.Host == "" && len(o.Addresses) == 0 {
		complain(stderr, "dns: the names autoconfig, autodiscover and _autodiscover._tcp are left out; -service-host NAME or -service-address IP says where they lead")
	}
	return print(stdout, stderr, body)
}

// parseDomains reads domains, each of them once.
func parseDomains(args []string) ([]address.Domain, error) {
	var domains []address.Domain
	for _, arg := range args {
		d, err := address.ParseDomain(arg)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(domains, d) {
			domains = append(domains, d)
		}
	}
	return domains, nil
}

// recordsOf makes the records of domains; unknown are those without a provider.
func recordsOf(c *catalogue.Catalogue, domains []address.Domain, o zone.Options) (out []zoneformat.Domain, unknown []address.Domain) {
	for _, d := range domains {
		p, ok := c.Lookup(d)
		if !ok {
			unknown = append(unknown, d)
			continue
		}
		out = append(out, zoneformat.Domain{Domain: d, Records: zone.Records(p, d, o)})
	}
	return out, unknown
}
