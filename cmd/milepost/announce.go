package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/miekg/dns"

	"milepost/internal/snapshot"
)

// announce says where the server listens, and what to ask it.
func (s *services) announce(stdout, stderr io.Writer, first *snapshot.Snapshot) {
	if s.names != nil {
		announceDNS(stdout, stderr, s.names.Addr(), first)
	}
	fmt.Fprintf(stdout, "milepost: %s\n", size(first.Catalogue))
	for _, l := range s.https {
		fmt.Fprintf(stdout, "milepost: https listening on %s\n", l.Addr())
	}
	if s.admin != nil {
		fmt.Fprintf(stdout, "milepost: admin listening on %s\n", s.admin.Addr())
	}
	for _, l := range s.http {
		fmt.Fprintf(stdout, "milepost: http listening on %s\n", l.Addr())
	}
	if len(s.http) == 0 {
		return
	}
	host, domain := reached(s.http[0].Addr()), first.Catalogue.Example("gmail.com")
	fmt.Fprintf(stdout, "try http://%s/mail/config-v1.1.xml?emailaddress=fred@%s\n", host, domain)
	fmt.Fprintf(stdout, "try http://%s/v1.1/%s\n", host, domain)
	pages := "http://" + host
	if len(s.https) > 0 && first.PublicURL != "" {
		pages = first.PublicURL
	}
	fmt.Fprintf(stdout, "open %s/ in a browser for the pages\n", pages)
}

// reached is how this machine itself reaches an address that is listened on.
func reached(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return a.String()
}

// announceDNS says the same of the DNS server.
func announceDNS(stdout, stderr io.Writer, addr *net.TCPAddr, s *snapshot.Snapshot) {
	fmt.Fprintf(stdout, "milepost: dns listening on %s\n", addr)
	if len(s.Guessed) > 0 {
		fmt.Fprintf(stdout, "milepost: dns says that this server is at %s; if it is elsewhere, set addresses in [service] of milepost.toml\n",
			strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Guessed), "[]"), " ", " and "))
	}
	host, port, _ := net.SplitHostPort(reached(addr))
	if rr := s.Zones.Example(); rr != nil {
		fmt.Fprintf(stdout, "try dig @%s -p %s %s %s\n", host, port, strings.TrimSuffix(rr.Name, "."), dns.Type(rr.Rrtype))
		return
	}
	complain(stderr, "-dns: there is no zone, so every question is refused; give your domains with -providers, or zones with -config")
}
