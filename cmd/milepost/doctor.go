package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"

	"milepost/internal/doctor"
	"milepost/internal/observe"
	"milepost/internal/textfile"
)

// maxRoots is the longest file of certificates in octets that is read.
const maxRoots = 4 << 20

// worldOptions are the flags of the commands that ask the world.
type worldOptions struct{ observe.Options }

func (o *worldOptions) register(flags *flag.FlagSet) {
	flags.Func("resolver", "", func(s string) error {
		server, err := parseResolver(s)
		o.Resolvers = append(o.Resolvers, server)
		return err
	})
	option(flags, "ca", &o.Roots, readRoots)
}

// parseResolver reads an IP address, with or without a port.
func parseResolver(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(ip.String(), "53"), nil
	}
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		return "", errors.New("is no IP address; 9.9.9.9 or [::1]:5353, say, is allowed")
	}
	return at.String(), nil
}

// readRoots adds certificates to those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	text, err := textfile.ReadFile(path, maxRoots)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("has no certificate in PEM")
	}
	return roots, nil
}

// examine tells what each mail program would find for an address.
func examine(args []string, stdout, stderr io.Writer) int {
	var (
		flags   = flag.NewFlagSet("doctor", flag.ContinueOnError)
		format  = flags.String("format", "text", "")
		o       worldOptions
		formats = []string{"text", "json"}
	)
	o.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	switch {
	case !slices.Contains(formats, *format):
		complain(stderr, "doctor: -format %q is unknown; %s are allowed", *format, strings.Join(formats, ", "))
		return exitUsage
	case flags.NArg() != 1:
		complain(stderr, "doctor: one address or domain is needed, behind the options; there are %d", flags.NArg())
		return exitUsage
	}
	asked, err := parseAsked(flags.Arg(0))
	if err != nil {
		complain(stderr, "doctor: %s", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report := diagnose(ctx, o, doctor.Asked{Address: asked}, stderr)
	if ctx.Err() != nil {
		complain(stderr, "doctor: interrupted")
		return exitNo
	}
	var body []byte
	switch *format {
	case "json":
		body, err = report.JSON()
	default:
		body = report.Text()
	}
	if err != nil {
		complain(stderr, "doctor: %s", err)
		return exitNo
	}
	if code := print(stdout, stderr, body); code != exitOK || !report.AllWork() {
		return exitNo
	}
	return exitOK
}

// diagnose asks the world, and shows how far it is if a person watches.
func diagnose(ctx context.Context, o worldOptions, asked doctor.Asked, stderr io.Writer) doctor.Report {
	world := observe.NewInternet(o.Options)
	defer world.Close()
	var progress func(observe.Progress)
	if f, ok := stderr.(*os.File); ok && isTerminal(f) {
		progress = func(p observe.Progress) {
			fmt.Fprintf(f, "\r\x1b[K%d of %d: %s (%d ms)", p.Done, p.Known, shortened(p.Asked.String()), p.Milliseconds)
		}
		defer fmt.Fprint(f, "\r\x1b[K")
	}
	return observe.Run(ctx, world, asked, progress)
}

// isTerminal tells whether somebody looks at it.
func isTerminal(f *os.File) bool {
	s, err := f.Stat()
	return err == nil && s.Mode()&os.ModeCharDevice != 0
}

// shortened fits a line of a terminal, and cannot move its cursor: strangers name hosts.
func shortened(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 60)]
}
