package autoconfig

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Note says what [Parse] passed over in a document.
type Note struct {
	Line int
	Text string
}

// Notes are what [ParseNoting] tells beside a provider.
type Notes struct {
	Passed []Note // over, in the order of the lines
	// Lines are those of the provider's parts, under "incoming", "outgoing", "setup",
	// "service", "documentation" and "enable".
	Lines map[string][]int
}

// reader collects them.
type reader struct {
	notes []Note
	lines map[string][]int
}

func (r *reader) take(part string, line int) { r.lines[part] = append(r.lines[part], line) }

// maxNotes is how many are kept: whoever reads a thousand has understood.
const maxNotes = 1000

func (r *reader) note(line int, format string, args ...any) {
	if len(r.notes) < maxNotes {
		r.notes = append(r.notes, Note{line, fmt.Sprintf(format, args...)})
	}
}

// unknown notes the elements of which nothing is read.
func (r *reader) unknown(in string, elements []element) {
	for _, e := range elements {
		r.note(e.line, "<%s> in <%s> is not read", e.name, in)
	}
}

// once notes leaves of which the first alone is read.
func (r *reader) once(line int, name string, leaves []string) {
	if len(leaves) > 1 {
		r.note(line, "<%s> stands %d times; the first is read", name, len(leaves))
	}
}

// element is one that no format of ours knows.
type element struct {
	name string
	line int
}

func (e *element) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.name = start.Name.Local
	e.line, _ = d.InputPos()
	return d.Skip()
}

// The elements that are read know the line on which they begin.

func (e *emailProvider) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.line, _ = d.InputPos()
	type plain emailProvider
	return d.DecodeElement((*plain)(e), &start)
}

func (s *section) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	s.line, _ = d.InputPos()
	type plain section
	return d.DecodeElement((*plain)(s), &start)
}

func (e *domain) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.line, _ = d.InputPos()
	type plain domain
	return d.DecodeElement((*plain)(e), &start)
}

func (e *documentation) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.line, _ = d.InputPos()
	type plain documentation
	return d.DecodeElement((*plain)(e), &start)
}

func (e *enable) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	e.line, _ = d.InputPos()
	type plain enable
	return d.DecodeElement((*plain)(e), &start)
}

func (o *oAuth2) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	o.line, _ = d.InputPos()
	type plain oAuth2
	return d.DecodeElement((*plain)(o), &start)
}

func (p *loginPage) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	p.line, _ = d.InputPos()
	type plain loginPage
	return d.DecodeElement((*plain)(p), &start)
}

// document says what of a document is not read that is no section's own matter.
func (r *reader) document(doc document, ep emailProvider) {
	r.unknown("clientConfig", doc.Others)
	r.unknown("emailProvider", ep.Others)
	if n := len(doc.Providers); n > 1 {
		r.note(1, "there are %d <emailProvider>; the first is read", n)
	}
	r.once(ep.line, "displayName", ep.DisplayName)
	r.once(ep.line, "displayShortName", ep.DisplayShortName)
	r.unknown("oAuth2", doc.OAuth2.Others)
	r.once(doc.OAuth2.line, "issuer", doc.OAuth2.Issuer)
	for _, w := range doc.WebMail {
		r.unknown("webMail", w.Others)
	}
	for _, d := range ep.Documentation {
		r.unknown("documentation", d.Others)
	}
	for _, e := range ep.Enable {
		r.unknown("enable", e.Others)
	}
}

// section notes what of a section is not read, or why it is passed over.
func (r *reader) section(element string, s section, reason string) {
	name := element
	if s.Type != "" {
		name += " of type " + fmt.Sprintf("%q", s.Type)
	}
	if reason != "" {
		r.note(s.line, "%s is left out: %s", name, reason)
		return
	}
	r.unknown(element, s.Others)
	r.once(s.line, "hostname", s.Hostname)
	r.once(s.line, "port", s.Port)
	r.once(s.line, "socketType", s.SocketType)
	r.once(s.line, "url", s.URL)
	r.once(s.line, "username", s.Username)
}

// methodsOf names what a section lists, for a message.
func methodsOf(s section) string {
	var names []string
	for _, a := range s.Authentication {
		names = append(names, fmt.Sprintf("%q", strings.TrimSpace(a.Method)))
	}
	return strings.Join(names, ", ")
}
