package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"milepost/internal/manual"
)

// help prints the manual, or what a command answers to -h.
func help(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("help", flag.ContinueOnError)
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() == 0 {
		return print(stdout, stderr, []byte(manual.Text))
	}
	if flags.NArg() > 1 {
		complain(stderr, "help: %q is one word too many", flags.Arg(1))
		return exitUsage
	}
	name := flags.Arg(0)
	command, ok := commands()[name]
	if !ok {
		complainCommand(stderr, name)
		return exitUsage
	}
	return command([]string{"-h"}, stdout, stderr)
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
		return helpCommand(flags, stdout, stderr), false
	case err != nil:
		complain(stderr, "%s: %s", flags.Name(), err)
		complain(stderr, "'milepost help %s' lists the options", flags.Name())
		return exitUsage, false
	}
	return exitOK, true
}

// helpCommand prints the part of the manual that is about one command.
func helpCommand(flags *flag.FlagSet, stdout, stderr io.Writer) int {
	m, err := manual.Parse()
	if err != nil {
		complain(stderr, "the manual: %s", err)
		return exitNo
	}
	var names []string
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	c, _ := m.Command(flags.Name())
	return print(stdout, stderr, []byte(c.Help(names)))
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
