package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"milepost/internal/snapshot"
)

// check makes what serve would make, and serves nothing.
func check(args []string, stdout, stderr io.Writer) int {
	var (
		flags = flag.NewFlagSet("check", flag.ContinueOnError)
		o     options
	)
	o.register(flags)
	flags.StringVar(&o.Config, "config", "", "")
	option(flags, "public-url", &o.PublicURL, snapshot.ParsePublicURL)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	o.Providers = append(o.Providers, flags.Args()...)
	if o.Config != "" {
		o.DNS = "192.0.2.1:53" // for the zones; not this machine's address, for another one may serve
	} else if len(o.Providers) > 0 {
		o.NoBuiltin = true // the files are checked by themselves
	}
	s, err := snapshot.Build(context.Background(), o.Options, nil)
	if err != nil {
		complainBuild(stderr, err)
		return exitNo
	}
	warn(stderr, s.Warnings)
	fmt.Fprintf(stdout, "milepost: %s, no mistakes\n", size(s.Catalogue))
	return exitOK
}
