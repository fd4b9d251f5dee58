package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/snapshot"
)

// options are the flags that several commands have.
type options struct{ snapshot.Options }

// register registers -config, -set and -no-builtin, and the options for some of the
// settings: the flags that are named.
func (o *options) register(flags *flag.FlagSet, named ...string) {
	o.Now, o.Environ = time.Now, os.Environ()
	add := func(option config.Option, err error) error {
		o.Inputs.Options = append(o.Inputs.Options, option)
		return err
	}
	flags.StringVar(&o.File, "config", "", "")
	flags.Func("set", "", func(s string) error { return add(config.ParseSet(s)) })
	for _, s := range config.Settings() {
		switch {
		case s.Name() == "catalogue.builtin":
			flags.BoolFunc("no-builtin", "", func(string) error { return add(config.ParseOption("no-builtin", s, "false")) })
		case s.Flag != "" && slices.Contains(named, s.Flag):
			flags.Func(s.Flag, "", func(value string) error { return add(config.ParseOption(s.Flag, s, value)) })
		}
	}
}

// locate finds milepost.toml if no option names it, and says so.
func (o *options) locate(stderr io.Writer) {
	if o.File != "" {
		return
	}
	if file, ok := os.LookupEnv(config.FileVariable); ok {
		o.File = file
		return
	}
	if _, err := os.Stat(config.DefaultFile); !errors.Is(err, fs.ErrNotExist) {
		o.File = config.DefaultFile
		complain(stderr, "the configuration is %s", o.File)
	}
}

// locateIfReadable is for commands that whoever has an account may use: the server's
// configuration may be nobody's business.
func (o *options) locateIfReadable(stderr io.Writer) {
	named := o.File != ""
	o.locate(stderr)
	if f, err := os.Open(o.File); err == nil {
		f.Close()
	} else if !named && errors.Is(err, fs.ErrPermission) {
		complain(stderr, "it is not for this user to read, so it is left out")
		o.File = ""
	}
}

// openSources has the sources of domains read once. The function that it returns closes
// them.
func (o *options) openSources() (closeSources func()) {
	s := directory.NewSources(directory.Options{Log: slog.New(slog.DiscardHandler)}) // a snapshot's warnings say the same
	o.Sources = s
	return s.Close
}

// complainUnread prints which sources could not be read, so that not all domains are known.
func (o *options) complainUnread(stderr io.Writer, command string) (unread bool) {
	for _, s := range o.Sources.(*directory.Sources).States() {
		if s.Err != nil {
			unread = true
			complain(stderr, "%s: source %s cannot be read: %s; without its domains nothing is written", command, s.Name, s.Err)
		}
	}
	return unread
}

// build makes what serve would have; nil: there are mistakes, which are printed.
func (o *options) build(ctx context.Context, stderr io.Writer, command string) *snapshot.Snapshot {
	done := tellWaiting(stderr, command+": reading providers and domains", tellEvery)
	s, err := snapshot.Build(ctx, o.Options, nil)
	done()
	if err != nil {
		conf, _ := config.Load(o.Inputs) // a misspelt variable may be why
		warn(stderr, conf.Warnings)
		complainBuild(stderr, err)
		return nil
	}
	return s
}

// setProviders adds paths to those that are read.
func (o *options) setProviders(paths []string) {
	for _, p := range paths {
		o.Inputs.Options = append(o.Inputs.Options, config.Option{Flag: "providers", Setting: "catalogue.providers", Value: p})
	}
}

// option registers a flag whose value is parsed.
func option[T any](flags *flag.FlagSet, name string, to *T, parse func(string) (T, error)) {
	flags.Func(name, "", func(s string) (err error) {
		*to, err = parse(s)
		return err
	})
}

// given tells whether an option sets a setting.
func (o *options) given(setting string) bool {
	return slices.ContainsFunc(o.Inputs.Options, func(given config.Option) bool { return given.Setting == setting })
}
