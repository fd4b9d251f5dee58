package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"milepost/internal/config"
	"milepost/internal/exchange"
	"milepost/internal/storage"
)

// importTables puts provider files with their lists, and the list of another provider,
// into the tables of a database: all of it or nothing.
func importTables(url, provider, list string, paths []string, takeShrunk bool, stdout, stderr io.Writer) int {
	switch {
	case !storage.IsURL(url):
		complain(stderr, "import: -to is the URL of a database; postgres://USER@HOST/DATABASE, say, is allowed")
		return exitUsage
	case len(paths) == 0 && list == "":
		complain(stderr, "import: a provider file is needed, or a directory of them, behind the options")
		return exitUsage
	}
	done := tellWaiting(stderr, "import: reading provider files and lists", tellEvery)
	t := exchange.NewTables()
	t.TakeShrunk = takeShrunk
	for _, path := range paths {
		t.ReadFiles(path)
	}
	if list != "" {
		t.ReadList(provider, list)
	}
	err := t.Done()
	done()
	if err != nil {
		fmt.Fprintln(stderr, err)
		complain(stderr, "import: nothing is taken")
		return exitNo
	}
	warn(stderr, t.Warnings)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	done = tellWaiting(stderr, "import: writing into the database", tellEvery)
	unknown := false
	providers, domains, err := storage.Put(ctx, url, t.Catalogue, func(files map[string]string) error {
		_, known := files[provider]
		unknown = provider != "" && !known
		return exchange.Fits(files)
	})
	done()
	if unknown {
		complain(stderr, "import: the database has no file of %s; a server that has none either passes its domains over", provider)
	}
	if err != nil {
		complain(stderr, "import: %s", err)
		complain(stderr, "import: nothing is taken")
		return exitNo
	}
	fmt.Fprintf(stdout, "milepost: %s: %s; %s\n", config.WithoutPassword(url), counted("provider", providers), counted("domain", domains))
	return exitOK
}

// counted says what became of rows.
func counted(what string, n storage.Counts) string {
	s := fmt.Sprintf("%s new, %d changed, %d as they were", count(n.New, what), n.Changed, n.Same)
	if n.Gone > 0 {
		s = strings.Replace(s, " changed,", fmt.Sprintf(" changed, %d gone,", n.Gone), 1)
	}
	return s
}
