package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
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
		httpAddr = flags.String("http", "127.0.0.1:8080", "")
		public   publicURL
		signing  signing
		dns      dnsServer
		from     files
	)
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
	sign, err := signing.open(ctx, log)
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}
	if err := dns.listen(loaded, log); err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	site, err := pages.New(loaded.config.Service.Branding, string(public))
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}
	held := make([]byte, ballast)
	defer runtime.KeepAlive(held)
	var current snapshot
	current.catalogue.Store(loaded.catalogue)
	current.site.Store(site)
	reloadOnHangup(ctx, hangup, from, &current, &dns, string(public), log, stderr)

	listener, err := net.Listen("tcp", *httpAddr)
	if err != nil {
		complain(stderr, "-http %s: %s", *httpAddr, listenError(err))
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
	handler := httpd.Handler(httpd.Options{Catalogue: current.catalogue.Load, Pages: current.site.Load, Log: log, PublicURL: string(public), Sign: sign})
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

// snapshot is what is served over HTTP; its parts are replaced at a reload.
type snapshot struct {
	catalogue atomic.Pointer[catalogue.Catalogue]
	site      atomic.Pointer[pages.Site]
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
	given      []*settings.Provider // that came with -providers
	config     *config.Config
	publicHost settings.Hostname
}

func (f *files) load() (*loaded, error) {
	l := &loaded{config: config.Default(), publicHost: f.publicHost}
	var err error
	if f.config != "" {
		if l.config, err = config.Load(f.config); err != nil {
			return nil, configError{err}
		}
	}
	if l.catalogue, err = f.providers.load(); err != nil {
		return nil, err
	}
	l.given = f.given(l.catalogue)
	return l, nil
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
func reloadOnHangup(ctx context.Context, hangup chan os.Signal, from files, current *snapshot, dns *dnsServer, public string, log *slog.Logger, stderr io.Writer) {
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
			}
			var zones *nameserver.Config
			loaded, err := from.load()
			var site *pages.Site
			if err == nil {
				site, err = pages.New(loaded.config.Service.Branding, public)
			}
			if err == nil {
				zones, err = dns.prepare(loaded)
			}
			if err != nil {
				complainLoad(stderr, err)
				log.Error("reload refused; the old catalogue stays")
				continue
			}
			c := loaded.catalogue
			current.catalogue.Store(c)
			current.site.Store(site)
			if zones != nil {
				dns.server.Update(ctx, *zones)
			}
			log.Info("reloaded", "providers", len(c.Providers()), "domains", c.Domains())
		}
	}()
}

// listenError adds what an admin can do about it.
func listenError(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("the port is in use; another program (or another milepost) has it: 'ss -lntup' lists them")
	case errors.Is(err, fs.ErrPermission):
		program, err := os.Executable()
		if err != nil {
			program = "milepost"
		}
		return fmt.Errorf("no permission for that port; 'setcap cap_net_bind_service=+ep %s' grants it, or choose a port from 1024", program)
	}
	if ae := (*net.AddrError)(nil); errors.As(err, &ae) && strings.HasPrefix(ae.Err, "missing port") {
		return errors.New(`the port is missing; "127.0.0.1:8080" and ":8080" are allowed`)
	}
	if de := (*net.DNSError)(nil); errors.As(err, &de) {
		return fmt.Errorf("the host or port %q is unknown", de.Name)
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return errors.New("this machine has no such address")
	}
	return err
}
