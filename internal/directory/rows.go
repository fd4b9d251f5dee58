package directory

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/textfile"
	"milepost/settings"
)

const (
	maxText = 255    // octets of a domain, a provider's ID or a host, as it stands in a source
	maxName = 60     // characters of a service's name, as in a provider file
	ahead   = 5 * 60 // seconds by which a source's clock may be ahead of this machine's
)

// rows reads the records of a source. One that is wrong costs its own domain alone.
type rows struct {
	source *config.Source
	now    int64 // seconds since 1970
	wrong  textfile.Series
	lost   int // of those that are wrong, how many have no row

	// Most records have what the one before had.
	last   record
	kept   catalogue.Belonging
	latest uint32 // of the times of change
}

func (p *rows) add(r record, err error) {
	place := textfile.Error{File: "source " + p.source.Name, Line: r.line}
	if p.source.Kind == config.File {
		place.File = p.source.DSN
	}
	p.wrong.Add(place, func() error { return err })
}

// row is false for a record that is wrong.
func (p *rows) row(r record) (catalogue.Row, bool) {
	row, err := p.parse(r)
	if err != nil {
		p.lost++
		p.add(r, err)
		return row, false
	}
	// What changes next has the time of now: one that is ahead must not hide it.
	p.latest = max(p.latest, min(row.Changed, uint32(p.now)))
	return row, true
}

func (p *rows) parse(r record) (row catalogue.Row, err error) {
	if r.bad != nil {
		return row, r.bad
	}
	switch {
	case r.domain == "":
		return row, errors.New("a row has no domain")
	case len(r.domain) > maxText:
		return row, fmt.Errorf("a domain has %d octets; at most %d are allowed", len(r.domain), maxText)
	case !utf8.ValidString(r.domain):
		return row, fmt.Errorf("the domain %q is no UTF-8", r.domain)
	}
	if row.Domain, err = address.ParseDomain(strings.TrimSpace(r.domain)); err != nil {
		return row, err
	}
	if !r.gone { // else nobody needs to know whose it was
		if row.Belonging, err = p.belonging(r); err != nil {
			return row, fmt.Errorf("%s: %w", row.Domain, err)
		}
	}
	if r.changed > p.now+ahead {
		p.add(r, fmt.Errorf("%s: its row changed at a time that is yet to come, which is not used; is a clock wrong, or a time zone?", row.Domain))
		return row, nil
	}
	row.Changed = uint32(r.changed)
	return row, nil
}

func (p *rows) belonging(r record) (b catalogue.Belonging, err error) {
	if p.kept.Provider != "" && r.provider == p.last.provider && r.host == p.last.host && r.name == p.last.name {
		return p.kept, nil
	}
	if b.Provider = r.provider; b.Provider == "" {
		b.Provider = p.source.Provider
	}
	switch {
	case b.Provider == "":
		return b, errors.New("its row names no provider, and the source has none for all")
	case len(b.Provider) > maxText || strings.ContainsFunc(b.Provider, unicode.IsControl) || !utf8.ValidString(b.Provider):
		return b, errors.New("its row names a provider by what can be no ID")
	}
	if r.host != "" {
		host := address.Domain{}
		if len(r.host) <= maxText {
			host, err = address.ParseDomain(strings.TrimSpace(r.host))
		} else {
			err = fmt.Errorf("it has %d octets; at most %d are allowed", len(r.host), maxText)
		}
		if err != nil {
			return b, fmt.Errorf("its host is no host name: %w", err)
		}
		b.Host = settings.Hostname(host.ASCII)
	}
	b.Name = strings.TrimSpace(r.name)
	if n := utf8.RuneCountInString(b.Name); n > maxName || len(b.Name) > 4*maxName {
		return b, fmt.Errorf("its name has %d characters; at most %d are allowed", n, maxName)
	}
	if strings.ContainsFunc(b.Name, unicode.IsControl) || !utf8.ValidString(b.Name) {
		return b, errors.New("its name has control characters; they are not allowed")
	}
	p.last, p.kept = r, b
	return b, nil
}

// warnings are what is wrong: the first hundred, and how many more there are.
func (p *rows) warnings() textfile.Errors { return p.wrong.Errors() }
