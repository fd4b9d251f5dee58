package zones

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"milepost/internal/textfile"
)

// SerialFile keeps the highest serial that was ever given out, for machines whose
// clock is behind when they start; empty: nothing does. Secondaries do not see a
// serial that is lower than theirs (RFC 1982).
type SerialFile string

// maxSerialFile is the length of the longest file that Keep writes.
const maxSerialFile = len("4294967295\n")

// After returns now or, if that is later, the serial after the one that the file
// keeps. What a crash or a full disk leaves of the file counts as none, with a
// warning; a file that somebody else wrote is an error.
func (f SerialFile) After(now uint32) (serial uint32, warnings textfile.Errors, err error) {
	if f == "" {
		return now, nil, nil
	}
	data, err := textfile.ReadFile(string(f), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return now, nil, nil
	}
	if err != nil {
		return 0, nil, f.at(err)
	}
	text := string(data)
	kept, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	switch {
	case err == nil:
		return max(now, uint32(kept)+1), nil, nil
	case len(text) <= maxSerialFile && strings.Trim(text, "0123456789\x00\n") == "":
		return now, f.at(errors.New("is empty or damaged, so serials start from the clock; if that is behind, secondaries see no change until it has caught up")), nil
	}
	return 0, nil, f.at(errors.New("is no serial; remove the file if it is not milepost's"))
}

// Keep writes down the highest serial of the zones, which must be done before they
// are served. If it fails, that is a warning: the zones are right all the same.
func (f SerialFile) Keep(s *Set) (warnings textfile.Errors) {
	if f == "" {
		return nil
	}
	if err := f.write(fmt.Appendln(nil, s.Highest())); err != nil {
		return f.at(fmt.Errorf("the highest serial cannot be kept: %w; if the clock is behind at the next start, secondaries see no change until it has caught up", textfile.Reason(err)))
	}
	return nil
}

func (f SerialFile) at(err error) textfile.Errors {
	return textfile.Errors{{File: string(f), Err: err}}
}

// write replaces the file. A machine that stops meanwhile has the old text or the
// new one, for both the text and its name are on the disk before it counts.
func (f SerialFile) write(text []byte) error {
	fresh, err := os.Create(string(f) + ".new")
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if err = cmp.Or(err, fresh.Sync(), fresh.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh.Name(), string(f)); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(string(f))); err == nil {
		dir.Sync() // some systems know no such thing, as Windows
		dir.Close()
	}
	return nil
}
