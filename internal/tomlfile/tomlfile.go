// Package tomlfile reads TOML (https://toml.io/en/v1.0.0) strictly, for files
// that people write by hand: every mistake is collected with its file, line and
// key, and keys that nobody asked for are mistakes too.
//
// The grammar is read by go-toml's parser. No decoder is used: those that there are
// know no lines inside arrays of tables, and stop at the first value of a wrong type.
package tomlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"milepost/internal/textfile"
)

// Table is a TOML table that is being read. Reading a key marks it as known;
// [Table.Done] reports the others.
type Table struct {
	file  *file
	path  string // "incoming[1]."; empty at the top
	node  *node
	known []string
	knows map[string]bool // known, for look-ups
}

type file struct {
	name     string
	errors   textfile.Errors
	warnings textfile.Errors
}

// Parse reads a file's text. The mistakes are fetched with [Table.Errors] once
// everything has been read. What is not TOML yields an empty table and one
// mistake.
func Parse(name string, text []byte) *Table {
	t := &Table{file: &file{name: name}}
	var mistake *textfile.Error
	if t.node, mistake = parse(text); mistake != nil {
		mistake.File = name
		t.file.errors = textfile.Errors{*mistake}
		t.node = &node{line: 1}
	}
	return t
}

// Errors returns the mistakes found so far, in the order of their lines.
func (t *Table) Errors() textfile.Errors {
	slices.SortStableFunc(t.file.errors, func(a, b textfile.Error) int { return a.Line - b.Line })
	return t.file.errors
}

// Warnings returns what was reported with [Table.WarnAt].
func (t *Table) Warnings() textfile.Errors { return t.file.warnings }

// Line returns the line of a key, or where the table starts if it lacks the key.
func (t *Table) Line(key string) int {
	if n := t.node.keys[key]; n != nil {
		return int(n.line)
	}
	return int(t.node.line)
}

// Has tells whether the table has the key, and marks it as known.
func (t *Table) Has(key string) bool {
	t.know(key)
	return t.node.keys[key] != nil
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
	for key := range t.node.keys {
		if !t.knows[key] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(t.Line(a)-t.Line(b), strings.Compare(a, b)) })
	return keys
}

// Done reports the keys that have not been read.
func (t *Table) Done() {
	for _, key := range t.Keys() {
		if meant := closest(key, t.known); meant != "" {
			t.Errorf(key, "is unknown; did you mean %s?", meant)
			continue
		}
		t.Errorf(key, "is unknown; %s", Allowed(t.known))
	}
}

// closest returns the known key that somebody meant who wrote another one: at
// most two letters differ, and one in three. Empty: there is none.
func closest(key string, known []string) string {
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

// get returns what stands under a key, and marks the key as known. Nil: it is
// missing, or of a kind that is not wanted and reported.
func (t *Table) get(key, want string, kinds ...unstable.Kind) *node {
	t.know(key)
	n := t.node.keys[key]
	if n != nil && !slices.Contains(kinds, n.kind) {
		t.Errorf(key, "is %s; must be %s", n.what(), want)
		return nil
	}
	return n
}

// String returns the value of a key. False: it is missing, or of another type
// and reported.
func (t *Table) String(key string) (string, bool) {
	n := t.get(key, "a string", unstable.String)
	if n == nil {
		return "", false
	}
	return n.text, true
}

// Int returns the value of a key. False: it is missing, or of another type and
// reported.
func (t *Table) Int(key string) (int64, bool) {
	n := t.get(key, "an integer", unstable.Integer)
	if n == nil {
		return 0, false
	}
	i, err := strconv.ParseInt(n.text, 0, 64)
	if err != nil {
		t.Errorf(key, "%s is no integer of 64 bits", n.text)
	}
	return i, err == nil
}

// Bool returns the value of a key. False and false: it is missing, or of another
// type and reported.
func (t *Table) Bool(key string) (value, ok bool) {
	n := t.get(key, "true or false", unstable.Bool)
	return n != nil && n.text == "true", n != nil
}

// Table returns the table under a key, or nil: it is missing, or of another
// type and reported.
func (t *Table) Table(key string) *Table {
	n := t.get(key, "a table", unstable.Table, unstable.InlineTable, implicit, dotted)
	if n == nil {
		return nil
	}
	return t.sub(key, n)
}

// Tables returns the array of tables under a key; none if it is missing, or of
// another type and reported.
func (t *Table) Tables(key string) []*Table {
	n := t.get(key, "an array of tables: write [["+t.path+key+"]]", unstable.ArrayTable, unstable.Array)
	if n == nil {
		return nil
	}
	tables := make([]*Table, 0, len(n.items))
	for i := range n.items {
		item := &n.items[i]
		if item.kind != unstable.Table && item.kind != unstable.InlineTable {
			t.ErrorAt(int(item.line), key, fmt.Errorf("element %d is %s; must be a table", i+1, item.what()))
			continue
		}
		tables = append(tables, t.sub(fmt.Sprintf("%s[%d]", key, i+1), item))
	}
	return tables
}

func (t *Table) sub(name string, n *node) *Table {
	return &Table{file: t.file, path: t.path + name + ".", node: n}
}
