package directory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"milepost/internal/config"
	"milepost/internal/textfile"
)

// maxFile is the most that is read of a file of domains, in octets.
const maxFile = 256 << 20

// filePreset is how a system writes its domains into files.
type filePreset struct {
	names []string // of the files in the directory that the DSN is; nil: it is the file itself
	// line reads one that is neither empty nor begins with a #, which makes a comment.
	// It is false for one that has no domain.
	line func(string) (record, bool)
}

// filePresets are the formats by name. The pages in testdata/files say where each was
// read.
var filePresets = map[string]filePreset{
	// A domain a line, and perhaps the ID of its provider.
	"list": {nil, listLine},
	// DirectAdmin: /etc/virtual/domains has the domains whose mail is here, those of
	// pointers and the machine's own name among them. /etc/virtual/domainowners, with
	// "DOMAIN: USER", can be read too; it also has domains whose mail is elsewhere.
	"directadmin": {nil, ownedLine},
	// cPanel: /etc/userdomains has "DOMAIN: USER" for all domains, subdomains and those
	// that were added, and "*: nobody" for the rest. /etc/localdomains, without users, has
	// those whose mail is here, and can be read too.
	"cpanel": {nil, ownedLine},
	// docker-mailserver: the directory config has the mailboxes and the aliases. As
	// for its Postfix, their domains are those that it has mail for.
	"docker-mailserver": {[]string{"postfix-accounts.cf", "postfix-virtual.cf"}, addressLine},
}

func listLine(line string) (record, bool) {
	line, _, _ = strings.Cut(line, "#")
	words := strings.Fields(line)
	r := record{domain: words[0]}
	switch len(words) {
	case 1:
	case 2:
		r.provider = words[1]
	default:
		r.bad = fmt.Errorf("has %d words; a domain and the ID of a provider are allowed", len(words))
	}
	return r, true
}

func ownedLine(line string) (record, bool) {
	domain, _, _ := strings.Cut(line, ":")
	return record{domain: domain}, domain != "*"
}

// addressLine reads what stands behind the @ of the address that a line begins with.
// The name of an alias may have none, and so no domain.
func addressLine(line string) (record, bool) {
	if end := strings.IndexFunc(line, func(r rune) bool { return r == '|' || unicode.IsSpace(r) }); end >= 0 {
		line = line[:end]
	}
	_, domain, ok := strings.Cut(line, "@")
	return record{domain: domain}, ok
}

// fileReader reads domains from files. It compares them by content: a time can stay the
// same.
type fileReader struct {
	paths []string
	line  func(string) (record, bool)
	// addresses: the files have addresses, so many lines a domain; one of the files may be missing.
	addresses bool
}

// openFiles makes the reader of a source. It reads nothing yet.
func openFiles(s config.Source) (reader, error) {
	preset, ok := filePresets[s.Preset]
	if s.Preset == "" {
		preset, ok = filePresets["list"], true
	}
	if !ok {
		return nil, fmt.Errorf("preset: %q is no preset for files; %s are allowed", s.Preset, strings.Join(slices.Sorted(maps.Keys(filePresets)), ", "))
	}
	if s.DSN == "" {
		return nil, errors.New("dsn: names no file")
	}
	r := &fileReader{paths: []string{s.DSN}, line: preset.line}
	if preset.names != nil {
		r.paths, r.addresses = nil, true
		for _, name := range preset.names {
			r.paths = append(r.paths, filepath.Join(s.DSN, name))
		}
	}
	return r, nil
}

func (r *fileReader) close() {}

func (r *fileReader) version(context.Context) (string, error) {
	h := sha256.New()
	err := r.each(func(_ string, text []byte) error {
		sum := sha256.Sum256(text)
		h.Write(sum[:])
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// each yields the texts of the files.
func (r *fileReader) each(yield func(path string, text []byte) error) error {
	var missing error
	there := 0
	for _, path := range r.paths {
		text, err := textfile.ReadFile(path, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist) && r.addresses:
			missing = fmt.Errorf("%s: %w", path, err)
			continue
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		}
		there++
		if err := yield(path, text); err != nil {
			return err
		}
	}
	if there == 0 {
		return missing
	}
	return nil
}

func (r *fileReader) all(ctx context.Context, yield func(record) error) (total int, err error) {
	seen := make(map[string]bool)
	return -1, r.each(func(path string, text []byte) error {
		number := 0
		for octets := range bytes.Lines(bytes.TrimPrefix(text, []byte("\ufeff"))) { // Notepad's mark
			if number++; number%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			line := string(bytes.TrimSpace(octets))
			if line == "" || line[0] == '#' {
				continue
			}
			rec, ok := r.line(line)
			if !ok || seen[rec.domain] {
				continue
			}
			if r.addresses {
				seen[rec.domain] = true
			}
			rec.line = number
			if err := yield(rec); err != nil {
				return err
			}
		}
		return nil
	})
}

// since is never able: a file does not say when its lines changed.
func (r *fileReader) since(context.Context, uint32, func(record) error) (total int, ok bool, err error) {
	return -1, false, nil
}
