// Package xmlwriter writes XML documents so that no value can become markup:
// elements are opened and closed in pairs, and every text and attribute is
// escaped on its way in.
//
// It stands in for encoding/xml, which escapes quotes in element text too:
// Delta Chat keeps only what follows an entity, so fewer are better.
package xmlwriter

import (
	"strings"
	"unicode/utf8"
)

const indentation = "  "

// Writer builds a document in memory. The zero Writer is ready for use.
type Writer struct {
	buf  []byte
	open []string
}

// Attr is an attribute.
type Attr struct{ Name, Value string }

// New returns a Writer that has written the XML declaration.
func New() *Writer {
	w := &Writer{buf: make([]byte, 0, 3072), open: make([]string, 0, 8)}
	w.buf = append(w.buf, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)
	return w
}

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
	w.open = append(w.open, name)
	inside()
	w.open = w.open[:len(w.open)-1]
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
	for range w.open {
		w.buf = append(w.buf, indentation...)
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
}

// escape writes a value (XML 1.0 §2.4, §3.3.3). Characters that XML cannot
// hold (§2.2) become U+FFFD.
func (w *Writer) escape(s string, attr bool) {
	if isPlain(s) { // nearly always
		w.buf = append(w.buf, s...)
		return
	}
	written := 0
	for i, r := range s {
		var by string
		switch {
		case r == '&':
			by = "&amp;"
		case r == '<':
			by = "&lt;"
		case r == '>': // "]]>" must not stand in text
			by = "&gt;"
		case r == '"' && attr:
			by = "&quot;"
		case r == '\r': // written plainly, these would be normalised away, §2.11
			by = "&#13;"
		case r == '\n' && attr:
			by = "&#10;"
		case r == '\t' && attr:
			by = "&#9;"
		case r == utf8.RuneError || !allowed(r):
			by = "\ufffd"
		default:
			continue
		}
		w.buf = append(w.buf, s[written:i]...)
		w.buf = append(w.buf, by...)
		_, size := utf8.DecodeRuneInString(s[i:])
		written = i + size
	}
	w.buf = append(w.buf, s[written:]...)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '&' || c == '<' || c == '>' || c == '"' {
			return false
		}
	}
	return true
}

func allowed(r rune) bool {
	return r >= ' ' && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n'
}

// NeedsEntity tells whether a text cannot be written as it is.
func NeedsEntity(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return r == '&' || r == '<' || r == '>' || r == '\r' || r == utf8.RuneError || !allowed(r)
	})
}
