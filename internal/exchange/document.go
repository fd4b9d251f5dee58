// Package exchange moves providers between provider files and the formats that others
// use: autoconfig documents of the ISP database in and out, and a tree of files that any
// web server can serve.
package exchange

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"milepost/autoconfig"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
	"milepost/settings"
)

// MaxDocument is the longest document that is read, in octets.
const MaxDocument = 1 << 20

// Document is an autoconfig document as a provider file can hold it.
type Document struct {
	Name     string // of its file, for messages
	Provider *settings.Provider
	Lost     textfile.Errors // what the provider lacks of it

	data           []byte
	lines          map[string][]int // of the provider's parts
	named, shortly bool             // the document has a displayName, a displayShortName
}

// ReadDocument reads a document. What no provider file can hold is left out, and told
// with its line. It fails if that leaves no provider.
func ReadDocument(name string, data []byte) (*Document, error) {
	p, notes, err := autoconfig.ParseNoting(data)
	d := &Document{Name: name, Provider: &p, data: data, lines: notes.Lines, named: p.DisplayName != "", shortly: p.ShortName != ""}
	for _, n := range notes.Passed {
		d.Lost = append(d.Lost, textfile.Error{File: name, Line: n.Line, Err: errors.New(n.Text)})
	}
	if err != nil {
		return d, unreadable(name, err)
	}
	err = d.fit()
	slices.SortStableFunc(d.Lost, func(a, b textfile.Error) int { return a.Line - b.Line })
	return d, err
}

// unreadable puts a file and, if it is known, a line before what is wrong with all of a
// document.
func unreadable(name string, err error) error {
	if syntax := new(xml.SyntaxError); errors.As(err, &syntax) {
		return textfile.Error{File: name, Line: syntax.Line, Err: errors.New("document is not well-formed: " + syntax.Msg)}
	}
	return textfile.Error{File: name, Err: err}
}

func (d *Document) lose(line int, format string, args ...any) {
	d.Lost = append(d.Lost, textfile.Error{File: d.Name, Line: line, Err: fmt.Errorf(format, args...)})
}

// lineOf finds the line on which a text first stands; 0: it is written otherwise there.
func (d *Document) lineOf(text string) int {
	i := bytes.Index(d.data, []byte(text))
	if i < 0 {
		return 0
	}
	return bytes.Count(d.data[:i], []byte("\n")) + 1
}

// fit takes out what the reader of provider files refuses. What is left is the reader's:
// so a file says what the document did, by the reader's own rules.
func (d *Document) fit() error {
	p := d.Provider
	d.name()
	d.languages()
	p.Password = settings.Password{Kind: settings.AccountPassword}
	for range 10 { // each turn has no mistake of the one before
		for i := range p.Enable {
			p.Enable[i].Protocols = p.Protocols()
		}
		e, _, mistakes := providerfile.Directory{}.Parse(p.ID+".toml", providerfile.Write(p))
		if len(mistakes) == 0 {
			d.Provider = e.Provider
			return nil
		}
		if err := d.remove(mistakes); err != nil {
			return err
		}
	}
	return textfile.Error{File: d.Name, Err: errors.New("has too much that no provider file can hold")}
}

// name makes names of a length that a file can hold.
func (d *Document) name() {
	const longest, longestShort = 60, 20 // as the draft has them
	p := d.Provider
	wanted := []string{p.DisplayName, p.ShortName}
	p.DisplayName = cut(cmp.Or(p.DisplayName, p.ShortName, p.ID), longest)
	p.ShortName = cut(cmp.Or(p.ShortName, p.DisplayName), longestShort)
	if p.DisplayName != wanted[0] {
		d.lose(d.lineOf("<displayName>"), "displayName %q: the file has %q", wanted[0], p.DisplayName)
	}
	if p.ShortName != wanted[1] && (wanted[1] != "" || p.ShortName != p.DisplayName) {
		d.lose(d.lineOf("<displayShortName>"), "displayShortName %q: the file has %q", wanted[1], p.ShortName)
	}
}

func cut(s string, limit int) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
	if utf8.RuneCountInString(s) > limit {
		s = strings.TrimSpace(string([]rune(s)[:limit]))
	}
	return s
}

// languages leaves each text one in each language that has a tag.
func (d *Document) languages() {
	p := d.Provider
	for i := range p.Documentation {
		p.Documentation[i].Descriptions = d.tagged("documentation", i, p.Documentation[i].Descriptions)
	}
	for i := range p.Enable {
		p.Enable[i].Text = d.tagged("enable", i, p.Enable[i].Text)
	}
}

func (d *Document) tagged(part string, i int, texts []settings.Text) []settings.Text {
	var out []settings.Text
	for _, t := range texts {
		tag, err := language.Parse(t.Lang)
		switch name := tag.String(); {
		case err != nil || name == "url": // Urali; a key of the tables
			d.lose(d.line(part, i), "a text in %s is left out: %q is no language tag that a file can have", part, t.Lang)
		case slices.ContainsFunc(out, func(o settings.Text) bool { return o.Lang == name }):
			d.lose(d.line(part, i), "a text in %s is left out: there is one in %s already", part, name)
		default:
			out = append(out, settings.Text{Lang: name, Value: t.Value})
		}
	}
	return out
}

// line is where a part of the provider stands.
func (d *Document) line(part string, i int) int {
	if lines := d.lines[part]; i < len(lines) {
		return lines[i]
	}
	return 0
}

var element = regexp.MustCompile(`^(incoming|outgoing|setup|service|documentation|enable)\[(\d+)\]\.?(.*)$`)

// remove takes out the parts that have mistakes. It fails at one that is of the whole.
func (d *Document) remove(mistakes textfile.Errors) error {
	p := d.Provider
	gone := make(map[string][]int) // elements of arrays
	for _, m := range mistakes {
		match := element.FindStringSubmatch(m.Key)
		switch {
		case match != nil:
			i, _ := strconv.Atoi(match[2])
			array := match[1]
			if !slices.Contains(gone[array], i-1) {
				gone[array] = append(gone[array], i-1)
				d.lose(d.line(array, i-1), "%s is left out: %s: %w", array, match[3], m.Err)
			}
		case strings.HasPrefix(m.Key, "oauth2."):
			if p.OAuth2 != nil {
				d.lose(d.lineOf("<oAuth2>"), "<oAuth2> is left out: %s: %w", strings.TrimPrefix(m.Key, "oauth2."), m.Err)
			}
			p.OAuth2 = nil
		case m.Key == "webmail" && p.Webmail != "":
			d.lose(d.lineOf("<loginPage "), "<loginPage> is left out: %w", m.Err)
			p.Webmail = ""
		default:
			return textfile.Error{File: d.Name, Err: fmt.Errorf("%s: %w", m.Key, m.Err)}
		}
	}
	p.Incoming = without(p.Incoming, gone["incoming"])
	p.Outgoing = without(p.Outgoing, gone["outgoing"])
	p.Setup = without(p.Setup, gone["setup"])
	p.Services = without(p.Services, gone["service"])
	p.Documentation = without(p.Documentation, gone["documentation"])
	p.Enable = without(p.Enable, gone["enable"])
	for array, elements := range gone {
		d.lines[array] = without(d.lines[array], elements)
	}
	return nil
}

func without[T any](list []T, gone []int) []T {
	var out []T
	for i, v := range list {
		if !slices.Contains(gone, i) {
			out = append(out, v)
		}
	}
	return out
}
