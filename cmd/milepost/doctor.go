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
	"syscall"
	"time"

	"milepost/address"
	"milepost/internal/doctor"
	"milepost/internal/lookup"
	"milepost/internal/observe"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
	"milepost/settings"
)

const (
	maxRoots   = 4 << 20 // octets of a file of certificates
	leastWatch = 10 * time.Second
)

// worldOptions are the flags of the commands that ask the world.
type worldOptions struct {
	observe.Options
	probes bool // each is told, with its time
}

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

// reportFormats are how a report is written.
var reportFormats = map[string]func(doctor.Report) ([]byte, error){
	"text":  func(r doctor.Report) ([]byte, error) { return r.Text(), nil },
	"json":  doctor.Report.JSON,
	"html":  doctor.Report.HTML,
	"junit": doctor.Report.JUnit,
}

// examine tells what each mail program would find for an address.
func examine(args []string, stdout, stderr io.Writer) int {
	var (
		flags   = flag.NewFlagSet("doctor", flag.ContinueOnError)
		format  = flags.String("format", "text", "")
		compare = flags.Bool("compare", false, "")
		every   = flags.Duration("watch", 0, "")
		metrics = flags.String("metrics", "", "")
		probes  = flags.Bool("probes", false, "")
		world   worldOptions
		o       options
	)
	world.register(flags)
	o.register(flags, "providers")
	asked, code, ok := parseExamined(flags, args, stdout, stderr)
	if !ok {
		return code
	}
	write := reportFormats[*format]
	switch {
	case write == nil:
		complain(stderr, "doctor: -format %q is unknown; text, json, html and junit are allowed", *format)
		return exitUsage
	case *every != 0 && *every < leastWatch:
		complain(stderr, "doctor: -watch %s is too often; %s is the least", *every, leastWatch)
		return exitUsage
	case *every != 0 && *format != "text":
		complain(stderr, "doctor: -format does not go with -watch, which prints what changes, a line each")
		return exitUsage
	case *metrics != "" && *every == 0:
		complain(stderr, "doctor: -metrics goes with -watch alone")
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	question := doctor.Asked{Address: asked}
	if *compare {
		p, code := o.provider(ctx, asked, stderr)
		if p == nil {
			return code
		}
		question.Catalogue = p
	}
	world.probes = *probes
	if *every != 0 {
		w := watch{world: world, asked: question, every: *every, stdout: stdout, stderr: stderr}
		return w.run(ctx, *metrics)
	}
	report := diagnose(ctx, world, question, stderr)
	if ctx.Err() != nil {
		complain(stderr, "doctor: interrupted")
		return exitNo
	}
	body, err := write(report)
	if err != nil {
		complain(stderr, "doctor: %s", err)
		return exitNo
	}
	if code := print(stdout, stderr, body); code != exitOK || !report.AllWork() {
		return exitNo
	}
	return exitOK
}

// discover prints what all ways together find, as a provider's file to begin with.
func discover(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("discover", flag.ContinueOnError)
	var world worldOptions
	world.register(flags)
	asked, code, ok := parseExamined(flags, args, stdout, stderr)
	if !ok {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report := diagnose(ctx, world, doctor.Asked{Address: asked}, stderr)
	for _, line := range report.Left {
		complain(stderr, "%s", line)
	}
	if report.Provider == nil {
		complain(stderr, "nothing was found for %s; 'milepost doctor %[1]s' says why", asked.Domain)
		return exitNo
	}
	return print(stdout, stderr, providerfile.Write(report.Provider,
		"Found by 'milepost discover' for "+asked.Domain.ASCII+": look it through, and save it as "+report.Provider.ID+".toml."))
}

// parseExamined parses a command line that ends in an address or a domain.
func parseExamined(flags *flag.FlagSet, args []string, stdout, stderr io.Writer) (_ address.Address, code int, ok bool) {
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return address.Address{}, code, false
	}
	if flags.NArg() != 1 {
		complain(stderr, "%s: one address or domain is needed, behind the options; there are %d", flags.Name(), flags.NArg())
		return address.Address{}, exitUsage, false
	}
	asked, err := parseAsked(flags.Arg(0))
	if err != nil {
		complain(stderr, "%s: %s", flags.Name(), err)
		return address.Address{}, exitUsage, false
	}
	return asked, exitOK, true
}

// provider is the catalogue's for a domain; nil: there is none, or there are mistakes.
func (o *options) provider(ctx context.Context, asked address.Address, stderr io.Writer) (*settings.Provider, int) {
	o.locateIfReadable(stderr)
	defer o.openSources()()
	s := o.build(ctx, stderr, "doctor")
	if s == nil {
		return nil, exitNo
	}
	accounts, err := lookup.Accounts(ctx, s.Catalogue, nil, nil, lookup.Question{Addresses: []address.Address{{Domain: asked.Domain}}})
	if err != nil {
		complainUnknown(stderr, asked.Domain)
		return nil, exitNo
	}
	return accounts[0].Provider, exitOK
}

// diagnose asks the world, and shows how far it is if a person watches.
func diagnose(ctx context.Context, o worldOptions, asked doctor.Asked, stderr io.Writer) doctor.Report {
	world := observe.NewInternet(o.Options)
	defer world.Close()
	var progress func(observe.Progress)
	if o.probes {
		progress = func(p observe.Progress) {
			fmt.Fprintf(stderr, "%5d ms  %s\n", p.Milliseconds, shortened(p.Asked.String(), 200))
		}
	} else if f, ok := stderr.(*os.File); ok && isTerminal(f) {
		progress = func(p observe.Progress) {
			fmt.Fprintf(f, "\r\x1b[K%d of %d: %s (%d ms)", p.Done, p.Known, shortened(p.Asked.String(), 60), p.Milliseconds)
		}
		defer fmt.Fprint(f, "\r\x1b[K")
	}
	return observe.Run(ctx, world, asked, observe.Budget, progress)
}

// isTerminal tells whether somebody looks at it.
func isTerminal(f *os.File) bool {
	s, err := f.Stat()
	return err == nil && s.Mode()&os.ModeCharDevice != 0
}

// shortened fits a line of a terminal, and cannot move its cursor: strangers name hosts.
func shortened(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

// changed tells what differs between two reports, a line each.
func changed(before, after doctor.Report) (lines []string) {
	for _, c := range after.Clients {
		i := slices.IndexFunc(before.Clients, func(b doctor.ClientReport) bool { return b.Name == c.Name })
		if i < 0 || before.Clients[i].Verdict != c.Verdict {
			line := fmt.Sprintf("%s: %s", c.Name, c.Verdict)
			for n, id := range c.Because {
				line += map[bool]string{true: ": ", false: ", "}[n == 0] + string(id)
			}
			lines = append(lines, line)
		}
	}
	has := func(r doctor.Report, id doctor.ID) bool {
		return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id })
	}
	for _, f := range after.Findings {
		if !has(before, f.ID) {
			lines = append(lines, fmt.Sprintf("%s: %s: %s", f.Severity, f.ID, strings.ReplaceAll(f.Seen, "\n", "; ")))
		}
	}
	for _, f := range before.Findings {
		if !has(after, f.ID) {
			lines = append(lines, fmt.Sprintf("gone: %s", f.ID))
		}
	}
	return lines
}
