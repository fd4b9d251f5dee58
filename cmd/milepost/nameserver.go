package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/miekg/dns"

	"milepost/internal/config"
	"milepost/internal/nameserver"
	"milepost/internal/textfile"
	"milepost/settings"
	"milepost/zone"
)

// dnsServer is the options of the DNS server, and the server once it listens.
type dnsServer struct {
	addr    listenAddress // empty: there is none
	server  *nameserver.Server
	guessed []netip.Addr // the service's addresses, if nobody has set them
}

func (d *dnsServer) register(flags *flag.FlagSet) {
	flags.Var(&d.addr, "dns", "")
}

// listen opens the port, if one was asked for.
func (d *dnsServer) listen(l *loaded, log *slog.Logger) error {
	if d.addr == "" {
		return nil
	}
	if _, err := net.ResolveTCPAddr("tcp", string(d.addr)); err != nil {
		return fmt.Errorf("-dns %s: %w", d.addr, listenError(err))
	}
	if l.config.Service.Host == "" && len(l.config.Service.Addresses) == 0 {
		d.guessed = ownAddresses(string(d.addr))
	}
	c, err := l.nameserver(d.guessed, nil)
	if err != nil {
		return err
	}
	if err := serialFile(l.config.DNS.SerialFile).keep(c.Zones); err != nil {
		return err
	}
	d.server, err = nameserver.Listen(string(d.addr), c, time.Now, log)
	if err != nil {
		return fmt.Errorf("-dns %s: %w", d.addr, listenError(err))
	}
	return nil
}

// prepare makes what the server will answer from; nil: there is none.
func (d *dnsServer) prepare(l *loaded) (*nameserver.Config, error) {
	if d.server == nil {
		return nil, nil
	}
	c, err := l.nameserver(ownAddresses(string(d.addr)), d.server.Zones())
	if err != nil {
		return nil, err
	}
	return &c, serialFile(l.config.DNS.SerialFile).keep(c.Zones)
}

// serve answers until the context ends.
func (d *dnsServer) serve(ctx context.Context) error {
	if d.server == nil {
		return nil
	}
	return d.server.Serve(ctx)
}

// announce says where the server listens, and what to ask it.
func (d *dnsServer) announce(stdout, stderr io.Writer) {
	if d.server == nil {
		return
	}
	addr := d.server.Addr()
	fmt.Fprintf(stdout, "milepost: dns listening on %s\n", addr)
	if len(d.guessed) > 0 {
		fmt.Fprintf(stdout, "milepost: dns says that this server is at %s; [service] addresses in milepost.toml says otherwise\n", d.guessed)
	}
	for name := range d.server.Zones().Names() {
		host := addr.IP.String()
		if addr.IP.IsUnspecified() {
			host = "127.0.0.1"
		}
		z := d.server.Zones().Find(name)
		if z == nil {
			continue
		}
		rr := z.Records()[len(z.Records())-1].Header()
		fmt.Fprintf(stdout, "try dig @%s -p %d %s %s\n", host, addr.Port, strings.TrimSuffix(rr.Name, "."), dns.Type(rr.Rrtype))
		return
	}
	complain(stderr, "-dns: there is no zone, so every question is refused; give your domains with -providers, or zones with -config")
}

// nameserver makes what the DNS server answers from. own is where the service is if
// the configuration does not say.
func (l *loaded) nameserver(own []netip.Addr, before *zone.Set) (nameserver.Config, error) {
	conf := l.config.DNS
	plan := zone.Plan{
		Catalogue: l.catalogue,
		Given:     l.given,
		Each:      conf.DomainZones,
		Mailbox:   conf.Mailbox, NegativeTTL: conf.NegativeTTL,
		Options: zone.Options{Host: l.config.Service.Host, Addresses: l.config.Service.Addresses, TTL: conf.TTL},
	}
	if plan.Host == "" && len(plan.Addresses) == 0 {
		plan.Addresses = own
	}
	plan.Host = cmp.Or(plan.Host, l.publicHost)
	for _, ns := range conf.NameServers {
		plan.NameServers = append(plan.NameServers, zone.NameServer{Name: ns.Name, Addresses: ns.Addresses})
	}
	for _, z := range conf.Zones {
		plan.Zones = append(plan.Zones, zone.Wanted{Name: z.Name, Records: z.Records})
	}
	now, err := serialFile(conf.SerialFile).after(uint32(time.Now().Unix()))
	if err != nil {
		return nameserver.Config{}, err
	}
	set, err := zone.NewSet(plan, before, now)
	if err != nil {
		return nameserver.Config{}, placed(err, l.config)
	}
	c := nameserver.Config{Zones: set, RateLimit: conf.RateLimit}
	for _, k := range conf.Keys {
		c.Keys = append(c.Keys, nameserver.Key(k))
	}
	for _, s := range conf.Secondaries {
		c.Secondaries = append(c.Secondaries, nameserver.Secondary(s))
	}
	return c, nil
}

// placed gives each mistake in a plan the line of milepost.toml that it comes from.
func placed(err error, c *config.Config) error {
	var errs textfile.Errors
	for _, e := range zone.PlanErrors(err) {
		at := textfile.Error{File: cmp.Or(c.File, "-dns"), Err: e.Err}
		switch e.Part {
		case zone.InAddresses:
			at.Line, at.Key = max(c.Service.Line, 1), "service.addresses"
		case zone.InEach:
			at.Line, at.Key = max(c.DNS.EachLine, 1), "dns.domain_zones"
		case zone.InNameServers:
			at.Line, at.Key = max(c.DNS.Line, 1), "dns.name_server"
		case zone.InNameServer:
			for i, ns := range c.DNS.NameServers {
				if e.Name == ns.Name {
					at.Line, at.Key = ns.Line, fmt.Sprintf("dns.name_server[%d].name", i+1)
				}
			}
		case zone.InZone:
			for i, z := range c.DNS.Zones {
				if e.Name == z.Name {
					at.Line, at.Key = z.Line, fmt.Sprintf("dns.zone[%d].name", i+1)
				}
			}
		}
		if c.File == "" {
			at.Line, at.Key = 0, ""
		}
		errs = append(errs, at)
	}
	return configError{errs}
}

// publicHost is the name in -public-url, which has the certificate. Clients look for
// Autodiscover on port 443 alone, so with another port there is none.
func publicHost(u publicURL) settings.Hostname {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Port() != "" && parsed.Port() != "443" {
		return ""
	}
	if _, err := netip.ParseAddr(parsed.Hostname()); err == nil {
		return ""
	}
	return settings.Hostname(parsed.Hostname())
}

// shared is the address space between carriers and customers (RFC 6598): no more
// public than that of RFC 1918.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// ownAddresses are those under which this machine is reached, as far as it knows:
// the one that is listened on, else the public ones of its interfaces, else the
// private ones.
func ownAddresses(listen string) []netip.Addr {
	resolved, err := net.ResolveTCPAddr("tcp", listen)
	if err != nil {
		return nil // listening will say why
	}
	host := resolved.AddrPort().Addr().Unmap()
	if host.IsValid() && !host.IsUnspecified() {
		return []netip.Addr{host}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var public, private []netip.Addr
	for _, i := range interfaces {
		p, err := netip.ParsePrefix(i.String())
		switch a := p.Addr().Unmap(); {
		case err != nil || !a.IsGlobalUnicast():
		case strings.HasPrefix(listen, "0.0.0.0:") && a.Is6(), strings.HasPrefix(listen, "[::]:") && a.Is4():
		case a.IsPrivate() || shared.Contains(a):
			private = append(private, a)
		default:
			public = append(public, a)
		}
	}
	if len(public) > 0 {
		return public
	}
	return private
}
