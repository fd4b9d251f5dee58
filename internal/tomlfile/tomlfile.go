// Package tomlfile reads TOML (https://toml.io/en/v1.0.0) strictly, for files
// that people write by hand: every mistake is collected with its file, line and
// key, and keys that nobody asked for are mistakes too.
//
// BurntSushi/toml reads the values. The lines come from go-toml's parser, because
// BurntSushi/toml knows none inside arrays of tables and stops at the first value
// of a wrong type.
package tomlfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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

	examples map[string]string // of values, as TOML, by their keys
}

type file struct {
	name     string
	errors   textfile.Errors
	warnings textfile.Errors
}

// Parse reads a file's text. The mistakes are fetched with [Table.Errors] once
// everything has been read. What is not TOML yields an empty table and one
// mistake.
func Parse(name string, data []byte) *Table {
	t := &Table{file: &file{name: name}, pos: &position{}}
	pos, mistake := index(name, bytes.TrimPrefix(data, []byte("\ufeff"))) // Notepad's mark
	if mistake == nil {
		t.values, mistake = decode(name, data)
	}
	if mistake != nil {
		t.file.errors = textfile.Errors{*mistake}
		return t
	}
	t.pos = pos
	return t
}

func decode(name string, data []byte) (map[string]any, *textfile.Error) {
	var values map[string]any
	_, err := toml.Decode(string(data), &values)
	if err == nil {
		return values, nil
	}
	e := textfile.Error{File: name, Err: err}
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		e.Line, e.Err = parse.Position.Line, errors.New(parse.Message)
		if m := setTwice.FindStringSubmatch(parse.Message); m != nil {
			e.Key, e.Err = m[1], errTwice
		}
	}
	return nil, &e
}

// setTwice finds the key in what the library says of one that stands twice.
var setTwice = regexp.MustCompile(`^Key '(.*)' (?:has|was) already`)

// Errors returns the mistakes found so far, in the order of their lines.
func (t *Table) Errors() textfile.Errors {
	slices.SortStableFunc(t.file.errors, func(a, b textfile.Error) int { return a.Line - b.Line })
	return t.file.errors
}

// Warnings returns what was reported with [Table.WarnAt].
func (t *Table) Warnings() textfile.Errors { return t.file.warnings }

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

// Example is told to who has given a key a value of another type.
func (t *Table) Example(key, value string) {
	if t.examples == nil {
		t.examples = make(map[string]string)
	}
	t.examples[key] = value
}

// Errorf reports a mistake in the value of a key.
func (t *Table) Errorf(key, format string, args ...any) {
	t.ErrorAt(t.Line(key), key, fmt.Errorf(format, args...))
}

// ErrorAt reports a mistake at a line.
func (t *Table) ErrorAt(line int, key string, err error) {
	t.file.errors = append(t.file.errors, textfile.Error{File: t.file.name, Line: line, Key: t.path + key, Err: err})
}

// WarnAt reports what is allowed and probably not meant.
func (t *Table) WarnAt(line int, key string, err error) {
	t.file.warnings = append(t.file.warnings, textfile.Error{File: t.file.name, Line: line, Key: t.path + key, Err: err})
}

// Refused tells whether a mistake in the value of a key was reported: then
// nobody needs to hear what else follows from it.
func (t *Table) Refused(key string) bool {
	return slices.ContainsFunc(t.file.errors, func(e textfile.Error) bool { return e.Key == t.path+key })
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
		if meant := Closest(key, t.known); meant != "" {
			t.Errorf(key, "is unknown; did you mean %s?", meant)
			continue
		}
		t.Errorf(key, "is unknown; %s", Allowed(t.known))
	}
}

// Closest returns the known key that somebody meant who wrote another one: at
// most two letters differ, and one in three. Empty: there is none.
func Closest(key string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if len(key) > len(k)+2 {
			continue
		}
		if d := distance(strings.ToLower(key), k); d < least && 3*d <= len(k) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
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
	if !ok && !t.Refused(key) { // a key may be read twice
		if example := t.examples[key]; example != "" {
			want += ", as " + example
		}
		t.Errorf(key, "is %s; must be %s", typeName(v), want)
	}
	return typed, ok
}

// String returns the value of a key. False: it is missing, or of another type
// and reported.
func (t *Table) String(key string) (string, bool) { return get[string](t, key, "a string") }

// Word returns the string under a key, or "true" or "false" for one of those without
// quotes. False: it is missing, or of another type and reported.
func (t *Table) Word(key string) (string, bool) {
	if b, ok := t.values[key].(bool); ok {
		t.know(key)
		return strconv.FormatBool(b), true
	}
	return t.String(key)
}

// Int returns the value of a key. False: it is missing, or of another type and
// reported.
func (t *Table) Int(key string) (int64, bool) { return get[int64](t, key, "an integer") }

// Bool returns the value of a key. False and false: it is missing, or of another
// type and reported.
func (t *Table) Bool(key string) (value, ok bool) { return get[bool](t, key, "true or false") }

// Date returns the local date under a key, as it is written. False: it is missing, or
// of another type and reported.
func (t *Table) Date(key string) (string, bool) {
	const want = "a date, such as 2026-03-05"
	d, ok := get[time.Time](t, key, want)
	switch {
	case !ok:
		return "", false
	case d.Location().String() != "date-local": // how BurntSushi/toml marks them
		t.Errorf(key, "has a time; must be %s", want)
		return "", false
	}
	return d.Format(time.DateOnly), true
}

// elementLine returns the line of an element of the array under a key.
func (t *Table) elementLine(key string, i int) int32 {
	if p := t.pos.keys[key]; p != nil && i < len(p.items) {
		return p.items[i].line
	}
	return int32(t.Line(key))
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
	var tables []*Table
	element := func(i int, values map[string]any) {
		pos := t.pos.keys[key]
		if pos != nil && i < len(pos.items) {
			pos = &pos.items[i]
		}
		tables = append(tables, t.sub(fmt.Sprintf("%s[%d]", key, i+1), values, pos))
	}
	if array, ok := t.values[key].([]any); ok { // key = [{…}, {…}]
		t.know(key)
		for i, v := range array {
			if values, ok := v.(map[string]any); ok {
				element(i, values)
				continue
			}
			t.ErrorAt(int(t.elementLine(key, i)), key, fmt.Errorf("element %d is %s; must be a table", i+1, typeName(v)))
		}
		return tables
	}
	array, _ := get[[]map[string]any](t, key, "an array of tables: write [["+bare(t.path)+key+"]]")
	for i, values := range array {
		element(i, values)
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
