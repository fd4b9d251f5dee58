package doctor

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// element is one of a document, with what parsers disagree about: attributes, white
// space, and what an entity or a comment cuts in two.
type element struct {
	name       string
	attributes map[string]string
	children   []*element
	text       string
	line       int
	entity     bool // an entity stands in the text
}

const (
	maxDepth    = 32
	maxElements = 4000
)

// tree is a document as a whole.
type tree struct {
	root   *element
	bom    bool
	latin1 bool // declared in an encoding other than UTF-8
}

// parseTree reads any XML. Documents that only lenient parsers read are refused: of
// those, what a program does with them is luck.
func parseTree(body []byte) (tree, error) {
	var t tree
	body, t.bom = bytes.CutPrefix(body, []byte("\ufeff"))
	if len(bytes.TrimSpace(body)) == 0 {
		return t, errors.New("it is empty")
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		t.latin1 = true
		switch strings.ToLower(charset) {
		case "iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii":
			return &latin1Reader{in}, nil
		}
		return nil, fmt.Errorf("the encoding %q", charset)
	}
	var open []*element
	elements := 0
	for {
		before := d.InputOffset()
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return t, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			line, _ := d.InputPos()
			e := &element{name: token.Name.Local, line: line}
			for _, a := range token.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					if e.attributes == nil {
						e.attributes = make(map[string]string)
					}
					e.attributes[a.Name.Local] = a.Value
				}
			}
			if elements++; elements > maxElements || len(open) == maxDepth {
				return t, errors.New("it has too many elements, or they nest too deep")
			}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case t.root != nil:
				return t, fmt.Errorf("line %d: it goes on behind its root", line)
			default:
				t.root = e
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 0 {
				if len(bytes.TrimSpace(token)) > 0 {
					return t, errors.New("it has text outside of its root")
				}
				continue
			}
			e := open[len(open)-1]
			e.text += string(token)
			if raw := body[before:min(int(d.InputOffset()), len(body))]; !t.latin1 && bytes.IndexByte(raw, '&') >= 0 && !bytes.HasPrefix(raw, []byte("<![CDATA[")) {
				e.entity = true
			}
		}
	}
	if t.root == nil {
		return t, errors.New("it has no element")
	}
	return t, nil
}

// latin1Reader turns ISO-8859-1 into UTF-8.
type latin1Reader struct{ in io.Reader }

func (r *latin1Reader) Read(p []byte) (int, error) {
	in := make([]byte, max(len(p)/2, 1))
	n, err := r.in.Read(in)
	out := p[:0]
	for _, b := range in[:n] {
		out = utf8.AppendRune(out, rune(b))
	}
	return len(out), err
}

// all returns the children of a name, in any letter case if fold.
func (e *element) all(name string, fold bool) (out []*element) {
	for _, c := range e.children {
		if c.name == name || fold && strings.EqualFold(c.name, name) {
			out = append(out, c)
		}
	}
	return out
}

// attribute returns one, and whether it is there.
func (e *element) attribute(name string) (string, bool) {
	v, ok := e.attributes[name]
	return v, ok
}

// looksLikeHTML tells whether a web page came where a document should be.
func looksLikeHTML(x Exchange) bool {
	head := bytes.ToLower(bytes.TrimSpace(x.Body[:min(len(x.Body), 512)]))
	return strings.HasPrefix(x.ContentType, "text/html") || bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}
