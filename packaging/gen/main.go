// Command gen writes the man page and the shells' completion of milepost from its
// manual.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"milepost/internal/manual"
)

func main() {
	out := flag.String("out", ".", "the directory to write to")
	date := flag.Int64("date", 0, "the date of the man page, in seconds since 1970")
	flag.Parse()
	if err := write(*out, time.Unix(*date, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func write(dir string, date time.Time) error {
	m, err := manual.Parse()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"milepost.1":    manPage(m, date),
		"milepost.bash": bash(m),
		"_milepost":     zsh(m),
		"milepost.fish": fish(m),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
