package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/answer"
	"milepost/internal/certs"
	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/formats"
	"milepost/internal/lookup"
	"milepost/internal/mx"
	"milepost/mobileconfig"
	"milepost/settings"
)

// ownFormats are those that no program asks for over HTTP.
var ownFormats = []string{"json", "text"}

func show(args []string, stdout, stderr io.Writer) int {
	var (
		flags  = flag.NewFlagSet("show", flag.ContinueOnError)
		format = flags.String("format", "autoconfig", "")
		all    = flags.Bool("all-servers", false, "")
		useMX  = flags.Bool("mx", false, "")
		o      options
	)
	o.register(flags, "providers", "public-url", "sign-cert", "sign-key")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	names := append(formats.Names(), ownFormats...)
	switch {
	case !slices.Contains(names, *format):
		complain(stderr, "show: -format %q is unknown; %s are allowed", *format, strings.Join(names, ", "))
		return exitUsage
	case *all && *format != "autoconfig":
		complain(stderr, "show: -all-servers goes with -format autoconfig alone")
		return exitUsage
	case flags.NArg() != 1:
		complain(stderr, "show: one address or domain is needed, behind the options; there are %d", flags.NArg())
		return exitUsage
	}
	asked, err := parseAsked(flags.Arg(0))
	if err != nil {
		complain(stderr, "show: %s", err)
		return exitUsage
	}
	f, served := formats.Named(*format)
	if f.OfDomain {
		asked.Local = ""
	}
	o.locateIfReadable(stderr)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer o.openSources()()
	s := o.build(ctx, stderr, "show")
	if s == nil {
		return exitNo
	}
	signing := s.Config.Signing
	sign, err := certs.OpenSigner(ctx, signing.Cert, signing.Key, time.Now, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		complain(stderr, "show: %s", err)
		return exitNo
	}
	var resolver lookup.Resolver
	if *useMX {
		resolver = mx.New(mx.Options{Server: s.Config.Lookup.Resolver, Rate: 1, Waiting: 1})
	}
	accounts, err := lookup.Accounts(ctx, s.Catalogue, resolver, nil, lookup.Question{Addresses: []address.Address{asked}})
	if err != nil {
		complainUnknown(stderr, asked.Domain)
		if !*useMX {
			complain(stderr, "with -mx, DNS is asked which provider has its mail")
		}
		return exitNo
	}
	if accounts[0].TakesLogin() && !*all && *format != "json" {
		if accounts[0], err = withLogin(ctx, s.Config, accounts[0], stderr); err != nil {
			complain(stderr, "show: %s", err)
			return exitNo
		}
	}
	stored, _ := s.Catalogue.Lookup(asked.Domain) // with its placeholders
	if host := accounts[0].MXHost; !host.IsZero() {
		if *format != "text" { // which says so itself
			complain(stderr, "%s", answer.MXText(accounts[0]))
		}
		stored, _ = s.Catalogue.LookupMX(host)
	}
	var body []byte
	switch {
	case *all: // the document is for all of the provider's domains
		body, err = autoconfig.RenderAll(settings.Account{Address: asked, Provider: stored})
	case *format == "json":
		body, err = answer.ProviderJSON(stored)
	case *format == "text":
		body = answer.Text(accounts[0])
	case served: // what serve would send
		body, err = f.Render(accounts, formats.Options{
			PublicURL: s.PublicURL, Protocol: "AutodiscoverV1", Profile: mobileconfig.Options{Lang: "en"},
		})
	}
	if err == nil && sign != nil && *format == "mobileconfig" {
		body, err = sign(body)
	}
	if err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	return print(stdout, stderr, body)
}

// withLogin asks for the login name of an account, and says what came of it. Nobody else
// is told why there is none.
func withLogin(ctx context.Context, c *config.Config, a settings.Account, stderr io.Writer) (settings.Account, error) {
	logins := directory.NewLogins(slog.New(slog.NewTextHandler(stderr, nil)))
	defer logins.Close()
	if err := logins.Use(c.Directories); err != nil {
		return a, err
	}
	known, how, err := logins.Ask(ctx, a.Provider.ID, a.Address)
	switch {
	case err != nil:
		complain(stderr, "the directory cannot be asked (%s), so this is the fallback: %s", how, err)
	case known.Name == "":
		complain(stderr, "the directory has no login name for the address (%s), so this is the fallback", how)
	default:
		complain(stderr, "the directory has the login name %q and the full name %q", known.Name, known.FullName)
	}
	return a.WithLogin(known.Name, known.FullName), nil
}

// parseAsked reads an address, or a domain alone.
func parseAsked(s string) (address.Address, error) {
	if strings.Contains(s, "@") {
		return address.Parse(s)
	}
	d, err := address.ParseDomain(s)
	return address.Address{Domain: d}, err
}
