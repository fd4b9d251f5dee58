package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"

	"milepost/internal/textfile"
)

// maxDepth is how deep tables, arrays and the parts of dotted keys may nest. Three
// levels are needed.
const maxDepth = 16

var errTooDeep = fmt.Errorf("nests deeper than %d levels; that is not allowed", maxDepth)

// node is what stands under a key or in an array.
type node struct {
	line  int32
	kind  unstable.Kind
	text  string           // of a string, number or boolean
	keys  map[string]*node // of a table
	items []node           // of an array
}

// Kinds of nodes beside the library's. A table's is what made it, for that decides
// what may be added to it later (TOML 1.0.0, "Keys" and "Table").
const (
	unset    = unstable.Invalid
	implicit = unstable.Key      // a table made by the header of one inside it; its own may follow
	dotted   = unstable.KeyValue // a table made by a dotted key; more of these may follow
)

// what names the type, for messages.
func (n *node) what() string {
	switch n.kind {
	case unstable.String:
		return "a string"
	case unstable.Integer:
		return "an integer"
	case unstable.Float:
		return "a float"
	case unstable.Bool:
		return "a boolean"
	case unstable.LocalDate, unstable.LocalTime, unstable.LocalDateTime, unstable.DateTime:
		return "a date or time"
	case unstable.Array:
		return "an array"
	case unstable.ArrayTable:
		return "an array of tables"
	}
	return "a table"
}

// parser goes through a text, counting lines.
type parser struct {
	unstable.Parser
	rest    []byte // of the text, from the last place asked for
	line    int32  // there
	mistake *textfile.Error
}

// parse reads a text up to its first mistake.
func parse(text []byte) (*node, *textfile.Error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, &textfile.Error{Line: 1, Err: errors.New("is UTF-16; TOML is UTF-8")}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // Notepad's mark
	p := parser{rest: text, line: 1}
	p.Reset(text)
	root := &node{line: 1, kind: unstable.Table}
	table, depth := root, 0
	for p.mistake == nil && p.NextExpression() {
		if e := p.Expression(); e.Kind == unstable.KeyValue {
			p.keyValue(table, e, depth)
		} else {
			table, depth = p.header(root, e)
		}
	}
	if bad, ok := errors.AsType[*unstable.ParserError](p.Error()); ok && p.mistake == nil {
		return nil, grammarError(text, int(p.Range(bad.Highlight).Offset), bad.Message)
	}
	return root, p.mistake
}

// header goes to the table that a header opens, and says how deep it is.
func (p *parser) header(root *node, e *unstable.Node) (table *node, depth int) {
	path, line := p.key(e, 0)
	if p.mistake != nil {
		return root, 0
	}
	n, last := root, len(path)-1
	for _, key := range path[:last] {
		n = p.child(n, key, line, implicit, dotted, unstable.Table, unstable.ArrayTable)
		if n.kind == unstable.ArrayTable {
			n = &n.items[len(n.items)-1] // TOML 1.0.0, "Array of Tables": the newest is meant
		}
	}
	if e.Kind == unstable.ArrayTable {
		array := p.child(n, path[last], line, unstable.ArrayTable)
		array.items = append(array.items, node{})
		n = &array.items[len(array.items)-1]
	} else {
		n = p.child(n, path[last], line, implicit)
	}
	n.line, n.kind = line, unstable.Table
	return n, len(path)
}

// keyValue reads a pair into a table.
func (p *parser) keyValue(table *node, e *unstable.Node, depth int) {
	path, line := p.key(e, depth)
	if p.mistake != nil {
		return
	}
	last := len(path) - 1
	for _, key := range path[:last] {
		table = p.child(table, key, line, dotted)
	}
	p.value(p.child(table, path[last], line, unset), e.Value(), depth+len(path))
}

// child goes to a key of a table. It makes what is not there yet, of the first kind;
// what is there must be of one of the kinds.
func (p *parser) child(table *node, key string, line int32, kinds ...unstable.Kind) *node {
	c := table.keys[key]
	switch {
	case c == nil:
		if table.keys == nil {
			table.keys = make(map[string]*node)
		}
		c = &node{line: line, kind: kinds[0]}
		table.keys[key] = c
	case !slices.Contains(kinds, c.kind) && p.mistake == nil:
		p.mistake = &textfile.Error{Line: int(line), Key: key, Err: fmt.Errorf("is %s at line %d already; a key may be set once", c.what(), c.line)}
	}
	return c
}

func (p *parser) value(n *node, e *unstable.Node, depth int) {
	if depth > maxDepth {
		p.mistake = &textfile.Error{Line: int(p.line), Err: errTooDeep}
		return
	}
	n.kind = e.Kind
	switch inside := e.Children(); e.Kind {
	case unstable.Array:
		for inside.Next() && p.mistake == nil {
			item := node{line: p.lineOf(inside.Node())}
			p.value(&item, inside.Node(), depth+1)
			n.items = append(n.items, item)
		}
	case unstable.InlineTable:
		for inside.Next() && p.mistake == nil {
			p.keyValue(n, inside.Node(), depth)
		}
	default:
		n.text = string(e.Data)
	}
}

// key reads the dotted key of a header or a pair that stands at a depth.
func (p *parser) key(e *unstable.Node, depth int) (path []string, line int32) {
	for parts := e.Key(); parts.Next(); {
		if path == nil {
			line = p.lineOf(parts.Node())
		}
		path = append(path, string(parts.Node().Data))
	}
	if depth+len(path) > maxDepth {
		p.mistake = &textfile.Error{Line: int(line), Err: errTooDeep}
	}
	return path, line
}

// lineOf returns the line of a node, and moves on to it. The library gives an array
// no place: it gets the line of what stands before it.
func (p *parser) lineOf(e *unstable.Node) int32 {
	if passed := int(e.Raw.Offset) - (len(p.Data()) - len(p.rest)); e.Raw.Length > 0 && passed > 0 {
		p.line += int32(bytes.Count(p.rest[:passed], []byte("\n")))
		p.rest = p.rest[passed:]
	}
	return p.line
}

var (
	keyAtStart = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*=`)

	// Texts of the library's mistakes.
	tooNested = regexp.MustCompile(`nested more than`)
	notClosed = regexp.MustCompile(`unterminated|not terminated|cannot have new lines`)
	notQuoted = regexp.MustCompile(`at start of value|expected keyword|must be quoted`)
)

// grammarError says what is wrong at a place in a text: in words of ours what
// people get wrong most, their quotes.
func grammarError(text []byte, at int, message string) *textfile.Error {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	e := &textfile.Error{Line: 1 + bytes.Count(text[:start], []byte("\n")), Err: errors.New(message)}
	if tooNested.MatchString(message) {
		e.Err = errTooDeep
		return e
	}
	if key := keyAtStart.FindSubmatch(text[start:]); key != nil {
		e.Key = string(key[1])
	}
	switch {
	case notClosed.MatchString(message):
		e.Err = errors.New("the string has no closing quote")
	case notQuoted.MatchString(message):
		e.Err = errors.New("the value is no string, number, true or false; strings need quotes")
	}
	return e
}
