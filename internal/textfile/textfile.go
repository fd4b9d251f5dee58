// Package textfile has what all files that people write by hand need: mistakes
// that name their place, and bounded reading.
package textfile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is one mistake in a file.
type Error struct {
	File string
	Line int    // from 1; 0: the file as a whole
	Key  string // empty: none in particular
	Err  error  // what is wrong; what is allowed
}

func (e Error) Error() string {
	place := oneLine(e.File)
	if e.Line > 0 {
		place += ":" + strconv.Itoa(e.Line)
	}
	if e.Key != "" {
		place += ": " + oneLine(e.Key)
	}
	return place + ": " + oneLine(e.Err.Error())
}

// oneLine escapes what would break a message's line or steer a terminal.
func oneLine(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		quoted := strconv.Quote(s)
		return quoted[1 : len(quoted)-1]
	}
	return s
}

func (e Error) Unwrap() error { return e.Err }

// Errors is every mistake that was found, one a line.
type Errors []Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// most is how many mistakes of one kind are told.
const most = 100

// Series is mistakes of one kind. The first hundred are told; the others, of
// which there may be a million, are counted.
type Series struct {
	told  Errors // and the place of the first that is not
	count int
}

// Add adds a mistake at a place. What is wrong is asked for only if it is told.
func (s *Series) Add(at Error, why func() error) {
	if s.count++; s.count > most+1 {
		return
	}
	if s.count <= most {
		at.Err = why()
	}
	s.told = append(s.told, at)
}

// Len returns how many there are.
func (s *Series) Len() int { return s.count }

// Errors returns those that are told and, last, how many are not.
func (s *Series) Errors() Errors {
	if s.count > most {
		s.told[most].Err = fmt.Errorf("is the first of %d more that are not told one by one", s.count-most)
	}
	return s.told
}
