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
	"strings"
	"sync/atomic"
	"syscall"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/httpd"
)

func serve(args []string, stdout, stderr io.Writer) int {
	var (
		flags    = flag.NewFlagSet("serve", flag.ContinueOnError)
		httpAddr = flags.String("http", "127.0.0.1:8080", "")
		public   publicURL
		signing  signing
		from     providers
	)
	public.register(flags)
	from.register(flags)
	signing.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "serve: %q is one word too many; directories are given with -providers", flags.Arg(0))
		return exitUsage
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, nil))

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
	var current atomic.Pointer[catalogue.Catalogue]
	current.Store(loaded)
	reloadOnHangup(ctx, from, &current, log, stderr)

	listener, err := net.Listen("tcp", *httpAddr)
	if err != nil {
		complain(stderr, "-http %s: %s", *httpAddr, listenError(err))
		return exitNo
	}
	announce(stdout, listener.Addr(), loaded)
	if err := httpd.Serve(ctx, listener, httpd.Handler(httpd.Options{Catalogue: current.Load, Log: log, PublicURL: string(public), Sign: sign}), log); err != nil {
		complain(stderr, "http: %s", err)
		return exitNo
	}
	return exitOK
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

// reloadOnHangup reads the providers again at every SIGHUP. A catalogue with
// mistakes changes nothing.
func reloadOnHangup(ctx context.Context, from providers, current *atomic.Pointer[catalogue.Catalogue], log *slog.Logger, stderr io.Writer) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				signal.Stop(hangup)
				return
			case <-hangup:
			}
			c, err := from.load()
			if err != nil {
				complainLoad(stderr, err)
				log.Error("reload refused; the old catalogue stays")
				continue
			}
			current.Store(c)
			log.Info("reloaded", "providers", len(c.Providers()), "domains", c.Domains())
		}
	}()
}

// listenError adds what an admin can do about it.
func listenError(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return errors.New("the port is in use; another program (or another milepost) has it")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("no permission for that port; run 'setcap cap_net_bind_service=+ep' on the program, or choose a port from 1024")
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
