// Package snapshot makes everything that is served, at once: the catalogue, the
// zones with their serials, the pages in a service's looks. What is wrong with any of
// it is found here, before anything is served.
package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/pages"
	"milepost/internal/textfile"
	"milepost/internal/zones"
	"milepost/settings"
)

// Options say what a snapshot is made of. What they name is read anew each time.
type Options struct {
	config.Inputs
	// Zones makes the zones that a configuration speaks of, even if it does not say that
	// they are served here.
	Zones bool
	// Now is the clock that serials are made by.
	Now func() time.Time
	// TakeShrunk takes over a list of domains that has lost most of them, and a directory
	// that has lost every provider.
	TakeShrunk bool
	// Agree gives serials their numbers, so that several servers have the same; nil: the
	// clock does.
	Agree zones.Agree
	// Sources has the domains of the configuration's sources; nil: they are not read.
	Sources Sources
	// Also are mistakes in what the configuration names and no snapshot is made of, to be
	// told with the others.
	Also textfile.Errors
}

// Sources reads the sources of domains that a configuration names.
type Sources interface {
	// Tables opens and reads what is new, keeps what is known already, and closes what
	// is no longer named. The tables are in the order of the sources. What has changed is
	// told all the same to whoever asks for changes, for nobody knows as yet whether the
	// tables will be served.
	Tables(ctx context.Context, sources []config.Source) (tables []*catalogue.Table, warnings, mistakes textfile.Errors)
	// Files are the provider files that sources hold, by the name of the source. The
	// edition is another one whenever they are.
	Files() (files map[string]fs.FS, edition int)
}

// Snapshot is everything that is served. It never changes: a reload makes another
// one, and a request that has begun keeps its own.
type Snapshot struct {
	Config    *config.Config
	Catalogue *catalogue.Catalogue
	Site      *pages.Site
	List      *pages.List // of all providers
	PublicURL string      // the HTTPS address of this server, as https://mail.example.com; empty: not known
	Zones     *zones.Set  // nil: DNS is not served
	// Guessed are the addresses at which this server says in DNS that it is, if the
	// configuration does not say.
	Guessed []netip.Addr
	// Warnings are what is allowed and was probably not meant.
	Warnings textfile.Errors

	host    settings.Hostname
	read    textfile.Errors // the warnings about the catalogue
	edition int
	of      *Origin
}

// Origin is shared by a snapshot and those that follow from it by changes of rows, and
// keeps none of them in memory.
type Origin struct{ _ byte }

// Origin is nil if no snapshot follows from this one.
func (s *Snapshot) Origin() *Origin { return s.of }

// Mistakes are why there is no snapshot.
type Mistakes struct {
	Configuration textfile.Errors // of milepost.toml and what it names
	Catalogue     textfile.Errors // of provider files and lists of domains
}

func (m *Mistakes) Error() string { return slices.Concat(m.Configuration, m.Catalogue).Error() }

// Build makes a snapshot. Its serials are higher than those of the previous one (nil:
// there is none) where a zone has changed. The error is [*Mistakes], with every mistake
// of all parts; the previous snapshot is to be served on then.
func Build(ctx context.Context, o Options, previous *Snapshot) (*Snapshot, error) {
	var no Mistakes
	conf, unread := config.Load(o.Inputs)
	no.Configuration = mistakesIn(unread)
	looks, mistakes := branding(conf)
	no.Configuration = slices.Concat(no.Configuration, mistakes, o.Also)
	slices.SortStableFunc(no.Configuration, func(a, b textfile.Error) int { return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line) })
	c, edition, warnings, mistakes := load(ctx, conf, o, len(no.Configuration) == 0)
	if unread == nil { // else a directory may lack what it is checked for
		unused, mistakes := checkDirectories(conf, c)
		warnings, no.Configuration = append(warnings, unused...), append(no.Configuration, mistakes...)
	}
	if no.Catalogue = mistakes; previous != nil && !o.TakeShrunk && mistakes == nil {
		no.Catalogue = append(emptied(warnings, previous.read), shrunk(c.Lists(), previous.Catalogue.Lists())...)
	}
	if !no.none() {
		return nil, &no
	}
	s, err := New(c, looks, publicURL(conf))
	if err != nil {
		return nil, err // of files that are built in
	}
	s.host = cmp.Or(conf.Service.Host, s.host)
	s.Site.Examines = conf.Doctor.Web
	s.Config, s.Warnings, s.read, s.edition = conf, slices.Concat(conf.Warnings, warnings), warnings, edition
	if conf.DNS.Listen != "" || o.Zones && conf.SpeaksOfDNS() {
		no.Configuration = s.makeZones(o, previous)
	}
	if !no.none() {
		return nil, &no
	}
	return s, nil
}

// publicURL is where people reach the server: at its host, if that has HTTPS.
func publicURL(c *config.Config) string {
	if c.Service.PublicURL == "" && c.Service.Host != "" && len(c.HTTPS.Listen) > 0 {
		return "https://" + string(c.Service.Host)
	}
	return c.Service.PublicURL
}

// New makes the snapshot of a catalogue, without DNS, with its pages in a service's
// looks.
func New(c *catalogue.Catalogue, looks pages.Branding, publicURL string) (*Snapshot, error) {
	site, err := pages.New(looks, publicURL)
	if err != nil {
		return nil, err
	}
	return &Snapshot{Config: config.Default(), Catalogue: c, Site: site, List: pages.NewList(c.Providers(), c.Own()), PublicURL: publicURL, host: hostOf(publicURL), of: new(Origin)}, nil
}

func (m *Mistakes) none() bool { return len(m.Configuration)+len(m.Catalogue) == 0 }

// elsewhere is where the zones are served that are only checked: not here, for another
// machine may serve them.
const elsewhere config.ListenAddress = "192.0.2.1:53"

// makeZones makes the zones. The service is at this machine's own addresses if the
// configuration does not say where it is.
func (s *Snapshot) makeZones(o Options, previous *Snapshot) textfile.Errors {
	conf := *s.Config
	if _, err := net.ResolveTCPAddr("tcp", string(conf.DNS.Listen)); conf.DNS.Listen != "" && err != nil {
		return textfile.Errors{conf.Mistake("dns.listen", fmt.Errorf("%s: %w", conf.DNS.Listen, conf.DNS.Listen.Explain(err)))}
	}
	if conf.Service.Host == "" && len(conf.Service.Addresses) == 0 {
		s.Guessed = ownAddresses(string(cmp.Or(conf.DNS.Listen, elsewhere)))
		conf.Service.Addresses = s.Guessed
	}
	conf.Service.Host = s.Host()
	now := o.Now()
	serial, warnings, err := zones.SerialFile(conf.DNS.SerialFile).After(uint32(now.Unix()))
	s.Warnings = append(s.Warnings, warnings...)
	if err != nil {
		return textfile.Errors{s.Config.Mistake("dns.serial_file", err)}
	}
	var before *zones.Set
	if previous != nil {
		before = previous.Zones
	}
	s.Warnings = append(s.Warnings, ahead(s.Catalogue.Claims(), s.Catalogue.Latest(), now)...)
	s.Zones, err = zones.New(s.Catalogue, &conf, before, zones.Time{Now: now, Serial: serial, Agree: o.Agree})
	return mistakesIn(err)
}

// Lapsed makes the snapshot anew of what it was made of, when the time of [zones.Set.Lapses] has come.
func (s *Snapshot) Lapsed(o Options) (*Snapshot, error) {
	next := *s
	next.Warnings, next.of = nil, new(Origin) // documents differ that were announced
	if no := next.makeZones(o, s); len(no) > 0 {
		return nil, &Mistakes{Configuration: no}
	}
	return &next, nil
}

// Announced returns the account whose document is to be served to whoever asks for that of
// another, in a format of which DNS has the digest.
func (s *Snapshot) Announced(a settings.Account) settings.Account {
	if p := s.Zones.Announced(a.Provider, a.Address.Domain); p != a.Provider {
		return p.For(a.Address)
	}
	return a
}

// mistakesIn returns the mistakes of which an error of another room consists.
func mistakesIn(err error) textfile.Errors {
	mistakes, ok := errors.AsType[textfile.Errors](err)
	if err != nil && !ok {
		return textfile.Errors{{Err: err}}
	}
	return mistakes
}

// KeepSerial writes the highest serial down, which must be done before the zones are
// served, unless only rows have given another one since the previous snapshot (nil: there is
// none): they say it again after a restart. If it fails, that is a warning.
func (s *Snapshot) KeepSerial(previous *Snapshot) (warnings textfile.Errors) {
	if s.Zones == nil || previous != nil && s.Follows(previous) && s.Zones.Given() == previous.Zones.Given() {
		return nil
	}
	return zones.SerialFile(s.Config.DNS.SerialFile).Keep(s.Zones)
}
