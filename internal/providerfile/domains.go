package providerfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/textfile"
	"milepost/internal/tomlfile"
	"milepost/settings"
)

// readDomains reads an entry's domains and MX domains, and returns the warnings about
// the list beside the file.
func (d Directory) readDomains(t *tomlfile.Table, e *catalogue.Entry) textfile.Errors {
	p := e.Provider
	p.Domains, e.Lines = eachDomain(t, "domains", parsePattern, doubtful)
	p.MX, e.MXLines = eachDomain(t, "mx", address.ParseDomain, singleLabel)
	if !t.Has("domains_from") {
		if len(p.Domains)+len(p.MX) == 0 && !t.Refused("domains") && !t.Refused("mx") {
			e.Bare = bare(t, e, "domains", fmt.Errorf("%s; a provider needs domains, domains_from or mx, or a [[source]] of domains", missing(t, "domains")))
		}
		return nil
	}
	name, ok := t.String("domains_from")
	if !ok {
		return nil
	}
	list := path.Clean(name)
	if name == "" || !fs.ValidPath(list) || strings.Contains(list, "/") {
		t.Errorf("domains_from", "%q is no file beside this one; a plain file name is allowed", name)
		return nil
	}
	text, err := textfile.Read(d.FS, list, maxList)
	if err != nil {
		t.Errorf("domains_from", "%s: %w", name, err)
		return nil
	}
	e.List.File = d.path(list)
	warnings := readList(e, string(text))
	if len(p.Domains)+len(p.MX) == 0 {
		e.Bare = bare(t, e, "domains_from", fmt.Errorf("%s names no domain; a provider needs at least one, or a [[source]] of domains", name))
	}
	return warnings
}

// bare is a mistake unless the provider's domains come from elsewhere.
func bare(t *tomlfile.Table, e *catalogue.Entry, key string, why error) textfile.Error {
	return textfile.Error{File: e.File, Line: t.Line(key), Key: key, Err: why}
}

// eachDomain reads the domains under a key, with their lines.
func eachDomain[T any](t *tomlfile.Table, key string, parse func(string) (T, error), doubt func(T) error) (out []T, lines []int32) {
	out, lines = tomlfile.Each(t, key, parse)
	for i, v := range out {
		if err := doubt(v); err != nil {
			t.WarnAt(int(lines[i]), key, err)
		}
	}
	return out, lines
}

// readList reads a list of domains into an entry. It is data that a program may
// have written: a line that is no domain costs that line alone.
func readList(e *catalogue.Entry, text string) textfile.Errors {
	var warnings textfile.Series
	p, l := e.Provider, &e.List
	n := min(strings.Count(text, "\n")+1, len(text)/8) // a list of empty lines holds nothing
	p.Domains, l.Lines = slices.Grow(p.Domains, n), slices.Grow(l.Lines, n)
	number := int32(0)
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) { // Notepad's mark
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		d, err := parsePattern(line)
		if err != nil {
			l.Dropped++
			err = fmt.Errorf("%w; the line is left out", err)
		} else {
			p.Domains, l.Lines = append(p.Domains, d), append(l.Lines, number)
			err = doubtful(d)
		}
		if err != nil {
			warnings.Add(textfile.Error{File: l.File, Line: int(number)}, func() error { return err })
		}
	}
	return warnings.Errors()
}

func parsePattern(s string) (settings.DomainPattern, error) {
	if s == "*" {
		return settings.DomainPattern{Wildcard: true}, nil
	}
	name, wildcard := strings.CutPrefix(s, "*.")
	if strings.Contains(name, "*") {
		return settings.DomainPattern{}, fmt.Errorf(`%q has a * where none can be; "example.com", "*.example.com" and "*" are allowed`, s)
	}
	d, err := address.ParseDomain(name)
	return settings.DomainPattern{Wildcard: wildcard, Domain: d}, err
}

// doubtful says why a domain that is allowed is probably not meant.
func doubtful(d settings.DomainPattern) error {
	if !d.Wildcard {
		return singleLabel(d.Domain)
	}
	// A suffix that the list does not have, as in *.lan, is reported without a dot
	// and as nobody's.
	suffix, icann := publicsuffix.PublicSuffix(d.Domain.ASCII)
	if !d.Domain.IsZero() && suffix == d.Domain.ASCII && (icann || strings.Contains(suffix, ".")) {
		return fmt.Errorf("%s takes in all domains under a public suffix, which belong to many", d)
	}
	return nil
}

func singleLabel(d address.Domain) error {
	if strings.Contains(d.ASCII, ".") {
		return nil
	}
	return errors.New(d.ASCII + " has one label; no mail from elsewhere reaches such a domain")
}
