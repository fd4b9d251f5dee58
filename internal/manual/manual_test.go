package manual

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	m, err := Parse()
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "milepost" || m.Purpose != "tells mail programs their settings" {
		t.Errorf("%q, %q", m.Name, m.Purpose)
	}
	if len(m.Commands) < 6 || len(m.Exits) != 3 || len(m.Examples) < 5 {
		t.Errorf("%d commands, %d exit codes, %d examples", len(m.Commands), len(m.Exits), len(m.Examples))
	}
	for _, e := range m.Exits {
		if len(e.Name) != 1 || e.Text == "" {
			t.Errorf("%+v", e)
		}
	}
	for _, c := range m.Commands {
		for _, o := range c.Options {
			if o.Text == "" && len(o.Values) == 0 {
				t.Errorf("%s: %+v says nothing", c.Name, o.Flags)
			}
		}
	}
}

// A terminal of 80 columns shows it as it is written.
func TestWidth(t *testing.T) {
	for line := range strings.Lines(Text) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestOption(t *testing.T) {
	for _, tc := range []struct {
		name, written string
		want          Option
	}{
		{"a value", "    -http ADDR\n            where to\n            listen\n", Option{Flags: []Flag{{"http", "ADDR"}}, Text: "where to listen"}},
		{"no value", "    -all    every\n            one\n", Option{Flags: []Flag{{"all", ""}}, Text: "every one"}},
		{"two names", "    -cert FILE, -key FILE\n            in PEM\n", Option{Flags: []Flag{{"cert", "FILE"}, {"key", "FILE"}}, Text: "in PEM"}},
		{"of a command", "    -format FORMAT, of dns\n            json: a list,\n            long;\n            zone: a file\n",
			Option{Flags: []Flag{{"format", "FORMAT"}}, Of: "dns", Values: []Entry{{"json", "a list, long;"}, {"zone", "a file"}}}},
		{"a colon", "    -p PATH\n            may be given several\n            times: the last counts\n", Option{Flags: []Flag{{"p", "PATH"}}, Text: "may be given several times: the last counts"}},
		{"values behind a text", "    -w WORD\n            which of\n            these:\n            mail: some\n", Option{Flags: []Flag{{"w", "WORD"}}, Text: "which of these:", Values: []Entry{{"mail", "some"}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := parseOption(entries(tc.written)[0])
			if got.Of != tc.want.Of || got.Text != tc.want.Text || !slices.Equal(got.Flags, tc.want.Flags) || !slices.Equal(got.Values, tc.want.Values) {
				t.Errorf("%+v", got)
			}
			if got.written != tc.written {
				t.Errorf("written %q", got.written)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	m, err := Parse()
	if err != nil {
		t.Fatal(err)
	}
	c, ok := m.Command("version")
	if !ok {
		t.Fatal("no version")
	}
	want := "SYNOPSIS\n    milepost version [-json]\n\nDESCRIPTION\n    prints the version,"
	if got := c.Help([]string{"json", "new"}); !strings.HasPrefix(got, want) || !strings.Contains(got, "\nOPTIONS\n    -json   ") || !strings.Contains(got, "\n    -new\n") {
		t.Errorf("%s", got)
	}
	if got := c.Help(nil); strings.Contains(got, "OPTIONS") || strings.Contains(got, "EXAMPLES") {
		t.Errorf("%s", got)
	}
	c, _ = m.Command("show")
	if got := c.Help(nil); !strings.Contains(got, "\nEXAMPLES\n    milepost show ") || strings.Contains(got, "milepost dns") {
		t.Errorf("%s", got)
	}
}
