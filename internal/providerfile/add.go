package providerfile

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"milepost/internal/tomlfile"
	"milepost/settings"
)

// Add adds to a file's text what another provider has: names behind those in domains and
// mx, values of keys that the file lacks, tables at its end. Comments and layout stay.
// An instruction without protocols is for all of the file's. Read what comes out: a
// file that writes its arrays of tables in line cannot be added to.
func Add(file []byte, more *settings.Provider) ([]byte, error) {
	top := *more
	for _, array := range []struct {
		key   string
		names []string
		drop  func()
	}{
		{"domains", patterns(more), func() { top.Domains = nil }},
		{"mx", names(more.MX), func() { top.MX = nil }},
	} {
		t := tomlfile.Parse("", file)
		if errs := t.Errors(); len(errs) > 0 {
			return nil, errs
		}
		if len(array.names) == 0 || !t.Has(array.key) {
			continue
		}
		extended, ok := extend(file, t.Line(array.key), array.names)
		if !ok {
			return nil, errors.New(array.key + ": is no array that can be added to")
		}
		file = extended
		array.drop()
	}
	var keys, tables fileWriter
	keys.identity(&top, "")
	file = insert(file, keys.b)
	if tables.tables(more); len(tables.b) > 0 {
		if file = bytes.TrimRight(file, "\n"); len(file) > 0 {
			file = append(file, "\n\n"...)
		}
		file = append(file, tables.b...)
	}
	return file, nil
}

// insert puts lines behind the last key at the top of a file.
func insert(file, lines []byte) []byte {
	if len(lines) == 0 {
		return file
	}
	t := tomlfile.Parse("", file)
	first := bytes.Count(file, []byte("\n")) + 2 // behind the last line
	for _, table := range Tables()[1:] {
		if t.Has(table.Name) {
			first = min(first, t.Line(table.Name))
		}
	}
	all := strings.SplitAfter(string(file), "\n")
	at := min(first-1, len(all))
	for at > 0 && (strings.TrimSpace(all[at-1]) == "" || strings.HasPrefix(strings.TrimSpace(all[at-1]), "#")) {
		at-- // a comment belongs to what stands below it
	}
	head := strings.Join(all[:at], "")
	if head != "" && !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	return slices.Concat([]byte(head), lines, []byte(strings.Join(all[at:], "")))
}

// extend adds strings to the array whose key stands on a line. False: there is none.
func extend(file []byte, line int, names []string) ([]byte, bool) {
	at := 0
	for range line - 1 {
		at += bytes.IndexByte(file[at:], '\n') + 1
	}
	open := bytes.IndexByte(file[at:], '[')
	if open < 0 {
		return nil, false
	}
	last := at + open // where the last element ends, or its comma
	for i := last + 1; i < len(file); i++ {
		switch c := file[i]; c {
		case ' ', '\t', '\r', '\n':
			continue
		case '#':
			for i < len(file) && file[i] != '\n' {
				i++
			}
			continue
		case '"', '\'': // a domain holds neither quotes nor escapes
			end := bytes.IndexByte(file[i+1:], c)
			if end < 0 {
				return nil, false
			}
			i += 1 + end
		case ']':
			comma := ""
			if file[last] != '[' && file[last] != ',' {
				comma = ","
			}
			start := bytes.LastIndexByte(file[:i], '\n') + 1
			if start <= last { // all in one line
				return slices.Concat(file[:last+1], []byte(comma+"\n"), rows(names), file[i:]), true
			}
			return slices.Concat(file[:last+1], []byte(comma), file[last+1:start], rows(names), file[start:]), true
		}
		last = i
	}
	return nil, false
}
