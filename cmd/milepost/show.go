package main

import (
	"context"
	"flag"
	"io"
	"log/slog"
	"slices"
	"strings"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/formats"
	"milepost/internal/providerfile"
	"milepost/mobileconfig"
	"milepost/settings"
)

// ownFormats are those that no program asks for over HTTP.
var ownFormats = []string{"json", "text"}

// render makes what serve would send.
func render(format string, p *settings.Provider, a address.Address, publicURL string) ([]byte, error) {
	switch format {
	case "json":
		return providerfile.JSON(p)
	case "text":
		return text(p.For(a)), nil
	}
	f, _ := formats.Named(format)
	o := formats.Options{PublicURL: publicURL, Protocol: "AutodiscoverV1", Profile: mobileconfig.Options{Lang: "en"}}
	return f.Render([]settings.Account{p.For(a)}, o)
}

func show(args []string, stdout, stderr io.Writer) int {
	var (
		flags   = flag.NewFlagSet("show", flag.ContinueOnError)
		format  = flags.String("format", "autoconfig", "")
		all     = flags.Bool("all-servers", false, "")
		public  publicURL
		signing signing
		from    providers
	)
	public.register(flags)
	from.register(flags)
	signing.register(flags)
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
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sign, err := signing.open(ctx, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		complain(stderr, "show: %s", err)
		return exitNo
	}
	c, _, err := from.load()
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	provider, ok := c.Lookup(asked.Domain)
	if !ok {
		complainUnknown(stderr, asked.Domain)
		return exitNo
	}
	var body []byte
	if *all {
		// Unfilled: the document is for all of the provider's domains.
		body, err = autoconfig.RenderAll(settings.Account{Address: asked, Provider: *provider})
	} else {
		body, err = render(*format, provider, asked, string(public))
	}
	if err == nil && sign != nil && *format == "mobileconfig" {
		body, err = sign(body)
	}
	if err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	if _, err := stdout.Write(body); err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	return exitOK
}

// parseAsked reads an address, or a domain alone.
func parseAsked(s string) (address.Address, error) {
	if strings.Contains(s, "@") {
		return address.Parse(s)
	}
	d, err := address.ParseDomain(s)
	return address.Address{Domain: d}, err
}
