package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"milepost/zone"
)

// serialFile keeps the highest serial that was ever given out, for machines whose
// clock is behind when they start; empty: nothing does. A serial that falls is one
// that secondaries do not see (RFC 1982).
type serialFile string

// after returns now, or what comes after the serial that is kept, if that is later.
func (f serialFile) after(now uint32) (uint32, error) {
	if f == "" {
		return now, nil
	}
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil
	}
	if err != nil {
		return 0, err
	}
	kept, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s: is no serial; remove the file if it is not milepost's", f)
	}
	return max(now, uint32(kept)+1), nil
}

// keep writes the highest serial of the zones down, before they are served.
func (f serialFile) keep(zones *zone.Set) error {
	if f == "" {
		return nil
	}
	fresh := string(f) + ".new" // a machine that stops while writing leaves the old one
	if err := os.WriteFile(fresh, fmt.Appendln(nil, zones.Highest()), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, string(f))
}
