package tomlfile

import (
	"strconv"
	"strings"
)

// position is where a key or an element stands, with what is inside it.
type position struct {
	line  int32
	keys  map[string]*position
	items []position
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

// index finds the line of every key and array element. The text is known to be
// TOML, so nothing is checked again; whatever it holds, index ends.
func index(text string) *position {
	s := scanner{text: text, line: 1}
	root := &position{line: 1}
	table := root
	for s.space(true); !s.end(); s.space(true) {
		start, line := s.at, s.line
		if s.peek() != '[' {
			s.keyValue(table)
		} else {
			s.at++
			array := s.peek() == '['
			if array {
				s.at++
			}
			path := s.key()
			if array {
				p := root.walk(path[:len(path)-1], line).child(path[len(path)-1], line)
				p.items = append(p.items, position{line: line})
				table = &p.items[len(p.items)-1]
			} else {
				table = root.walk(path, line)
				table.line = line
			}
			for s.peek() == ']' {
				s.at++
			}
		}
		if s.at == start {
			s.at++
		}
	}
	return root
}

type scanner struct {
	text string
	at   int
	line int32
}

func (s *scanner) end() bool { return s.at >= len(s.text) }

func (s *scanner) peek() byte {
	if s.end() {
		return 0
	}
	return s.text[s.at]
}

// space passes over blanks and, if asked to, over line ends and comments.
func (s *scanner) space(lines bool) {
	for ; !s.end(); s.at++ {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\r':
		case lines && c == '\n':
			s.line++
		case lines && c == '#':
			if n := strings.IndexByte(s.text[s.at:], '\n'); n >= 0 {
				s.at += n - 1 // the loop steps onto the line end
			} else {
				s.at = len(s.text) - 1
			}
		default:
			return
		}
	}
}

// key reads a dotted key; it has at least one part.
func (s *scanner) key() []string {
	var path []string
	for {
		s.space(false)
		start := s.at
		if c := s.peek(); c == '"' || c == '\'' {
			s.quoted()
			part := s.text[start:s.at]
			if c == '"' {
				if u, err := strconv.Unquote(part); err == nil {
					part = u
				}
			} else {
				part = strings.Trim(part, "'")
			}
			path = append(path, part)
		} else {
			for !s.end() && !strings.ContainsRune(" \t\r\n=.]#,}", rune(s.text[s.at])) {
				s.at++
			}
			path = append(path, s.text[start:s.at])
		}
		s.space(false)
		if s.peek() != '.' {
			return path
		}
		s.at++
	}
}

func (s *scanner) keyValue(table *position) {
	line := s.line
	path := s.key()
	p := table.walk(path[:len(path)-1], line).child(path[len(path)-1], line)
	if s.peek() == '=' {
		s.at++
	}
	s.space(false)
	s.value(p)
}

func (s *scanner) value(p *position) {
	switch s.peek() {
	case '"', '\'':
		s.quoted()
	case '[':
		s.at++
		for s.space(true); !s.end() && s.peek() != ']'; s.space(true) {
			start := s.at
			item := position{line: s.line}
			s.value(&item)
			p.items = append(p.items, item)
			s.separator(start)
		}
		s.at++
	case '{':
		s.at++
		for s.space(true); !s.end() && s.peek() != '}'; s.space(true) {
			start := s.at
			s.keyValue(p)
			s.separator(start)
		}
		s.at++
	default: // a number, a boolean, a date
		for !s.end() && !strings.ContainsRune(",]}#\n", rune(s.text[s.at])) {
			s.at++
		}
	}
}

// separator passes over a comma, and over one byte if nothing was read since
// start, so that every loop ends.
func (s *scanner) separator(start int) {
	s.space(true)
	if s.peek() == ',' || s.at == start {
		s.at++
	}
}

// quoted passes over a string of any of the four kinds.
func (s *scanner) quoted() {
	quote := s.text[s.at]
	triple := strings.Repeat(string(quote), 3)
	multi := strings.HasPrefix(s.text[s.at:], triple)
	s.at++
	if multi {
		s.at += 2
	}
	for ; !s.end(); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.line++
		case c == '\\' && quote == '"':
			if s.at++; s.peek() == '\n' {
				s.line++
			}
		case c == quote && !multi:
			s.at++
			return
		case c == quote && strings.HasPrefix(s.text[s.at:], triple):
			s.at += 3
			// Up to two quotes may stand right before the closing three.
			for range 2 {
				if s.peek() == quote {
					s.at++
				}
			}
			return
		}
	}
}
