package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/snapshot"
	"milepost/internal/textfile"
)

// print writes a command's result, and returns its exit code.
func print(stdout, stderr io.Writer, body []byte) int {
	if _, err := stdout.Write(body); err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	return exitOK
}

// complain writes a message for people, apart from results.
func complain(stderr io.Writer, format string, args ...any) {
	fmt.Fprintf(stderr, "milepost: "+format+"\n", args...)
}

// tellEvery is how often whoever waits is told what for.
const tellEvery = 2 * time.Second

// tellWaiting says again and again what is done, and for how long, until done is called.
// Nobody else may write to stderr meanwhile.
func tellWaiting(stderr io.Writer, what string, every time.Duration) (done func()) {
	start, ticks := time.Now(), time.NewTicker(every)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-ticks.C:
				complain(stderr, "%s, for %s so far", what, time.Since(start).Round(time.Second))
			case <-stop:
				return
			}
		}
	}()
	return func() {
		ticks.Stop()
		close(stop)
		<-stopped
	}
}

// warn prints what is no mistake and worth a look.
func warn(stderr io.Writer, warnings textfile.Errors) {
	for _, w := range warnings {
		fmt.Fprintf(stderr, "warning: %s\n", w)
	}
}

// complainBuild prints why there is no snapshot: each mistake on a line of its own.
func complainBuild(stderr io.Writer, err error) {
	mistakes, ok := errors.AsType[*snapshot.Mistakes](err)
	if !ok {
		complain(stderr, "%s", err)
		return
	}
	part := func(errs textfile.Errors, name, manual string) {
		for _, e := range errs {
			fmt.Fprintln(stderr, e)
		}
		if len(errs) > 0 {
			complain(stderr, "%s in the %s; %s says what is allowed", count(len(errs), "mistake"), name, manual)
		}
	}
	part(mistakes.Configuration, "configuration", "docs/configuration.md")
	part(mistakes.Catalogue, "catalogue", "docs/catalogue.md")
}

// complainUnknown says for which domains there is no provider, and what to do.
func complainUnknown(stderr io.Writer, domains ...address.Domain) {
	for _, d := range domains {
		complain(stderr, "no provider is known for the domain %s", d)
	}
	complain(stderr, "to add it, write a file as docs/catalogue.md shows and give its directory with -providers")
}

// size says how much a catalogue holds.
func size(c *catalogue.Catalogue) string {
	return count(len(c.Providers()), "provider") + ", " + count(c.Domains(), "domain")
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
