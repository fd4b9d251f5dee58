package tomlfile

import "fmt"

// maxDepth is how deep arrays, inline tables and dotted keys may nest. Files of
// ours nest three deep; BurntSushi/toml takes a stack or quadratic memory for
// each level more.
const maxDepth = 16

// checkDepth refuses a text that nests too deep, before it is parsed. The text
// may be anything: what is no TOML is the parser's to say.
func checkDepth(text string) (line int, err error) {
	s := scanner{text: text, line: 1}
	depth, dots := 0, 0
	for !s.end() {
		switch s.peek() {
		case '"', '\'':
			s.quoted()
			continue
		case '#':
			s.space(true)
			continue
		case '\n':
			s.line++
			dots = 0
		case '[', '{':
			depth++
			dots = 0
		case ']', '}':
			depth = max(depth-1, 0)
			dots = 0
		case '.':
			dots++
		case '=', ',':
			dots = 0
		}
		if depth > maxDepth || dots > maxDepth {
			return int(s.line), fmt.Errorf("nests deeper than %d levels; that is not allowed", maxDepth)
		}
		s.at++
	}
	return 0, nil
}
