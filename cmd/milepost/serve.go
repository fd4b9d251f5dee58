package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"milepost/catalogue"
	"milepost/internal/certs"
	"milepost/internal/config"
	"milepost/internal/httpd"
	"milepost/internal/logqueue"
	"milepost/internal/nameserver"
	"milepost/internal/snapshot"
)

// The log may lag by so many octets, and at the end for so long.
const (
	logQueue = 1 << 20
	logFlush = time.Second
)

// ballast is memory that is held but never touched, so that it costs none. Go collects
// garbage whenever there is as much of it as memory in use; with a small catalogue
// that would be 40 times a second at saturation.
const ballast = 32 << 20 // octets

func serve(args []string, stdout, stderr io.Writer) int {
	held := make([]byte, ballast) // first, while the heap is small: later it would be cleared
	defer runtime.KeepAlive(held)
	var (
		flags    = flag.NewFlagSet("serve", flag.ContinueOnError)
		httpAddr = config.ListenAddress("127.0.0.1:8080")
		dnsAddr  config.ListenAddress // empty: none
		drain    = httpd.DefaultDrain
		o        options
	)
	flags.Var(&httpAddr, "http", "")
	flags.Var(&dnsAddr, "dns", "")
	option(flags, "drain", &drain, parseDrain)
	o.register(flags)
	flags.StringVar(&o.Config, "config", "", "")
	option(flags, "public-url", &o.PublicURL, snapshot.ParsePublicURL)
	flags.StringVar(&o.signCert, "sign-cert", "", "")
	flags.StringVar(&o.signKey, "sign-key", "", "")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "serve: %q is one word too many; directories are given with -providers", flags.Arg(0))
		return exitUsage
	}
	o.DNS = string(dnsAddr)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, append(confirmations, syscall.SIGHUP)...) // before a long start, in which it would end the process
	defer signal.Stop(reloads)
	signal.Ignore(syscall.SIGPIPE) // else a reader of the log who goes takes the server along
	queue := logqueue.New(stderr, logQueue, logqueue.Text)
	defer queue.Close(logFlush)
	stderr = queue // complaints too, so that they stay in order
	log := slog.New(slog.NewTextHandler(stderr, nil))

	if _, err := net.ResolveTCPAddr("tcp", o.DNS); o.DNS != "" && err != nil {
		complain(stderr, "-dns %s: %s", dnsAddr, dnsAddr.Explain(err))
		return exitNo
	}
	first, err := snapshot.Build(ctx, o.Options, nil)
	if err != nil {
		complainBuild(stderr, err)
		return exitNo
	}
	warn(stderr, append(first.Warnings, first.KeepSerial()...))
	sign, err := certs.OpenSigner(ctx, o.signCert, o.signKey, time.Now, log)
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(first)

	var names *nameserver.Server // nil: DNS is not served
	if o.DNS != "" {
		if names, err = nameserver.Listen(o.DNS, &current, time.Now, log); err != nil {
			complain(stderr, "-dns %s: %s", dnsAddr, dnsAddr.Explain(err))
			return exitNo
		}
		announceDNS(stdout, stderr, names.Addr(), first)
	}
	listener, err := net.Listen("tcp", string(httpAddr))
	if err != nil {
		complain(stderr, "-http %s: %s", httpAddr, httpAddr.Explain(err))
		return exitNo
	}
	announce(stdout, listener.Addr(), first.Catalogue)

	go reload(ctx, reloads, o.Options, &current, names, log, stderr)
	running, ctx := errgroup.WithContext(ctx) // one does not go on without the other
	running.Go(func() error {
		handler := httpd.Handler(httpd.Options{Current: current.Load, Requests: queue, Log: log, Sign: sign})
		return httpd.Serve(ctx, listener, handler, log, drain)
	})
	if names != nil {
		running.Go(func() error { return names.Serve(ctx) })
	}
	if err := running.Wait(); err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	return exitOK
}

func parseDrain(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errors.New("is no time; 5s, 1m30s and 0s, say, are allowed")
	}
	return d, nil
}

// reload makes another snapshot at every signal. A mistake in it changes nothing.
func reload(ctx context.Context, signals <-chan os.Signal, o snapshot.Options, current *atomic.Pointer[snapshot.Snapshot], names *nameserver.Server, log *slog.Logger, stderr io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			o.TakeShrunk = s != syscall.SIGHUP
		}
		previous := current.Load()
		next, err := snapshot.Build(ctx, o, previous)
		if err != nil {
			complainBuild(stderr, err)
			log.Error("reload refused; what was served before stays")
			continue
		}
		warn(stderr, append(next.Warnings, next.KeepSerial()...))
		current.Store(next)
		if names != nil {
			names.Notify(ctx, previous)
		}
		log.Info("reloaded", "providers", len(next.Catalogue.Providers()), "domains", next.Catalogue.Domains())
	}
}

// announce says where the server listens, and what to ask it.
func announce(stdout io.Writer, addr net.Addr, c *catalogue.Catalogue) {
	fmt.Fprintf(stdout, "milepost: %s\n", size(c))
	fmt.Fprintf(stdout, "milepost: http listening on %s\n", addr)
	domain := c.Example("gmail.com")
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	fmt.Fprintf(stdout, "try http://%s/mail/config-v1.1.xml?emailaddress=fred@%s\n", host, domain)
	fmt.Fprintf(stdout, "try http://%s/v1.1/%s\n", host, domain)
	fmt.Fprintf(stdout, "open http://%s/ in a browser for the pages\n", host)
}

// announceDNS says the same of the DNS server.
func announceDNS(stdout, stderr io.Writer, addr *net.TCPAddr, s *snapshot.Snapshot) {
	fmt.Fprintf(stdout, "milepost: dns listening on %s\n", addr)
	if len(s.Guessed) > 0 {
		fmt.Fprintf(stdout, "milepost: dns says that this server is at %s; if it is elsewhere, set addresses in [service] of milepost.toml\n",
			strings.ReplaceAll(strings.Trim(fmt.Sprint(s.Guessed), "[]"), " ", " and "))
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	if rr := s.Zones.Example(); rr != nil {
		fmt.Fprintf(stdout, "try dig @%s -p %d %s %s\n", host, addr.Port, strings.TrimSuffix(rr.Name, "."), dns.Type(rr.Rrtype))
		return
	}
	complain(stderr, "-dns: there is no zone, so every question is refused; give your domains with -providers, or zones with -config")
}
