// Command milepost tells mail programs their settings. Run it without arguments
// for its manual.
package main

import (
	"fmt"
	"io"
	"os"
)

// Exit codes, as the manual promises them.
const (
	exitOK    = 0
	exitNo    = 1 // the answer is no: unknown domain, mistakes in a catalogue, a server that cannot start
	exitUsage = 2 // the command line is not understood
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	commands := map[string]func([]string, io.Writer, io.Writer) int{
		"serve":   serve,
		"show":    show,
		"dns":     printDNS,
		"check":   check,
		"config":  printConfig,
		"version": version,
		"help":    help,
		"-h":      help,
		"-help":   help,
		"--help":  help,
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, manual)
		return exitUsage
	}
	command, ok := commands[args[0]]
	if !ok {
		complain(stderr, "%q is no command; serve, show, dns, check, config, version and help are", args[0])
		return exitUsage
	}
	return command(args[1:], stdout, stderr)
}
