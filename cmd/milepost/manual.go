package main

import (
	_ "embed" // for the manual
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
)

//go:embed manual.txt
var manual string

func help(_ []string, stdout, _ io.Writer) int {
	fmt.Fprint(stdout, manual)
	return exitOK
}

func version(_ []string, stdout, _ io.Writer) int {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	fmt.Fprintln(stdout, "milepost", version)
	return exitOK
}

// parse reads a command's flags. False: the command ends with that code.
func parse(flags *flag.FlagSet, args []string, stdout, stderr io.Writer) (int, bool) {
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if err == nil {
		err = misused(flags)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return help(nil, stdout, stderr), false
	case err != nil:
		complain(stderr, "%s: %s", flags.Name(), err)
		complain(stderr, "'milepost help' lists the options")
		return exitUsage, false
	}
	return exitOK, true
}

// misused says what is wrong with words that stand behind the flags.
func misused(flags *flag.FlagSet) error {
	for _, arg := range flags.Args() {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && flags.Lookup(name) != nil {
			return fmt.Errorf("the option -%s stands too late; options come first", name)
		}
	}
	return nil
}
