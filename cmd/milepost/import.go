package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"milepost/internal/exchange"
	"milepost/internal/textfile"
	"milepost/settings"
)

// importDocuments takes autoconfig documents over into provider files.
func importDocuments(args []string, stdout, stderr io.Writer) int {
	var (
		flags = flag.NewFlagSet("import", flag.ContinueOnError)
		into  = flags.String("into", "", "")
		to    = flags.String("to", "", "")
		of    = flags.String("provider", "", "")
		list  = flags.String("domains", "", "")
		i     = exchange.Importer{Say: func(line string) { fmt.Fprintln(stderr, line) }}
	)
	flags.BoolVar(&i.Overwrite, "overwrite", false, "")
	option(flags, "source", &i.Source, parseSource)
	option(flags, "checked", &i.Checked, parseDate)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	switch {
	case *to != "" && *into != "":
		complain(stderr, "import: -to a database and -into a directory do not go together")
		return exitUsage
	case *to == "" && *of+*list != "" || (*of == "") != (*list == ""):
		complain(stderr, "import: -provider ID and -domains FILE belong together, and to -to URL")
		return exitUsage
	case *to != "":
		return importTables(*to, *of, *list, flags.Args(), i.Overwrite, stdout, stderr)
	}
	var paths []string
	failed := false
	fail := func(err error) {
		fmt.Fprintln(stderr, err)
		failed = true
	}
	for _, arg := range flags.Args() {
		found := []string{arg}
		var err error
		if arg != "-" {
			found, err = exchange.Documents(arg)
		}
		if err != nil {
			fail(err)
		}
		paths = append(paths, found...)
	}
	switch {
	case flags.NArg() == 0:
		complain(stderr, "import: a document is needed, or a directory of them, behind the options")
		return exitUsage
	case *into == "" && len(paths) > 1:
		complain(stderr, "import: there are %d documents; -into DIR says where their files go", len(paths))
		return exitUsage
	}
	if *into != "" {
		if err := i.Open(*into); err != nil {
			fail(err)
			if mistakes := (textfile.Errors)(nil); errors.As(err, &mistakes) {
				complain(stderr, "import: nothing is taken until %s has no mistakes", *into)
			}
			return exitNo
		}
	}
	taken, told := 0, time.Now()
	for at, path := range paths {
		if time.Since(told) >= tellEvery {
			told = time.Now()
			complain(stderr, "import: %d of %s", at, count(len(paths), "document"))
		}
		d, err := readDocument(&i, path)
		switch {
		case err != nil:
		case *into == "":
			if code := print(stdout, stderr, d.Text()); code != exitOK {
				return code
			}
		default:
			err = i.Take(d)
		}
		if err != nil {
			fail(err)
			continue
		}
		taken++
	}
	if *into != "" {
		fmt.Fprintf(stdout, "milepost: %d of %s taken: %s new, %d changed, %d as they were\n",
			taken, count(len(paths), "document"), count(i.New, "file"), i.Changed, i.Same)
	}
	if failed {
		return exitNo
	}
	return exitOK
}

func readDocument(i *exchange.Importer, path string) (*exchange.Document, error) {
	if path != "-" {
		data, err := textfile.ReadFile(path, exchange.MaxDocument)
		if err != nil {
			return nil, textfile.Error{File: path, Err: err}
		}
		return i.Read(path, data)
	}
	data, err := io.ReadAll(io.LimitReader(os.Stdin, exchange.MaxDocument+1))
	if err != nil {
		return nil, textfile.Error{File: exchange.StandardInput, Err: err}
	}
	return i.Read(exchange.StandardInput, data)
}

// parseSource reads the URL of documents.
func parseSource(s string) (string, error) {
	u, err := settings.ParseURL(s, "https", "http")
	return string(u), err
}

// parseDate reads a day.
func parseDate(s string) (settings.Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", errors.New("is no date; 2026-03-05, say, is allowed")
	}
	return settings.Date(s), nil
}
