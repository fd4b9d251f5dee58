package main

import (
	"context"
	"flag"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/internal/config"
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
	option(flags, "format", &o.format, zoneformat.ParseFormat)
	option(flags, "service-host", &o.Host, config.ParseHost)
	option(flags, "not-offered", &o.AllNotOffered, config.ParseNotOffered)
	option(flags, "ttl", &o.TTL, config.ParseTTL)
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
	o.from.register(flags, "providers")
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
	o.from.locateIfReadable(stderr)
	defer o.from.openSources()()
	s := o.from.build(context.Background(), stderr, "dns")
	if s == nil {
		return exitNo
	}
	if o.Host == "" && len(o.Addresses) == 0 {
		o.Host, o.Addresses = s.Host(), s.Config.Service.Addresses
	}
	c := s.Catalogue
	if o.all {
		if o.from.complainUnread(stderr, "dns") {
			return exitNo
		}
		for d := range c.NamedDomains() {
			domains = append(domains, d)
		}
		slices.SortFunc(domains, func(a, b address.Domain) int { return strings.Compare(a.ASCII, b.ASCII) })
		if len(domains) == 0 {
			complain(stderr, "dns: the catalogue names no domain; -all leaves wildcards out")
			return exitNo
		}
	}
	var records []zoneformat.Domain
	var unknown []address.Domain
	for _, d := range domains {
		if p, ok := c.Lookup(d); ok {
			records = append(records, zoneformat.Domain{Domain: d, Records: zone.Records(p, d, o.Options)})
		} else {
			unknown = append(unknown, d)
		}
	}
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
