package tomlfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sample = `# a comment with key = 1
name = "a # no comment" # one
list = [
  "first", # with a comment ]
  'sec"ond',
  """
three
lines""", "same line",
]
inline = { a = 1, b = { c = "x" } }
"quoted key" = 1
dotted.key.deep = 2

[[server]]
port = 1
[[server]]
  port = 2
  [server.tls]
  on = true

[[server]]
text = '''
"""
'''
port = "x"
[last]
tables = [ {a = 1},
  {a = 2} ]
`

func TestLines(t *testing.T) {
	root := Parse("f.toml", []byte(sample))
	if errs := root.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	servers := root.Tables("server")
	last := root.Table("last")
	tables := last.Tables("tables")
	for name, tc := range map[string]struct{ got, want int }{
		"string":                        {root.Line("name"), 2},
		"array":                         {root.Line("list"), 3},
		"inline table":                  {root.Line("inline"), 10},
		"key in an inline table":        {root.Table("inline").Table("b").Line("c"), 10},
		"quoted key":                    {root.Line("quoted key"), 11},
		"dotted key":                    {root.Table("dotted").Table("key").Line("deep"), 12},
		"first element's key":           {servers[0].Line("port"), 15},
		"second element's key":          {servers[1].Line("port"), 17},
		"table in an element":           {servers[1].Table("tls").Line("on"), 19},
		"key behind a multi-line value": {servers[2].Line("port"), 25},
		"missing key: the header":       {servers[2].Line("nothing"), 21},
		"header":                        {root.Line("last"), 26},
		"second inline table":           {tables[1].Line("a"), 28},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: line %d, want %d", name, tc.got, tc.want)
		}
	}
	values, lines := Each(root, "list", asIs)
	if got := fmt.Sprint(values, lines); got != "[first sec\"ond three\nlines same line] [4 5 6 8]" {
		t.Errorf("elements: %s", got)
	}
}

func asIs(s string) (string, error) { return s, nil }

func TestMistakes(t *testing.T) {
	root := Parse("dir/f.toml", []byte(sample+"[more]\n"))
	root.String("name")
	root.Int("list")
	Each(root, "inline", asIs)
	root.Tables("last")
	root.Table("server")
	for _, s := range root.Tables("server") {
		s.Int("port")
		s.Done()
	}
	root.Errorf("absent", "is missing")
	root.Done()
	want := `dir/f.toml:1: absent: is missing
dir/f.toml:3: list: is an array; must be an integer
dir/f.toml:10: inline: is a table; must be an array of strings
dir/f.toml:11: quoted key: is unknown; name, list, inline, last and server are allowed
dir/f.toml:12: dotted: is unknown; name, list, inline, last and server are allowed
dir/f.toml:14: server: is an array of tables; must be a table
dir/f.toml:18: server[2].tls: is unknown; port is allowed
dir/f.toml:22: server[3].text: is unknown; port is allowed
dir/f.toml:25: server[3].port: is a string; must be an integer
dir/f.toml:26: last: is a table; must be an array of tables: write [[last]]
dir/f.toml:29: more: is unknown; name, list, inline, last and server are allowed`
	if got := root.Errors().Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestNotTOML(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"NUL":                     {"a = 1\nb = \"\x00\"\n", "f:2: b: basic strings cannot have control characters"},
		"invalid UTF-8":           {"a = 1\n\nb = \"\xff\"\n", "f:3: b: invalid UTF-8 character in basic string"},
		"UTF-16":                  {"\xff\xfea\x00 \x00=\x00", "f:1: is UTF-16; TOML is UTF-8"},
		"key twice":               {"a = 1\na = 2\n", "f:2: a: is set twice; once is allowed"},
		"a key in an array":       {"\ne = [\"\"]\ne.f = 1\n", "f:3: e: is set twice; once is allowed"},
		"… of tables":             {"e = [{a = 1}]\ne.f.g = 1\n", "f:2: e: is set twice; once is allowed"},
		"no closing quote":        {"a = 1\nb = \"x\nc = 2", "f:2: b: the string has no closing quote"},
		"no closing quote, last":  {"a.b = 'x", "f:1: a.b: the string has no closing quote"},
		"… with an escape":        {"b = \"x\\t\nc = 2", "f:1: b: the string has no closing quote"},
		"… in an array":           {"list = [\n  \"a\",\n  \"b,\n]\n", "f:3: the string has no closing quote"},
		"… of many lines":         {"a = \"\"\"\nx\n\ny", "f:4: the string has no closing quote"},
		"no quotes":               {"port = 1\nhostname = mail.example.com\n", "f:2: hostname: the value is no string, number, true or false; strings need quotes"},
		"no quotes, like a word":  {"name = false friend\n", "f:1: name: expected newline but got U+0066 'f'"},
		"no quotes, like a digit": {"name = 1und1\n", "f:1: name: the value is no string, number, true or false; strings need quotes"},
		"17 arrays":               {"\na = " + strings.Repeat("[", 16) + "1" + strings.Repeat("]", 16), "f:2: nests deeper than 16 levels; that is not allowed"},
		"17 tables":               {"a = 1\n" + strings.Repeat("a.", 8) + "b = " + strings.Repeat("{a=", 8) + "1" + strings.Repeat("}", 8), "f:2: nests deeper than 16 levels; that is not allowed"},
		"17 parts":                {"\n[" + strings.Repeat("a.", 16) + "a]", "f:2: nests deeper than 16 levels; that is not allowed"},
		"17 parts in all":         {"[[" + strings.Repeat("a.", 7) + "a]]\n" + strings.Repeat("b.", 8) + "b = 1", "f:2: nests deeper than 16 levels; that is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Parse("f", []byte(tc.in)).Errors().Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// What is no mistake: the deepest nesting, and what editors of Windows leave.
func TestAccepted(t *testing.T) {
	for name, text := range map[string]string{
		"16 arrays":       "a = " + strings.Repeat("[", 15) + strings.Repeat("]", 15),
		"16 parts in all": "[[" + strings.Repeat("a.", 7) + "a]]\n" + strings.Repeat("b.", 7) + "b = 1",
		"a mark in front": "\ufeffa = 1",
		"CRLF":            "# x\r\na = [\r\n]\r\n",
	} {
		if root := Parse("f", []byte(text)); len(root.Errors()) > 0 || !root.Has("a") {
			t.Errorf("%s: %v", name, root.Errors())
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"id", "port", "hostname", "outgoing", "domains", "socket_type"}
	for key, want := range map[string]string{
		"outgoin": "outgoing", "outgooing": "outgoing", "Domains": "domains", "domain": "domains", "socketType": "socket_type", "ID": "id",
		"host": "", "ip": "", "x": "", "sort": "port", "": "", "incoming": "", "outgoing[1]": "",
	} {
		if got := Closest(key, known); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

// Every key that the library finds has a line in our index, and the key's text
// stands on it.
func FuzzIndex(f *testing.F) {
	f.Add(sample)
	files, _ := filepath.Glob("../../data/providers/*.toml")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		root := Parse("f", []byte(text))
		if len(root.Errors()) > 0 {
			return
		}
		check(t, strings.Split(text, "\n"), root.values, root.pos)
	})
}

func check(t *testing.T, lines []string, v any, pos *position) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			p := pos.keys[key]
			if p == nil {
				if strings.ContainsAny(key, "\x1b") || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' || r == '"' || r == '\'' }) {
					continue // an escaped key in a spelling of TOML's own
				}
				t.Fatalf("no line for key %q", key)
			}
			if p.line < 1 || int(p.line) > len(lines) {
				t.Fatalf("key %q: line %d of %d", key, p.line, len(lines))
			}
			line := lines[p.line-1]
			if !strings.Contains(line, key) && !strings.Contains(line, `\`) {
				t.Fatalf("key %q is not on line %d: %q", key, p.line, line)
			}
			check(t, lines, value, p)
		}
	case []map[string]any:
		for i := range v {
			if i >= len(pos.items) {
				t.Fatalf("%d elements, %d lines", len(v), len(pos.items))
			}
			check(t, lines, v[i], &pos.items[i])
		}
	case []any:
		if len(v) != len(pos.items) {
			t.Fatalf("%d elements, %d lines", len(v), len(pos.items))
		}
		for i := range v {
			check(t, lines, v[i], &pos.items[i])
		}
	}
}

// A quoted string is on one line, and moves no terminal's cursor.
func TestQuote(t *testing.T) {
	for _, tc := range []struct{ name, s, want string }{
		{"plain", "Müller & Söhne", `"Müller & Söhne"`},
		{"quotes", `a"b\c`, `"a\"b\\c"`},
		{"lines", "a\nb", `"a\u000Ab"`},
		{"escape", "\x1b[2J", `"\u001B[2J"`},
		{"escape of one octet", "\u009b2J", `"\u009B2J"`},
		{"right to left", "a\u202eb", `"a\u202Eb"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Quote(tc.s); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}
