package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"milepost/internal/config"
	"milepost/internal/snapshot"
)

// check makes what serve would make, and serves nothing.
func check(args []string, stdout, stderr io.Writer) int {
	var (
		flags = flag.NewFlagSet("check", flag.ContinueOnError)
		o     options
	)
	o.register(flags, "providers", "public-url")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	o.setProviders(flags.Args())
	if flags.NArg() == 0 {
		o.locate(stderr)
	}
	if o.File != "" {
		o.Zones = true
	} else if o.given("catalogue.providers") { // the files are checked by themselves
		o.Sources.Options = append(o.Sources.Options, config.Option{Flag: "providers", Setting: "catalogue.builtin", Value: "false"})
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
