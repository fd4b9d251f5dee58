package snapshot

import (
	"context"
	"fmt"
	"slices"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/directory"
	"milepost/internal/textfile"
	"milepost/settings"
)

// withLogins is a source whose providers get their fallbacks from the directories of
// login names.
type withLogins struct {
	catalogue.Source
	directories []config.Directory
}

// Load is that of [catalogue.Source]. A provider whose login names nobody knows is a
// mistake.
func (s withLogins) Load(ctx context.Context) (entries []catalogue.Entry, warnings, mistakes textfile.Errors) {
	entries, warnings, mistakes = s.Source.Load(ctx)
	for _, e := range entries {
		if e.Provider == nil || !e.Provider.HasLogin() {
			continue
		}
		i := slices.IndexFunc(s.directories, func(d config.Directory) bool { return slices.Contains(d.DomainsOf, e.Provider.ID) })
		if i < 0 {
			mistakes = append(mistakes, textfile.Error{File: e.File, Line: e.Line, Err: fmt.Errorf(
				"has username = %q, and no [[directory]] in milepost.toml has domains_of = %q", settings.Login, e.Provider.ID)})
			continue
		}
		e.Provider.LoginFallback = s.directories[i].Fallback
	}
	return entries, warnings, mistakes
}

// checkDirectories finds what is wrong with directories of login names, as far as that can
// be said without asking them.
func checkDirectories(conf *config.Config, c *catalogue.Catalogue) (warnings, mistakes textfile.Errors) {
	for _, d := range conf.Directories {
		at := func(key, format string, args ...any) textfile.Error {
			e := d.Place
			e.Key, e.Err = key, fmt.Errorf(format, args...)
			return e
		}
		if err := directory.CheckDirectory(d); err != nil {
			mistakes = append(mistakes, at("directory", "%w", err))
		}
		if c == nil { // what it has is not known
			continue
		}
		for _, id := range d.DomainsOf {
			i := slices.IndexFunc(c.Providers(), func(p *settings.Provider) bool { return p.ID == id })
			switch {
			case i < 0:
				mistakes = append(mistakes, at("domains_of", "no provider has the id %q", id))
			case !c.Providers()[i].HasLogin():
				warnings = append(warnings, at("domains_of", "%s has no username = %q, so nobody is looked up there", id, settings.Login))
			}
		}
	}
	return warnings, mistakes
}
