package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"milepost/internal/config"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// check makes what serve would make, and serves nothing.
func check(args []string, stdout, stderr io.Writer) int {
	var (
		flags   = flag.NewFlagSet("check", flag.ContinueOnError)
		sources = flags.Bool("sources", false, "")
		schema  = flags.Bool("schema", false, "")
		o       options
	)
	o.register(flags, "providers", "public-url")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if *schema {
		return print(stdout, stderr, providerfile.Schema())
	}
	o.setProviders(flags.Args())
	if flags.NArg() == 0 {
		o.locate(stderr)
	}
	if o.File != "" {
		o.Zones = true
	} else if o.given("catalogue.providers") { // the files are checked by themselves
		o.Inputs.Options = append(o.Inputs.Options, config.Option{Flag: "providers", Setting: "catalogue.builtin", Value: "false"})
	}
	defer o.openSources()()
	conf, _ := config.Load(o.Inputs) // its mistakes come with those of everything else
	o.Also = certificateMistakes(conf)
	s := o.build(context.Background(), stderr, "check")
	if s == nil {
		return exitNo
	}
	warn(stderr, s.Warnings)
	if *sources {
		return print(stdout, stderr, sourceReport(s.Catalogue.Providers()))
	}
	fmt.Fprintf(stdout, "milepost: %s, no mistakes\n", size(s.Catalogue))
	return exitOK
}

// sourceReport says what was checked longest ago, first what never was, and where it
// comes from.
func sourceReport(providers []*settings.Provider) []byte {
	slices.SortFunc(providers, func(a, b *settings.Provider) int {
		return cmp.Or(cmp.Compare(a.Checked, b.Checked), cmp.Compare(a.ID, b.ID))
	})
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	never, sourceless := 0, 0
	for _, p := range providers {
		if p.Checked == "" {
			never++
		}
		if p.Source == "" {
			sourceless++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", cmp.Or(p.Checked, "never"), p.ID, cmp.Or(p.Source, "no source"))
	}
	w.Flush()
	fmt.Fprintf(&b, "milepost: %s: %d checked, %d never; %d without a source\n", count(len(providers), "provider"), len(providers)-never, never, sourceless)
	return b.Bytes()
}
