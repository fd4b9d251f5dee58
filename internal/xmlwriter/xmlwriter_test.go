package xmlwriter_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"milepost/internal/xmlwriter"
)

func write(text string) []byte {
	w := xmlwriter.New()
	w.Element("root", func() {
		w.Leaf("leaf", text)
		w.Empty("empty", xmlwriter.Attr{Name: "a", Value: text})
	})
	return w.Bytes()
}

func TestEscape(t *testing.T) {
	for name, tc := range map[string]struct{ in, text, attr string }{
		"plain":        {"o'brien@example.com", "o'brien@example.com", "o'brien@example.com"},
		"markup":       {`<a b="c">&`, `&lt;a b="c"&gt;&amp;`, `&lt;a b=&quot;c&quot;&gt;&amp;`},
		"CDATA's end":  {"]]>", "]]&gt;", "]]&gt;"},
		"line ends":    {"a\r\n\tb", "a&#13;\n\tb", "a&#13;&#10;&#9;b"},
		"beyond ASCII": {"Söhne 😀", "Söhne 😀", "Söhne 😀"},
		"no XML":       {"a\x00\ufffe\xffb", "a\ufffd\ufffd\ufffdb", "a\ufffd\ufffd\ufffdb"},
	} {
		t.Run(name, func(t *testing.T) {
			want := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<root>\n  <leaf>" + tc.text + "</leaf>\n  <empty a=\"" + tc.attr + "\"/>\n</root>\n"
			if got := string(write(tc.in)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// No value adds an element, and what XML can hold comes back as it was.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", "]]></leaf><leaf>", "<!-- -->", "&#0;", "\r\n\t", "\xff\ufffe\u202e", `" b="`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := xml.NewDecoder(strings.NewReader(string(write(s))))
		var elements []string
		text, attr := "", ""
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				elements = append(elements, token.Name.Local)
				if len(token.Attr) > 0 {
					attr = token.Attr[0].Value
				}
			case xml.CharData:
				if elements != nil && elements[len(elements)-1] == "leaf" && text == "" {
					text = string(token)
				}
			}
		}
		if got := strings.Join(elements, " "); got != "root leaf empty" {
			t.Fatalf("%q gives the elements %s", s, got)
		}
		if utf8.ValidString(s) && !xmlwriter.NeedsEntity(s) && s != "" && (text != s || attr != s) {
			t.Fatalf("%q comes back as %q and %q", s, text, attr)
		}
	})
}
