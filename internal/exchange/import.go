package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"milepost/catalogue"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
	"milepost/settings"
)

// Importer takes documents over into the provider files of a directory. Whatever it
// writes, the directory stays one that has no mistakes.
type Importer struct {
	Overwrite bool          // a document's values replace a file's
	Source    string        // where the documents come from; after a / goes the name of a document's file
	Checked   settings.Date // of the copy in which they were read
	Say       func(string)  // a line for people

	dir    string
	files  map[string]catalogue.Entry        // by the provider's ID
	owners map[settings.DomainPattern]string // the file that has a domain
	mx     map[string]string

	New, Changed, Same int // files
}

// StandardInput is the name of a document that comes from no file.
const StandardInput = "standard input"

// Open reads the files that are there already. The directory is made if it is not there.
// Mistakes in the files are [textfile.Errors].
func (i *Importer) Open(dir string) error {
	i.dir = dir
	i.files, i.owners, i.mx = make(map[string]catalogue.Entry), make(map[settings.DomainPattern]string), make(map[string]string)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return textfile.Error{File: dir, Err: textfile.Reason(err)}
	}
	found, err := filepath.Glob(filepath.Join(globbed(dir), "*.toml"))
	if err != nil || len(found) == 0 {
		return err
	}
	if _, _, err := catalogue.New(context.Background(), i.input()); err != nil {
		return err
	}
	entries, _, _ := i.source().Load(context.Background())
	for _, e := range entries {
		i.enter(e)
	}
	return nil
}

// globbed takes their meaning from the characters of a pattern.
func globbed(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func (i *Importer) source() providerfile.Directory {
	return providerfile.Directory{Name: i.dir, FS: os.DirFS(i.dir)}
}

// input lets a provider be without domains: a [[source]] may have them.
func (i *Importer) input() catalogue.Input {
	return catalogue.Input{Own: []catalogue.Source{i.source()}, Fed: func(string) bool { return true }}
}

func (i *Importer) enter(e catalogue.Entry) {
	i.files[e.Provider.ID] = e
	file := filepath.Base(e.File)
	for _, d := range e.Provider.Domains {
		if i.owners[plain(d)] == "" {
			i.owners[plain(d)] = file
		}
	}
	for _, mx := range e.Provider.MX {
		i.mx[mx.ASCII] = file
	}
}

// Read reads a document, with its source. What it lacks then has been said.
func (i *Importer) Read(name string, data []byte) (*Document, error) {
	d, err := ReadDocument(name, data)
	for _, lost := range d.Lost {
		i.Say(lost.Error())
	}
	if d.Provider.Source = i.Source; strings.HasSuffix(i.Source, "/") && name != StandardInput {
		d.Provider.Source += url.PathEscape(filepath.Base(name))
	}
	d.Provider.Checked = i.Checked
	return d, err
}

// Text is the file of a document that goes into no directory.
func (d *Document) Text() []byte {
	return providerfile.Write(d.Provider, "Imported from "+filepath.Base(d.Name)+".")
}

// Take takes a document over into the file of its provider.
func (i *Importer) Take(d *Document) error {
	i.rename(d)
	file := d.Provider.ID + ".toml"
	old, known := i.files[d.Provider.ID]
	if known {
		file = filepath.Base(old.File)
	} else if _, err := os.Lstat(filepath.Join(i.dir, file)); err == nil {
		return textfile.Error{File: d.Name, Err: fmt.Errorf("is left out: %s has another provider than %s", file, d.Provider.ID)}
	}
	i.leaveOthers(d, file)
	if !known {
		if len(d.Provider.Domains)+len(d.Provider.MX) == 0 {
			return textfile.Error{File: d.Name, Err: errors.New("is left out: other files have all of its domains")}
		}
		if err := i.write(file, d.Text()); err != nil {
			return err
		}
		i.New++
		return nil
	}
	m := newMerge(old.Provider, i.comparable(d))
	i.tell(m, file, filepath.Base(d.Name))
	rewrite := i.Overwrite && len(m.differ) > 0
	if !rewrite && len(m.added) == 0 {
		i.Same++
		return nil
	}
	if err := i.update(old, m, rewrite, d); err != nil {
		return err
	}
	i.Changed++
	return nil
}

// comparable is what a document says itself. Where a file's facts come from and when they
// were read, a document cannot say that only adds to them.
func (i *Importer) comparable(d *Document) *settings.Provider {
	p := *d.Provider
	if !d.named {
		p.DisplayName = ""
	}
	if !d.shortly {
		p.ShortName = ""
	}
	if !i.Overwrite {
		p.Source, p.Checked = "", ""
	}
	return &p
}

func (i *Importer) update(old catalogue.Entry, m *merge, rewrite bool, d *Document) error {
	file := filepath.Base(old.File)
	text, err := textfile.Read(os.DirFS(i.dir), file, 4<<20)
	switch {
	case err != nil:
	case rewrite:
		if !plainly(text, old) {
			i.Say(i.path(file) + ": is written anew, without its comments and layout")
		}
		text = anew(old, m.whole(), d.Name)
	default:
		text, err = providerfile.Add(text, &m.more)
	}
	if err != nil {
		return textfile.Error{File: i.path(file), Err: err}
	}
	return i.write(file, text)
}

// anew is the whole file of an entry with another provider's values. The list beside it
// stays a file of its own.
func anew(old catalogue.Entry, p *settings.Provider, document string) []byte {
	list := ""
	if old.List.File != "" {
		list = filepath.Base(old.List.File)
		all := len(old.Provider.Domains)
		p.Domains = slices.Concat(p.Domains[:all-len(old.List.Lines)], p.Domains[all:])
	}
	return providerfile.WriteBeside(list, p, "Imported from "+filepath.Base(document)+".")
}

// plainly tells whether nothing is lost when the file of an entry is written anew: it
// has no comment but that of an import, and no layout of a person's.
func plainly(text []byte, e catalogue.Entry) bool {
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	copied := *e.Provider
	_, again, _ := bytes.Cut(anew(e, &copied, ""), []byte("\n"))
	return bytes.HasPrefix(first, []byte("# Imported from ")) && bytes.Equal(rest, again)
}

// rename gives another ID to a provider whose own is that of a file with none of its
// domains: so documents for several countries have one id, and each its own servers.
func (i *Importer) rename(d *Document) {
	p := *d.Provider
	old, known := i.files[p.ID]
	if !known || len(p.Domains) == 0 {
		return
	}
	names := func(id string) bool {
		file := filepath.Base(i.files[id].File)
		return slices.ContainsFunc(p.Domains, func(pattern settings.DomainPattern) bool {
			return i.owners[plain(pattern)] == file || i.mx[pattern.Domain.ASCII] == file
		})
	}
	if names(p.ID) {
		return
	}
	for _, pattern := range p.Domains {
		p.ID = pattern.Domain.ASCII
		if _, taken := i.files[p.ID]; !taken || names(p.ID) {
			i.Say(fmt.Sprintf("%s: is the provider %s here: %s has the id %s, and none of its domains", d.Name, p.ID, old.File, old.Provider.ID))
			d.Provider = &p
			return
		}
	}
}

// leaveOthers takes the domains out of a document that another file has.
func (i *Importer) leaveOthers(d *Document, file string) {
	p := *d.Provider
	taken := make(map[string]int)
	p.Domains = slices.DeleteFunc(slices.Clone(p.Domains), func(pattern settings.DomainPattern) bool {
		owner := i.owners[plain(pattern)]
		if owner == "" || owner == file {
			return false
		}
		if taken[owner]++; taken[owner] <= 10 {
			i.Say(fmt.Sprintf("%s: %s is left out: %s has it", d.Name, pattern, i.path(owner)))
		}
		return true
	})
	for n, mx := range slices.Backward(p.MX) {
		if owner := i.mx[mx.ASCII]; owner != "" && owner != file {
			i.Say(fmt.Sprintf("%s: the mx domain %s is left out: %s has it", d.Name, mx, i.path(owner)))
			p.MX = slices.Delete(slices.Clone(p.MX), n, n+1)
		}
	}
	for owner, n := range taken {
		if n > 10 {
			i.Say(fmt.Sprintf("%s: %d more domains are left out: %s has them", d.Name, n-10, i.path(owner)))
		}
	}
	d.Provider = &p
}

// tell says what becomes of a file.
func (i *Importer) tell(m *merge, file, document string) {
	for _, d := range m.differ {
		if i.Overwrite {
			i.Say(fmt.Sprintf("%s: %s is now %s; it was %s", i.path(file), d.key, d.says, d.has))
		} else {
			i.Say(fmt.Sprintf("%s: keeps %s %s; %s says %s", i.path(file), d.key, d.has, document, d.says))
		}
	}
	if len(m.added) > 0 {
		i.Say(fmt.Sprintf("%s: takes %s from %s", i.path(file), strings.Join(m.added, ", "), document))
	}
}

func (i *Importer) path(file string) string { return filepath.Join(i.dir, file) }

// write writes a file of which the reader says that it has no mistake.
func (i *Importer) write(file string, text []byte) error {
	e, _, mistakes := i.source().Parse(file, text)
	if len(mistakes) > 0 {
		return textfile.Error{File: i.path(file), Err: fmt.Errorf("stays as it is; with what it would take from the document it would not be right: %s", mistakes[0].Err)}
	}
	if err := Replace(i.path(file), true, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}); err != nil {
		return textfile.Error{File: i.path(file), Err: textfile.Reason(err)}
	}
	i.enter(e)
	return nil
}

// Documents lists the XML files that a path names: itself, or those in it. A directory
// with an ispdb in it, as a checkout of the ISP database, means that.
func Documents(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, textfile.Error{File: path, Err: textfile.Reason(err)}
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	if below := filepath.Join(path, "ispdb"); isDir(below) {
		path = below
	}
	files, err := filepath.Glob(filepath.Join(globbed(path), "*.xml"))
	if err == nil && len(files) == 0 {
		err = textfile.Error{File: path, Err: errors.New("has no .xml file")}
	}
	return files, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
