// Command gen writes man pages and the shells' completion of milepost from its manual
// and the definitions of its settings, and the milepost.toml that packages ship.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"milepost/internal/config"
	"milepost/internal/manual"
)

func main() {
	out := flag.String("out", ".", "the directory to write to")
	date := flag.Int64("date", 0, "the date of the man pages, in seconds since 1970")
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
	toml, err := shipped()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"milepost.1":      manPage(m, date),
		"milepost.toml.5": filePage(m.Name, date),
		"milepost.toml":   toml,
		"milepost.bash":   bash(m),
		"_milepost":       zsh(m),
		"milepost.fish":   fish(m),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shipped is the example, with the directory of providers in force that a package has.
func shipped() (string, error) {
	const key = "\nproviders = [\"providers\"]\n"
	before, after, ok := strings.Cut(config.Example(), strings.Replace(key, "\n", "\n# ", 1))
	if !ok {
		return "", errors.New("the example of a configuration has no catalogue.providers to put in force")
	}
	return before + key + after, nil
}
