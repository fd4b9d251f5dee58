// Package tomlfile reads TOML (https://toml.io/en/v1.0.0) strictly, for files
// that people write by hand: every mistake is collected with its file, line and
// key, and keys that nobody asked for are mistakes too.
//
// BurntSushi/toml parses; the lines of the keys come from an index of our own,
// because the library knows none inside arrays of tables and stops at the first
// value of a wrong type.
package tomlfile

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"milepost/internal/textfile"
)

// Table is a TOML table that is being read. Reading a key marks it as known;
// [Table.Done] reports the others.
type Table struct {
	file   *file
	path   string // "incoming[1]."; empty at the top
	pos    *position
	values map[string]any
	known  []string
	knows  map[string]bool // known, for look-ups
}

type file struct {
	name   string
	errors textfile.Errors
}

// Item is an element of an array, with its line.
type Item struct {
	Value string
	Line  int
}

// Parse reads a file's text. The mistakes are fetched with [Table.Errors] once
// everything has been read. What is not TOML yields an empty table and one
// mistake.
func Parse(name string, data []byte) *Table {
	t := &Table{file: &file{name: name}, pos: &position{}}
	text := string(data)
	if line, err := checkDepth(text); err != nil {
		t.file.errors = append(t.file.errors, textfile.Error{File: name, Line: line, Err: err})
		return t
	}
	_, err := toml.Decode(text, &t.values)
	if err != nil {
		t.values = nil
		e := textfile.Error{File: name, Err: err}
		if parse, ok := errors.AsType[toml.ParseError](err); ok {
			e.Line, e.Err = parse.Position.Line, errors.New(parse.Message)
		}
		t.file.errors = append(t.file.errors, e)
		return t
	}
	t.pos = index(text)
	return t
}

// Errors returns the mistakes found so far, in the order of their lines.
func (t *Table) Errors() textfile.Errors {
	slices.SortStableFunc(t.file.errors, func(a, b textfile.Error) int { return a.Line - b.Line })
	return t.file.errors
}

// Line returns the line of a key, or where the table starts if it lacks the key.
func (t *Table) Line(key string) int {
	if p := t.pos.keys[key]; p != nil {
		return int(p.line)
	}
	return max(int(t.pos.line), 1)
}

// Has tells whether the table has the key, and marks it as known.
func (t *Table) Has(key string) bool {
	t.know(key)
	_, ok := t.values[key]
	return ok
}

func (t *Table) know(key string) {
	if t.knows == nil {
		t.knows = make(map[string]bool)
	}
	if !t.knows[key] {
		t.knows[key] = true
		t.known = append(t.known, key)
	}
}

// Errorf reports a mistake in the value of a key.
func (t *Table) Errorf(key, format string, args ...any) {
	t.ErrorAt(t.Line(key), key, fmt.Errorf(format, args...))
}

// ErrorAt reports a mistake at a line.
func (t *Table) ErrorAt(line int, key string, err error) {
	t.file.errors = append(t.file.errors, textfile.Error{File: t.file.name, Line: line, Key: t.path + key, Err: err})
}

// Keys returns the keys that have not been read yet, in the order of the file.
func (t *Table) Keys() []string {
	var keys []string
	for key := range t.values {
		if !t.knows[key] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		if d := t.Line(a) - t.Line(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return keys
}

// Done reports the keys that have not been read.
func (t *Table) Done() {
	for _, key := range t.Keys() {
		t.Errorf(key, "is unknown; %s", Allowed(t.known))
	}
}

// Allowed lists what is allowed, for the end of an error text.
func Allowed[S ~string](values []S) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	if n := len(words) - 1; n > 0 {
		return strings.Join(words[:n], ", ") + " and " + words[n] + " are allowed"
	}
	return strings.Join(words, "") + " is allowed"
}

// get returns a value and marks its key as known.
func get[T any](t *Table, key, want string) (T, bool) {
	t.know(key)
	var zero T
	v, ok := t.values[key]
	if !ok {
		return zero, false
	}
	typed, ok := v.(T)
	if !ok {
		t.Errorf(key, "is %s; must be %s", typeName(v), want)
	}
	return typed, ok
}

// String returns the value of a key. False: it is missing, or of another type
// and reported.
func (t *Table) String(key string) (string, bool) { return get[string](t, key, "a string") }

// Int returns the value of a key. False: it is missing, or of another type and
// reported.
func (t *Table) Int(key string) (int64, bool) { return get[int64](t, key, "an integer") }

// Bool returns the value of a key. False and false: it is missing, or of another
// type and reported.
func (t *Table) Bool(key string) (value, ok bool) { return get[bool](t, key, "true or false") }

// Strings returns the array under a key. False: it is missing, or of another
// type and reported; elements of another type are reported and left out.
func (t *Table) Strings(key string) ([]Item, bool) {
	array, ok := get[[]any](t, key, "an array of strings")
	if !ok {
		return nil, false
	}
	items := make([]Item, 0, len(array))
	for i, v := range array {
		line := t.Line(key)
		if p := t.pos.keys[key]; p != nil && i < len(p.items) {
			line = int(p.items[i].line)
		}
		s, ok := v.(string)
		if !ok {
			t.ErrorAt(line, key, fmt.Errorf("element %d is %s; must be a string", i+1, typeName(v)))
			continue
		}
		items = append(items, Item{s, line})
	}
	return items, true
}

// Table returns the table under a key, or nil: it is missing, or of another
// type and reported.
func (t *Table) Table(key string) *Table {
	values, ok := get[map[string]any](t, key, "a table")
	if !ok {
		return nil
	}
	return t.sub(key, values, t.pos.keys[key])
}

// Tables returns the array of tables under a key; none if it is missing, or of
// another type and reported.
func (t *Table) Tables(key string) []*Table {
	var maps []map[string]any
	switch v := t.values[key].(type) {
	case []any: // key = [{…}, {…}]
		for i, element := range v {
			m, ok := element.(map[string]any)
			if !ok {
				t.Errorf(key, "element %d is %s; must be a table", i+1, typeName(element))
				continue
			}
			maps = append(maps, m)
		}
		t.know(key)
	default:
		maps, _ = get[[]map[string]any](t, key, "an array of tables: write [["+bare(t.path)+key+"]]")
	}
	tables := make([]*Table, len(maps))
	for i, m := range maps {
		pos := t.pos.keys[key]
		if pos != nil && i < len(pos.items) {
			pos = &pos.items[i]
		}
		tables[i] = t.sub(fmt.Sprintf("%s[%d]", key, i+1), m, pos)
	}
	return tables
}

// bare is a path without the numbers of elements, as headers have it.
func bare(path string) string { return indexes.ReplaceAllString(path, "") }

var indexes = regexp.MustCompile(`\[\d+\]`)

func (t *Table) sub(name string, values map[string]any, pos *position) *Table {
	if pos == nil {
		pos = &position{line: t.pos.line}
	}
	return &Table{file: t.file, path: t.path + name + ".", pos: pos, values: values}
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date or time"
	case []any:
		return "an array"
	case []map[string]any:
		return "an array of tables"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprintf("a %T", v)
}
