package exchange

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
	"milepost/internal/answer"
	"milepost/internal/mtasts"
	"milepost/pacc"
	"milepost/settings"
)

// Exporter writes a whole catalogue in a format that others use.
type Exporter struct {
	Catalogue *catalogue.Catalogue
	Overwrite bool                         // replaces what an export has left in the directory
	TakeLoss  bool                         // Bucket may delete most of what there is
	Progress  func(providers, domains int) // what is done; called often
	Say       func(string)                 // a line for people

	providers, domains int
}

func (e *Exporter) done(domains int) {
	e.domains += domains
	e.Progress(e.providers, e.domains)
}

// into writes a directory.
func (e *Exporter) into(dir string, write func(*tree) error) error {
	t, err := newTree(dir, e.Overwrite)
	if err != nil {
		return err
	}
	defer t.discard()
	if err := write(t); err != nil {
		return err
	}
	return t.commit()
}

// ISPDB writes a document a provider, ID.xml, as the ISP database has them.
func (e *Exporter) ISPDB(dir string) error {
	return e.into(dir, func(t *tree) error {
		for _, p := range e.Catalogue.Providers() {
			if reason := unspeakable(p); reason != "" {
				e.Say(p.ID + ": has no document: " + reason)
				continue
			}
			err := t.create(p.ID+".xml", func(w io.Writer) error { return autoconfig.WriteAll(w, settings.Account{Provider: p}) })
			if err != nil {
				return err
			}
			e.providers++
			e.done(len(p.Domains))
		}
		return nil
	})
}

// unspeakable says why there is no document of a provider for others to read.
func unspeakable(p *settings.Provider) string {
	named := func(d settings.DomainPattern) bool { return !d.Wildcard }
	if len(p.MX) == 0 && !slices.ContainsFunc(p.Domains, named) {
		return "it names no domain; a document cannot say *"
	}
	return noServers(p)
}

// noServers says why no document can be made at all.
func noServers(p *settings.Provider) string {
	switch {
	case p.NoMailPrograms:
		return "no mail program gets in"
	case len(p.Incoming) == 0 || len(p.Outgoing) == 0:
		return "it lacks incoming or outgoing servers"
	case !slices.ContainsFunc(p.Incoming, hasName) || !slices.ContainsFunc(p.Outgoing, hasName):
		return "its servers have the name of each customer's MX host, and a document cannot say so"
	}
	return ""
}

func hasName(s settings.Server) bool { return s.Hostname != settings.MXHost }

// JSON writes all providers, each as [answer.ProviderJSON] has it.
func (e *Exporter) JSON(w io.Writer) error {
	if _, err := io.WriteString(w, "{\"providers\": ["); err != nil {
		return err
	}
	for i, p := range e.Catalogue.Providers() {
		before := ",\n"
		if i == 0 {
			before = "\n"
		}
		if _, err := io.WriteString(w, before); err != nil {
			return err
		}
		if err := answer.WriteProviderJSON(w, p); err != nil {
			return err
		}
		e.providers++
		e.done(len(p.Domains))
	}
	_, err := io.WriteString(w, "]}\n")
	return err
}

// The directories of a static tree, in which each file is called as its domain.
const (
	autoconfigDir = "autoconfig"
	paccDir       = "ua-auto-config"
	mtastsDir     = "mta-sts"
)

// Static writes the documents that a web server can send as they are, a file a domain.
func (e *Exporter) Static(dir string) error {
	return e.into(dir, func(t *tree) error {
		for _, dir := range []string{autoconfigDir, paccDir, mtastsDir} {
			if err := t.mkdir(dir); err != nil {
				return err
			}
		}
		files := make(map[*settings.Provider][]func(address.Domain) error) // what writes those of a domain
		for _, p := range e.Catalogue.Providers() {
			files[p] = static(t, p, e.Say)
			e.providers++
			e.done(0)
		}
		for d, p := range e.Catalogue.NamedDomains() {
			of, known := files[p]
			if !known { // as a table has it
				of = static(t, p, func(string) {}) // it has been said
				files[p] = of
			}
			for _, write := range of {
				if err := write(d); err != nil {
					return err
				}
			}
			e.done(1)
		}
		return nil
	})
}

// static makes what writes the files of a provider's domains, and says what has none.
func static(t *tree, p *settings.Provider, say func(string)) (files []func(address.Domain) error) {
	if reason := noServers(p); reason != "" {
		say(p.ID + ": has no document: " + reason)
	} else if write, err := documentsOf(t, p, autoconfigDir, autoconfig.Render); err != nil {
		say(p.ID + ": has no document: " + err.Error())
	} else {
		files = append(files, write)
	}
	if write, err := documentsOf(t, p, paccDir, pacc.Render); err == nil {
		files = append(files, write)
	}
	if policy, err := mtasts.Render(p.MTASTS); err == nil {
		policies := &shared{tree: t, content: policy}
		files = append(files, func(d address.Domain) error { return policies.add(mtastsDir + "/" + d.ASCII) })
	}
	wildcards := 0
	for _, d := range p.Domains {
		if d.Wildcard {
			wildcards++
		}
	}
	if wildcards > 0 || len(p.MX) > 0 {
		say(fmt.Sprintf("%s: what it serves by wildcards (%d) or MX domains (%d) has no file", p.ID, wildcards, len(p.MX)))
	}
	return files
}

// documentsOf makes what writes the document of a domain. Where it holds the domain
// nowhere, or in its <domain> alone, there is one for all of the provider's, which has
// %EMAILDOMAIN% there: so mailcow and others publish it.
func documentsOf(t *tree, p *settings.Provider, dir string, render func(settings.Account) ([]byte, error)) (func(address.Domain) error, error) {
	anywhere := p.For(address.Address{Domain: address.Domain{ASCII: settings.EmailDomain}})
	one, err := render(anywhere)
	if err != nil {
		return nil, err
	}
	if anywhere.Provider == p && bytes.Count(one, []byte(settings.EmailDomain)) <= 1 {
		same := &shared{tree: t, content: one}
		return func(d address.Domain) error { return same.add(dir + "/" + d.ASCII) }, nil
	}
	return func(d address.Domain) error {
		document, err := render(p.For(address.Address{Domain: d}))
		if err != nil {
			return err
		}
		own := &shared{tree: t, content: document}
		return own.add(dir + "/" + d.ASCII)
	}, nil
}
