// Command milepost tells mail programs their settings. Run it without arguments
// for its manual.
package main

import (
	"fmt"
	"io"
	"os"

	"milepost/internal/manual"
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

func commands() map[string]func([]string, io.Writer, io.Writer) int {
	return map[string]func([]string, io.Writer, io.Writer) int{
		"serve":    serve,
		"show":     show,
		"dns":      printDNS,
		"check":    check,
		"import":   importDocuments,
		"export":   exportCatalogue,
		"config":   printConfig,
		"doctor":   examine,
		"discover": discover,
		"version":  version,
		"help":     help,
	}
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, manual.Text)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	command, ok := commands()[name]
	if !ok {
		complainCommand(stderr, name)
		return exitUsage
	}
	return command(args[1:], stdout, stderr)
}

func complainCommand(stderr io.Writer, name string) {
	complain(stderr, "%q is no command; serve, show, dns, check, import, export, config, doctor, discover, version and help are", name)
}
