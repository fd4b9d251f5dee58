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
	"sync/atomic"
	"syscall"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/httpd"
	"milepost/internal/logqueue"
	"milepost/internal/nameserver"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
	"milepost/internal/textfile"
	"milepost/settings"
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
	var (
		flags    = flag.NewFlagSet("serve", flag.ContinueOnError)
		httpAddr = listenAddress("127.0.0.1:8080")
		public   publicURL
		signing  signing
		dns      dnsServer
		from     files
	)
	flags.Var(&httpAddr, "http", "")
	public.register(flags)
	from.register(flags)
	signing.register(flags)
	dns.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "serve: %q is one word too many; directories are given with -providers", flags.Arg(0))
		return exitUsage
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // before a long start, in which it would end the process
	defer signal.Stop(hangup)
	signal.Ignore(syscall.SIGPIPE) // else a reader of the log who goes takes the server along
	queue := logqueue.New(stderr, logQueue)
	defer queue.Close(logFlush)
	stderr = queue // complaints too, so that they stay in order
	log := slog.New(slog.NewTextHandler(stderr, nil))

	from.publicHost = publicHost(public)
	loaded, err := from.load()
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	warn(stderr, loaded.warnings)
	sign, err := signing.open(ctx, log)
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}
	if err := dns.listen(loaded, log); err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	served, err := snapshot.New(loaded.catalogue, loaded.branding, string(public))
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}
	held := make([]byte, ballast)
	defer runtime.KeepAlive(held)
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(served)
	reloadOnHangup(ctx, hangup, from, &current, &dns, string(public), log, stderr)

	listener, err := net.Listen("tcp", string(httpAddr))
	if err != nil {
		complain(stderr, "-http %s: %s", httpAddr, listenError(err))
		return exitNo
	}
	dns.announce(stdout, stderr)
	announce(stdout, listener.Addr(), loaded.catalogue)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dnsEnded := make(chan error, 1)
	go func() {
		err := dns.serve(ctx)
		if err != nil {
			cancel() // one does not go on without the other
		}
		dnsEnded <- err
	}()
	handler := httpd.Handler(httpd.Options{Current: current.Load, Log: log, Sign: sign})
	httpErr := httpd.Serve(ctx, listener, handler, log, httpd.DefaultDrain)
	cancel()
	dnsErr := <-dnsEnded
	if httpErr != nil {
		complain(stderr, "http: %s", httpErr)
	}
	if dnsErr != nil {
		complain(stderr, "dns: %s", dnsErr)
	}
	if httpErr != nil || dnsErr != nil {
		return exitNo
	}
	return exitOK
}

// files are the options that name what is read at the start and at SIGHUP.
type files struct {
	providers
	config     string            // milepost.toml; empty: none
	publicHost settings.Hostname // of -public-url; empty: none
}

func (f *files) register(flags *flag.FlagSet) {
	f.providers.register(flags)
	flags.StringVar(&f.config, "config", "", "")
}

// loaded is what the files say.
type loaded struct {
	catalogue  *catalogue.Catalogue
	warnings   textfile.Errors
	given      []*settings.Provider // that came with -providers
	config     *config.Config
	branding   pages.Branding
	publicHost settings.Hostname
}

func (f *files) load() (*loaded, error) {
	l := &loaded{config: config.Default(), publicHost: f.publicHost}
	var err error
	if f.config != "" {
		if l.config, l.branding, err = loadConfig(f.config); err != nil {
			return nil, err
		}
	}
	if l.catalogue, l.warnings, err = f.providers.load(); err != nil {
		return nil, err
	}
	l.given = l.catalogue.Own()
	return l, nil
}

// loadConfig reads a configuration with its branding. The error has every mistake
// in both.
func loadConfig(file string) (*config.Config, pages.Branding, error) {
	c, err := config.Load(file)
	branding, wrong := snapshot.Branding(c)
	errs, _ := errors.AsType[textfile.Errors](err)
	if errs = append(errs, wrong...); len(errs) > 0 {
		return nil, branding, configError{errs}
	}
	return c, branding, nil
}

func announce(stdout io.Writer, addr net.Addr, c *catalogue.Catalogue) {
	fmt.Fprintf(stdout, "milepost: %s\n", size(c))
	fmt.Fprintf(stdout, "milepost: http listening on %s\n", addr)
	domain := example(c)
	host := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	fmt.Fprintf(stdout, "try http://%s/mail/config-v1.1.xml?emailaddress=fred@%s\n", host, domain)
	fmt.Fprintf(stdout, "try http://%s/v1.1/%s\n", host, domain)
	fmt.Fprintf(stdout, "open http://%s/ in a browser for the pages\n", host)
}

// example returns a domain that is served: one that everybody knows, or else the
// first.
func example(c *catalogue.Catalogue) string {
	if d, err := address.ParseDomain("gmail.com"); err == nil {
		if _, ok := c.Lookup(d); ok {
			return d.ASCII
		}
	}
	for _, p := range c.Providers() {
		for _, d := range p.Domains {
			switch {
			case !d.Wildcard:
				return d.Domain.ASCII
			case !d.Domain.IsZero():
				return "mail." + d.Domain.ASCII
			}
		}
		if len(p.MX) > 0 {
			return p.MX[0].ASCII
		}
	}
	return "example.com" // of the default provider
}

// reloadOnHangup reads the files again at every SIGHUP. A mistake in them changes
// nothing.
func reloadOnHangup(ctx context.Context, hangup chan os.Signal, from files, current *atomic.Pointer[snapshot.Snapshot], dns *dnsServer, public string, log *slog.Logger, stderr io.Writer) {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
			}
			var zones *nameserver.Config
			loaded, err := from.load()
			var served *snapshot.Snapshot
			if err == nil {
				served, err = snapshot.New(loaded.catalogue, loaded.branding, public)
			}
			if err == nil {
				zones, err = dns.prepare(loaded, log)
			}
			if err != nil {
				complainLoad(stderr, err)
				log.Error("reload refused; the old catalogue stays")
				continue
			}
			warn(stderr, loaded.warnings)
			c := loaded.catalogue
			current.Store(served)
			if zones != nil {
				dns.server.Update(ctx, *zones)
			}
			log.Info("reloaded", "providers", len(c.Providers()), "domains", c.Domains())
		}
	}()
}
