package main

import (
	"errors"
	"flag"
	"io"

	"milepost/internal/config"
	"milepost/internal/snapshot"
	"milepost/internal/textfile"
)

// printConfig prints the configuration that serve would have, or an example of one.
func printConfig(args []string, stdout, stderr io.Writer) int {
	var (
		flags   = flag.NewFlagSet("config", flag.ContinueOnError)
		example = flags.Bool("example", false, "")
		o       options
	)
	o.register(flags, serveFlags...)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "config: %q is one word too many", flags.Arg(0))
		return exitUsage
	}
	if *example {
		return print(stdout, stderr, []byte(config.Example()))
	}
	o.locate(stderr)
	conf, err := config.Load(o.Inputs)
	warn(stderr, conf.Warnings)
	if mistakes, ok := errors.AsType[textfile.Errors](err); ok {
		complainBuild(stderr, &snapshot.Mistakes{Configuration: mistakes})
		return exitNo
	}
	return print(stdout, stderr, []byte(conf.Effective()))
}
