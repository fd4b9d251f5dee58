package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker: the version, where it is not that of a tag, and the commit, which Go
// does not find in a work tree of git's beside the clone.
var release, commit string

// build says what this program was made from.
type build struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commit_time,omitempty"` // RFC 3339
	Modified   bool   `json:"modified,omitempty"`    // the sources were not those of the commit
	Go         string `json:"go"`
	Platform   string `json:"platform"`
}

func currentBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if from, ok := debug.ReadBuildInfo(); ok {
		if from.Main.Version != "" {
			b.Version = strings.TrimPrefix(from.Main.Version, "v")
		}
		for _, s := range from.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.CommitTime = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if release != "" {
		b.Version = release
	}
	if b.Commit == "" {
		b.Commit = commit
	}
	return b
}

func (b build) String() string {
	from := ""
	if b.Commit != "" {
		from = "commit " + b.Commit
		if b.Modified {
			from += ", modified"
		}
		from += "; "
	}
	return fmt.Sprintf("milepost %s (%s%s, %s)", b.Version, from, b.Go, b.Platform)
}

func version(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("version", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "")
	if code, ok := parse(flags, args, stdout, stderr); !ok {
		return code
	}
	if flags.NArg() > 0 {
		complain(stderr, "version: %q is one word too many", flags.Arg(0))
		return exitUsage
	}
	if !*asJSON {
		return print(stdout, stderr, []byte(currentBuild().String()+"\n"))
	}
	body, err := json.MarshalIndent(currentBuild(), "", "  ")
	if err != nil {
		complain(stderr, "version: %s", err)
		return exitNo
	}
	return print(stdout, stderr, append(body, '\n'))
}
