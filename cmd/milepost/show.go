package main

import (
	"flag"
	"io"
	"strings"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
	"milepost/settings"
)

// formats are what show can print: for an account, the bytes that serve sends.
var formats = map[string]func(settings.Provider, address.Address) ([]byte, error){
	"autoconfig": func(p settings.Provider, a address.Address) ([]byte, error) { return autoconfig.Render(p.For(a)) },
	"json":       func(p settings.Provider, _ address.Address) ([]byte, error) { return catalogue.JSON(&p) },
	"text":       func(p settings.Provider, a address.Address) ([]byte, error) { return text(p.For(a)), nil },
}

func show(args []string, stdout, stderr io.Writer) int {
	var (
		flags  = flag.NewFlagSet("show", flag.ContinueOnError)
		format = flags.String("format", "autoconfig", "")
		all    = flags.Bool("all-servers", false, "")
		from   providers
	)
	from.register(flags)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	render, ok := formats[*format]
	switch {
	case !ok:
		complain(stderr, "show: -format %q is unknown; autoconfig, json and text are allowed", *format)
		return exitUsage
	case *all && *format != "autoconfig":
		complain(stderr, "show: -all-servers goes with -format autoconfig; the others show all servers anyway")
		return exitUsage
	case flags.NArg() != 1:
		complain(stderr, "show: one address or domain is needed, behind the options; there are %d", flags.NArg())
		return exitUsage
	}
	if *all {
		render = func(p settings.Provider, a address.Address) ([]byte, error) { return autoconfig.RenderAll(p.For(a)) }
	}
	asked, err := parseAsked(flags.Arg(0))
	if err != nil {
		complain(stderr, "show: %s", err)
		return exitUsage
	}
	c, err := from.load()
	if err != nil {
		complainLoad(stderr, err)
		return exitNo
	}
	provider, ok := c.Lookup(asked.Domain)
	if !ok {
		complain(stderr, "no provider is known for the domain %s", asked.Domain)
		complain(stderr, "to add it, write a file as docs/catalogue.md shows and give its directory with -providers")
		return exitNo
	}
	body, err := render(*provider, asked)
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
