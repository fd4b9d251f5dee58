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

	"milepost/internal/nameserver"
	"milepost/internal/textfile"
	"milepost/internal/zones"
	"milepost/settings"
)

// dnsServer has the options of the DNS server, and the server once it listens.
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
	c, err := l.serveZones(d.guessed, nil, log)
	if err != nil {
		return err
	}
	d.server, err = nameserver.Listen(string(d.addr), c, time.Now, log)
	if err != nil {
		return fmt.Errorf("-dns %s: %w", d.addr, listenError(err))
	}
	return nil
}

// prepare makes what the server will answer from; nil: there is none.
func (d *dnsServer) prepare(l *loaded, log *slog.Logger) (*nameserver.Config, error) {
	if d.server == nil {
		return nil, nil
	}
	c, err := l.serveZones(ownAddresses(string(d.addr)), d.server.Zones(), log)
	return &c, err
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

// serveZones makes what the DNS server answers from, and keeps the highest serial.
func (l *loaded) serveZones(own []netip.Addr, previous *zones.Set, log *slog.Logger) (nameserver.Config, error) {
	set, warnings, err := l.zones(own, previous)
	if err != nil {
		return nameserver.Config{}, err
	}
	conf := l.config.DNS
	for _, warning := range append(warnings, zones.SerialFile(conf.SerialFile).Keep(set)...) {
		log.Warn(warning.Error())
	}
	return nameserver.Config{Zones: set, Keys: conf.Keys, Secondaries: conf.Secondaries, RateLimit: conf.RateLimit}, nil
}

// zones makes the zones. The service is at this machine's own addresses if the
// configuration does not say where it is.
func (l *loaded) zones(own []netip.Addr, previous *zones.Set) (set *zones.Set, warnings textfile.Errors, err error) {
	conf := *l.config
	if conf.Service.Host == "" && len(conf.Service.Addresses) == 0 {
		conf.Service.Addresses = own
	}
	conf.Service.Host = cmp.Or(conf.Service.Host, l.publicHost)
	now, warnings, err := zones.SerialFile(conf.DNS.SerialFile).After(uint32(time.Now().Unix()))
	if err != nil {
		return nil, nil, err
	}
	if set, err = zones.New(l.catalogue, l.given, &conf, previous, now); err != nil {
		return nil, nil, configError{err}
	}
	return set, warnings, nil
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

// ownAddresses returns the addresses at which this machine is reached, as far as it
// knows: the one that is listened on, else the public ones of its interfaces, else the
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
