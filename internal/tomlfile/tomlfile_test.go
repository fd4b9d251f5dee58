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
	items, _ := root.Strings("list")
	if got := fmt.Sprint(items); got != "[{first 4} {sec\"ond 5} {three\nlines 6} {same line 8}]" {
		t.Errorf("items: %s", got)
	}
}

func TestMistakes(t *testing.T) {
	root := Parse("dir/f.toml", []byte(sample+"[more]\n"))
	root.String("name")
	root.Int("list")
	root.Strings("inline")
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
		"NUL":           {"a = 1\nb = \"\x00\"\n", "f:2: TOML files cannot contain control characters: '0x00'"},
		"invalid UTF-8": {"a = 1\n\nb = \"\xff\"\n", "f:3: invalid UTF-8 byte: 0xff"},
		"key twice":     {"a = 1\na = 2\n", "f:2: Key 'a' has already been defined."},
		"open string":   {"a = 1\nb = \"x\nc = 2", "f:2: strings cannot contain newlines"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Parse("f", []byte(tc.in)).Errors().Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
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
