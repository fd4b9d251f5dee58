package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"milepost/internal/textfile"
)

// maxDepth is how deep tables, arrays and the parts of dotted keys may nest. Three
// levels are needed. BurntSushi/toml takes a stack or quadratic memory for each
// level, so index refuses a deeper text before that library sees it.
const maxDepth = 16

var errTwice = errors.New("is set twice; once is allowed")

var errTooDeep = fmt.Errorf("nests deeper than %d levels; that is not allowed", maxDepth)

// position is where a key or an element stands, with what is inside it.
type position struct {
	line  int32
	keys  map[string]*position
	items []position
	array bool // its value is an array, which no key can add to
}

func (p *position) child(key string, line int32) *position {
	if c := p.keys[key]; c != nil {
		return c
	}
	if p.keys == nil {
		p.keys = make(map[string]*position)
	}
	c := &position{line: line}
	p.keys[key] = c
	return c
}

// walk goes down to a table named in a header or a dotted key; an array of
// tables means its newest element (TOML 1.0.0, "Array of Tables").
func (p *position) walk(path []string, line int32) *position {
	for _, key := range path {
		p = p.child(key, line)
		if n := len(p.items); n > 0 {
			p = &p.items[n-1]
		}
	}
	return p
}

// leaf goes down to the last part of a path, and not into its newest element.
func (p *position) leaf(path []string, line int32) *position {
	last := len(path) - 1
	return p.walk(path[:last], line).child(path[last], line)
}

// index finds the line of every key and array element. It refuses what nests too
// deep or breaks TOML's grammar; keys that are defined twice it leaves to the
// parser of the values.
func index(name string, text []byte) (*position, *textfile.Error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return nil, &textfile.Error{File: name, Line: 1, Err: errors.New("is UTF-16; TOML is UTF-8")}
	}
	x := indexer{line: 1, rest: text}
	x.parser.Reset(text)
	root := &position{line: 1}
	table, depth := root, 0
	for !x.tooDeep && x.parser.NextExpression() {
		switch e := x.parser.Expression(); e.Kind {
		case unstable.KeyValue:
			x.keyValue(table, e, depth)
		default: // a header
			path, line := x.key(e)
			if depth = len(path); depth > maxDepth {
				x.tooDeep = true
				break
			}
			if e.Kind == unstable.ArrayTable {
				array := root.leaf(path, line)
				array.items = append(array.items, position{})
				table = &array.items[len(array.items)-1]
			} else {
				table = root.walk(path, line)
			}
			table.line = line
		}
	}
	if x.tooDeep {
		return nil, &textfile.Error{File: name, Line: int(x.line), Err: errTooDeep}
	}
	if bad, ok := errors.AsType[*unstable.ParserError](x.parser.Error()); ok {
		return nil, grammarError(name, text, int(x.parser.Range(bad.Highlight).Offset), bad.Message)
	}
	if x.twice != nil {
		x.twice.File = name
		return nil, x.twice
	}
	return root, nil
}

// indexer goes through a text, counting lines.
type indexer struct {
	parser  unstable.Parser
	rest    []byte // of the text, from the last place asked for
	line    int32  // there
	tooDeep bool
	twice   *textfile.Error
}

// lineOf returns the line of a node, and moves on to it. The parser gives an array
// no place: it gets the line of what stands before it.
func (x *indexer) lineOf(n *unstable.Node) int32 {
	if passed := int(n.Raw.Offset) - (len(x.parser.Data()) - len(x.rest)); n.Raw.Length > 0 && passed > 0 {
		x.line += int32(bytes.Count(x.rest[:passed], []byte("\n")))
		x.rest = x.rest[passed:]
	}
	return x.line
}

// key reads the dotted key of a header or a pair.
func (x *indexer) key(n *unstable.Node) (path []string, line int32) {
	for parts := n.Key(); parts.Next(); {
		if path == nil {
			line = x.lineOf(parts.Node())
		}
		path = append(path, string(parts.Node().Data))
	}
	return path, line
}

func (x *indexer) keyValue(table *position, n *unstable.Node, depth int) {
	path, line := x.key(n)
	if depth += len(path); depth > maxDepth {
		x.tooDeep = true
		return
	}
	// BurntSushi/toml lets a dotted key replace an array (TOML 1.0.0, "Keys").
	for i := range path[:len(path)-1] {
		if above := table.walk(path[:i], line).keys[path[i]]; above != nil && above.array && x.twice == nil {
			x.twice = &textfile.Error{Line: int(line), Key: strings.Join(path[:i+1], "."), Err: errTwice}
		}
	}
	x.value(table.leaf(path, line), n.Value(), depth)
}

func (x *indexer) value(p *position, n *unstable.Node, depth int) {
	if depth > maxDepth {
		x.tooDeep = true
		return
	}
	switch inside := n.Children(); n.Kind {
	case unstable.Array:
		p.array = true
		for inside.Next() && !x.tooDeep {
			item := position{line: x.lineOf(inside.Node())}
			x.value(&item, inside.Node(), depth+1)
			p.items = append(p.items, item)
		}
	case unstable.InlineTable:
		for inside.Next() && !x.tooDeep {
			x.keyValue(p, inside.Node(), depth)
		}
	}
}

var (
	keyAtStart = regexp.MustCompile(`^\s*([A-Za-z0-9_.-]+)\s*=`)

	// Texts of the parser's mistakes.
	tooNested = regexp.MustCompile(`nested more than`)
	notClosed = regexp.MustCompile(`unterminated|not terminated|cannot have new lines`)
	notQuoted = regexp.MustCompile(`at start of value|expected keyword|must be quoted`)
)

// grammarError says what is wrong at a place in a text: in words of ours what
// people get wrong most, their quotes.
func grammarError(name string, text []byte, at int, message string) *textfile.Error {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	e := &textfile.Error{File: name, Line: 1 + bytes.Count(text[:start], []byte("\n")), Err: errors.New(message)}
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
