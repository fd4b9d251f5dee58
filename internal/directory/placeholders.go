package directory

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"milepost/internal/config"
)

// statement is a query with its placeholders as the kind of database has them.
type statement struct {
	text  string
	order []int // the argument of each placeholder, from 0
}

// args puts arguments where the placeholders want them.
func (s statement) args(values ...any) []any {
	args := make([]any, len(s.order))
	for i, n := range s.order {
		args[i] = values[n]
	}
	return args
}

// parseStatement finds the placeholders of a query outside of quotes and comments: ?
// and ?1 stand for the first argument, ?2 for the second, and so on up to a number of
// them.
func parseStatement(kind config.Kind, query string, arguments int) (statement, error) {
	var s statement
	var out strings.Builder
	for i := 0; i < len(query); {
		if n := opaque(kind, query[i:]); n > 0 {
			out.WriteString(query[i : i+n])
			i += n
			continue
		}
		if query[i] != '?' {
			out.WriteByte(query[i])
			i++
			continue
		}
		end := i + 1
		for end < len(query) && '0' <= query[end] && query[end] <= '9' {
			end++
		}
		n := 1
		if digits := query[i+1 : end]; digits != "" {
			var err error
			if n, err = strconv.Atoi(digits); err != nil || n < 1 || n > arguments {
				return s, fmt.Errorf("has the placeholder %s; %s", query[i:end], allowedPlaceholders(arguments))
			}
		} else if arguments == 0 {
			return s, fmt.Errorf("has a placeholder; %s", allowedPlaceholders(arguments))
		}
		i = end
		switch kind {
		case config.MySQL:
			out.WriteByte('?')
			s.order = append(s.order, n-1)
		default: // each argument once, by its number among those that are used
			at := 0
			for at < len(s.order) && s.order[at] != n-1 {
				at++
			}
			if at == len(s.order) {
				s.order = append(s.order, n-1)
			}
			mark := "$"
			if kind == config.SQLite {
				mark = "?"
			}
			out.WriteString(mark + strconv.Itoa(at+1))
		}
	}
	s.text = strings.TrimRight(strings.TrimSpace(out.String()), "; \t\r\n")
	if s.text == "" {
		return s, errors.New("is empty; a query is needed")
	}
	return s, nil
}

func allowedPlaceholders(arguments int) string {
	switch arguments {
	case 0:
		return "none is allowed here"
	case 1:
		return "? is allowed"
	}
	return "? and ?1 to ?" + strconv.Itoa(arguments) + " are allowed"
}

// opaque is the length of the quoted text, the quoted name or the comment that a query
// goes on with; 0: it is none.
func opaque(kind config.Kind, q string) int {
	until := func(begin int, end string) int {
		if n := strings.Index(q[begin:], end); n >= 0 {
			return begin + n + len(end)
		}
		return len(q)
	}
	switch c := q[0]; {
	case strings.HasPrefix(q, "--") && (kind != config.MySQL || len(q) > 2 && q[2] <= ' '), kind == config.MySQL && c == '#':
		return until(1, "\n")
	case strings.HasPrefix(q, "/*"):
		if kind == config.Postgres {
			return nestedComment(q)
		}
		return until(2, "*/")
	case c == '\'' || c == '"' || c == '`' && kind != config.Postgres:
		return quotedText(q, c, kind == config.MySQL && c != '`')
	case (c == 'e' || c == 'E') && kind == config.Postgres && strings.HasPrefix(q[1:], "'"):
		return 1 + quotedText(q[1:], '\'', true)
	case c == '[' && kind == config.SQLite:
		return until(1, "]")
	case c == '$' && kind == config.Postgres: // $tag$ … $tag$
		if n := strings.IndexByte(q[1:], '$'); n >= 0 && isTag(q[1:1+n]) {
			return until(n+2, q[:n+2])
		}
	case isWord(c): // whole, so that no letter in it begins anything
		n := 1
		for n < len(q) && (isWord(q[n]) || q[n] == '$') {
			n++
		}
		return n
	}
	return 0
}

// quotedText ends at its quote. A doubled one does not end it, for the next begins there.
func quotedText(q string, quote byte, backslash bool) int {
	for i := 1; i < len(q); i++ {
		switch {
		case backslash && q[i] == '\\':
			i++
		case q[i] == quote:
			return i + 1
		}
	}
	return len(q)
}

func nestedComment(q string) int {
	depth := 0
	for i := 0; i < len(q); i++ {
		switch {
		case strings.HasPrefix(q[i:], "/*"):
			depth++
			i++
		case strings.HasPrefix(q[i:], "*/"):
			depth--
			i++
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(q)
}

func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

func isTag(s string) bool {
	for i := range len(s) {
		if !isWord(s[i]) || i == 0 && '0' <= s[i] && s[i] <= '9' {
			return false
		}
	}
	return true
}
