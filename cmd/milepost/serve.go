package main

import (
	"context"
	"flag"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/logqueue"
	"milepost/internal/snapshot"
	"milepost/internal/storage"
	"milepost/internal/systemd"
	"milepost/internal/textfile"
)

// The log may lag by so many octets, and at the end for so long.
const (
	logQueue = 1 << 20
	logFlush = time.Second
)

// serveFlags are the options of serve for single settings.
var serveFlags = []string{"http", "https", "dns", "admin", "drain", "public-url", "sign-cert", "sign-key", "providers"}

func serve(args []string, stdout, stderr io.Writer) int {
	held := make([]byte, ballast) // first, while the heap is small: later it would be cleared
	defer runtime.KeepAlive(held)
	stands := gatherAtStart()
	var (
		flags = flag.NewFlagSet("serve", flag.ContinueOnError)
		o     options
	)
	o.register(flags, serveFlags...)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "serve: %q is one word too many; milepost.toml is given with -config, directories of provider files with -providers", flags.Arg(0))
		return exitUsage
	}
	unit, err := systemd.Open("http", "https", "dns", "admin") // before any descriptor is opened
	if err != nil {
		complain(stderr, "serve: %s", err)
		return exitNo
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, append(confirmations, syscall.SIGHUP)...) // before a long start, in which it would end the process
	defer signal.Stop(reloads)
	signal.Ignore(syscall.SIGPIPE) // else a reader of the log who goes takes the server along

	o.locate(stderr)
	o.Seen = new(textfile.Seen)
	conf, _ := config.Load(o.Inputs) // its mistakes come with those of everything else
	queue := logqueue.New(stderr, logQueue, logFormat(conf))
	defer queue.Close(logFlush)
	serials, err := openSerials(ctx, conf, queue)
	if err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	if serials != nil {
		o.Agree = serials.Agree
	}
	sources := directory.NewSources(directory.Options{State: conf.Catalogue.State, Log: logTo(conf, queue)})
	defer sources.Close()
	o.Sources = sources
	o.Also = certificateMistakes(conf)
	unit.Status("reads providers and domains")
	first, err := snapshot.Build(ctx, o.Options, nil)
	if err != nil {
		warn(stderr, conf.Warnings)
		complainBuild(stderr, err)
		return exitNo
	}
	conf = first.Config
	stderr = complaints(conf, queue) // so that they stay in order
	warn(stderr, append(first.Warnings, first.KeepSerial(nil)...))
	var current atomic.Pointer[snapshot.Snapshot]
	current.Store(first)
	boundMemory(conf, first)
	releaseMemory()
	s, err := open(ctx, conf, unit, &current, sources, queue)
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") { // a mistake each
			complain(stderr, "%s", line)
		}
		return exitNo
	}
	stands()
	s.announce(stdout, stderr, first)

	var watching sync.WaitGroup
	defer watching.Wait() // until what the sources have is on the disk
	defer stop()
	watching.Go(func() { sources.Run(ctx) })
	reload := reloader{services: s, options: o.Options, serials: serials, sources: sources, stderr: stderr}
	go reload.run(ctx, reloads)
	if err := s.run(ctx); err != nil {
		complain(stderr, "%s", err)
		return exitNo
	}
	return exitOK
}

// openSerials opens where replicas agree on serials; nil: they do not.
func openSerials(ctx context.Context, conf *config.Config, log io.Writer) (*storage.Serials, error) {
	if conf.DNS.SerialStorage == "" || conf.DNS.Listen == "" {
		return nil, nil
	}
	s, err := storage.OpenSerials(ctx, conf.DNS.SerialStorage, logTo(conf, log))
	if err != nil {
		return nil, conf.Mistake("dns.serial_storage", err)
	}
	return s, nil
}
