// Package xmlwriter writes XML documents so that no value can become markup:
// elements are opened and closed in pairs, and every text and attribute is
// escaped on its way in.
//
// It stands in for encoding/xml, which escapes quotes in element text too:
// Delta Chat keeps only what follows an entity, so fewer are better.
package xmlwriter

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Writer builds a document in memory, or writes it where it goes. The zero Writer builds
// one and is ready for use.
type Writer struct {
	buf   []byte
	depth int
	to    io.Writer // nil: the document stays in buf
	err   error     // of to, the first
}

// Attr is an attribute.
type Attr struct{ Name, Value string }

// New returns a Writer that has written the XML declaration.
func New() *Writer {
	return &Writer{buf: append(make([]byte, 0, 3072), `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)}
}

// To makes the Writer write its document to w, piece by piece, for one that may be too
// long for memory. [Writer.Flush] writes the last one.
func (w *Writer) To(to io.Writer) { w.to = to }

// Flush writes what is left, and returns the first error of any piece.
func (w *Writer) Flush() error {
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// piece is how much is written at once, in octets.
const piece = 32 << 10

// Doctype writes a document type declaration; it goes before the root. Its
// parts are constants of the program.
func (w *Writer) Doctype(root, public, system string) {
	w.buf = append(w.buf, "<!DOCTYPE "+root+` PUBLIC "`+public+`" "`+system+"\">\n"...)
}

// Element writes an element whose children inside writes. Names are constants
// of the program; only values may come from elsewhere.
func (w *Writer) Element(name string, inside func(), attrs ...Attr) {
	w.start(name, attrs)
	w.buf = append(w.buf, ">\n"...)
	w.depth++
	inside()
	w.depth--
	w.indent()
	w.end(name)
}

// Leaf writes an element that holds text and nothing else, not even blanks:
// Thunderbird, Thunderbird for Android and aerc take them for a part of the
// value.
func (w *Writer) Leaf(name, text string, attrs ...Attr) {
	w.start(name, attrs)
	w.buf = append(w.buf, '>')
	w.escape(text, false)
	w.end(name)
}

// Empty writes an element that has attributes alone.
func (w *Writer) Empty(name string, attrs ...Attr) {
	w.start(name, attrs)
	w.buf = append(w.buf, "/>\n"...)
}

// Bytes returns the document.
func (w *Writer) Bytes() []byte { return w.buf }

func (w *Writer) indent() {
	for range w.depth {
		w.buf = append(w.buf, "  "...)
	}
}

func (w *Writer) start(name string, attrs []Attr) {
	w.indent()
	w.buf = append(w.buf, '<')
	w.buf = append(w.buf, name...)
	for _, a := range attrs {
		w.buf = append(w.buf, ' ')
		w.buf = append(w.buf, a.Name...)
		w.buf = append(w.buf, `="`...)
		w.escape(a.Value, true)
		w.buf = append(w.buf, '"')
	}
}

func (w *Writer) end(name string) {
	w.buf = append(w.buf, "</"...)
	w.buf = append(w.buf, name...)
	w.buf = append(w.buf, ">\n"...)
	if w.to != nil && len(w.buf) > piece {
		w.Flush() // the error is kept
	}
}

func (w *Writer) escape(s string, attr bool) {
	if isPlain(s) { // nearly always
		w.buf = append(w.buf, s...)
		return
	}
	for _, r := range s {
		if by := substitute(r, attr); by != "" {
			w.buf = append(w.buf, by...)
		} else {
			w.buf = utf8.AppendRune(w.buf, r)
		}
	}
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '&' || c == '<' || c == '>' || c == '"' {
			return false
		}
	}
	return true
}

// substitute returns what must be written for a character of a value (XML 1.0
// §2.4, §3.3.3); empty: the character itself.
func substitute(r rune, attr bool) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>': // "]]>" must not stand in text
		return "&gt;"
	case r == '"' && attr:
		return "&quot;"
	case r == '\r': // a reader would make a line feed of it, §2.11
		return "&#13;"
	case r == '\n' && attr: // and a space of these, §3.3.3
		return "&#10;"
	case r == '\t' && attr:
		return "&#9;"
	case r < ' ' && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF, r == utf8.RuneError: // no characters of XML, §2.2
		return "\ufffd"
	}
	return ""
}

// NeedsEntity tells whether a text cannot be written as it is.
func NeedsEntity(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return substitute(r, false) != "" })
}
