package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"milepost/internal/exchange"
	"milepost/internal/textfile"
)

// exportFormats are those of the whole catalogue.
var exportFormats = []string{"ispdb", "static", "bucket", "json"}

// exportMemory is what an export may hold before the garbage collector works harder, so
// that a million domains pass in 200 MB.
const exportMemory = 150 << 20

// exportCatalogue writes the whole catalogue in a format of others.
func exportCatalogue(args []string, stdout, stderr io.Writer) int {
	var (
		flags  = flag.NewFlagSet("export", flag.ContinueOnError)
		format = flags.String("format", "ispdb", "")
		out    = flags.String("out", "", "")
		since  = flags.String("since", "", "")
		e      = exchange.Exporter{Say: func(line string) { fmt.Fprintln(stderr, line) }}
		o      options
	)
	flags.BoolVar(&e.Overwrite, "overwrite", false, "")
	flags.BoolVar(&e.TakeLoss, "take-loss", false, "")
	o.register(flags, "providers")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	switch {
	case !slices.Contains(exportFormats, *format):
		complain(stderr, "export: -format %q is unknown; %s are allowed", *format, strings.Join(exportFormats, ", "))
		return exitUsage
	case flags.NArg() > 0:
		complain(stderr, "export: %q is one word too many", flags.Arg(0))
		return exitUsage
	case (*out == "" || *out == "-") && *format != "json":
		complain(stderr, "export: %s is a directory of files; -out DIR says where", *format)
		return exitUsage
	case *format != "bucket" && (*since != "" || e.TakeLoss):
		complain(stderr, "export: -since and -take-loss are for -format bucket")
		return exitUsage
	}
	if _, set := os.LookupEnv("GOMEMLIMIT"); !set {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(exportMemory))
	}
	o.locate(stderr)
	defer o.openSources()()
	s := o.build(context.Background(), stderr, "export")
	if s == nil {
		return exitNo
	}
	if o.complainUnread(stderr, "export") {
		return exitNo
	}
	e.Catalogue = s.Catalogue
	s = nil // its pages are not needed
	e.Progress = progress(stderr, e.Catalogue.Domains(), time.Now)
	var err error
	switch *format {
	case "ispdb":
		err = e.ISPDB(*out)
	case "static":
		err = e.Static(*out)
	case "bucket":
		err = exportBucket(&e, *out, *since)
	case "json":
		err = exportJSON(&e, *out, stdout)
	}
	if err != nil {
		complain(stderr, "export: %s", err)
		return exitNo
	}
	return exitOK
}

// exportBucket reads what is held already while it writes beside it: both may be in one
// directory.
func exportBucket(e *exchange.Exporter, out, since string) error {
	if since == "" {
		return e.Bucket(out, nil, "")
	}
	f, err := os.Open(since)
	if err != nil {
		return textfile.Error{File: since, Err: textfile.Reason(err)}
	}
	defer f.Close()
	return e.Bucket(out, f, since)
}

func exportJSON(e *exchange.Exporter, out string, stdout io.Writer) error {
	if out != "" && out != "-" {
		return exchange.Replace(filepath.Clean(out), e.Overwrite, e.JSON)
	}
	b := bufio.NewWriter(stdout)
	return cmp.Or(e.JSON(b), b.Flush()) // which says the same again
}

// progress tells every two seconds how far an export is.
func progress(stderr io.Writer, all int, now func() time.Time) func(providers, domains int) {
	last := now()
	return func(providers, domains int) {
		if t := now(); t.Sub(last) >= tellEvery {
			last = t
			complain(stderr, "export: %d of %d domains, of %s", domains, all, count(providers, "provider"))
		}
	}
}
