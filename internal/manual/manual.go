// Package manual is what the command line can do, written once: the whole text for
// people, and its parts for the help of one command, the man page and the shells'
// completion.
package manual

import (
	_ "embed" // for the text
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Text is the whole manual.
//
//go:embed manual.txt
var Text string

// Manual is the text in its parts.
type Manual struct {
	Name, Purpose string
	Commands      []Command
	Exits         []Entry // status and its meaning
	Examples      []string
}

// Command is a subcommand.
type Command struct {
	Name     string
	Synopsis string // what stands behind "milepost ", in one line
	Text     string
	Options  []Option // in the order of the manual
	Examples []string // those of the manual's that begin with it
	written  string   // the synopsis in its own lines
}

// Option is an entry of the options, with all its names.
type Option struct {
	Flags   []Flag
	Of      string // the command, where others have one of the same name; empty otherwise
	Text    string
	Values  []Entry // the words that it takes, where the manual lists them
	written string
}

// Flag is a name without its hyphen, and what its value is called; empty: it takes none.
type Flag struct{ Name, Value string }

// Entry is a word and what it means.
type Entry struct{ Name, Text string }

// Command returns a command by its name.
func (m *Manual) Command(name string) (Command, bool) {
	i := slices.IndexFunc(m.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return m.Commands[i], true
}

// Help is the part of the manual that is about a command. It has the options of these
// names; one that the manual does not know comes last, by its name alone.
func (c Command) Help(names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SYNOPSIS\n%s\nDESCRIPTION\n", c.written)
	for line := range strings.Lines(c.Text) {
		fmt.Fprintf(&b, "    %s", line)
	}
	options, known := "", []string(nil)
	for _, o := range c.Options {
		if slices.ContainsFunc(o.Flags, func(f Flag) bool { return slices.Contains(names, f.Name) }) {
			options += o.written
		}
		for _, f := range o.Flags {
			known = append(known, f.Name)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			options += fmt.Sprintf("    -%s\n", name)
		}
	}
	if options != "" {
		fmt.Fprintf(&b, "\nOPTIONS\n%s", options)
	}
	if len(c.Examples) > 0 {
		fmt.Fprintf(&b, "\nEXAMPLES\n    %s\n", strings.Join(c.Examples, "\n    "))
	}
	b.WriteString("\n'milepost help' prints the whole manual.\n")
	return b.String()
}

// Names returns the names of a command's options.
func (c Command) Names() []string {
	var names []string
	for _, o := range c.Options {
		for _, f := range o.Flags {
			names = append(names, f.Name)
		}
	}
	return names
}

var (
	flagName = regexp.MustCompile(`(?:^|[ \[])-([a-z][a-z-]*)`)
	value    = regexp.MustCompile(`^([a-z]+(?:-[a-z]+)*): (.*)`) // a word that an option takes
	gap      = regexp.MustCompile(` {2,}`)
)

// Parse takes the text apart. A mistake is one of the text, so a test finds it.
func Parse() (*Manual, error) {
	sections := make(map[string]string)
	title := ""
	for line := range strings.Lines(Text) {
		if line[0] != ' ' && line[0] != '\n' {
			title = strings.TrimSpace(line)
			continue
		}
		sections[title] += line
	}
	m := &Manual{}
	m.Name, m.Purpose, _ = strings.Cut(strings.TrimSpace(sections["NAME"]), " - ")
	for _, e := range entries(sections["EXIT STATUS"]) {
		name, text, _ := strings.Cut(e.text, "\n")
		m.Exits = append(m.Exits, Entry{name, join(text)})
	}
	for line := range strings.Lines(strings.TrimSpace(sections["EXAMPLES"])) {
		m.Examples = append(m.Examples, strings.TrimSpace(line))
	}
	var options []Option
	for _, e := range entries(sections["OPTIONS"]) {
		options = append(options, parseOption(e))
	}
	for _, e := range entries(sections["SYNOPSIS"]) {
		line := strings.TrimPrefix(join(e.text), "milepost ")
		c := Command{Synopsis: line, written: e.written}
		c.Name, _, _ = strings.Cut(line, " ")
		has := make(map[string]bool)
		for _, match := range flagName.FindAllStringSubmatch(line, -1) {
			has[match[1]] = true
		}
		for _, o := range options {
			if has[o.Flags[0].Name] && (o.Of == "" || o.Of == c.Name) {
				c.Options = append(c.Options, o)
			}
		}
		for _, name := range c.Names() {
			delete(has, name)
		}
		for _, example := range m.Examples {
			if strings.HasPrefix(example, m.Name+" "+c.Name+" ") {
				c.Examples = append(c.Examples, example)
			}
		}
		if len(has) > 0 {
			return nil, fmt.Errorf("OPTIONS lacks what the SYNOPSIS of %s has: %v", c.Name, has)
		}
		m.Commands = append(m.Commands, c)
	}
	for _, o := range options {
		if !slices.ContainsFunc(m.Commands, func(c Command) bool { return strings.Contains(c.Help(c.Names()), o.written) }) {
			return nil, fmt.Errorf("no SYNOPSIS has the option %v", o.Flags)
		}
	}
	for _, e := range entries(sections["COMMANDS"]) {
		name, text, _ := strings.Cut(e.text, "\n")
		i := slices.IndexFunc(m.Commands, func(c Command) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("SYNOPSIS lacks the command %s", name)
		}
		m.Commands[i].Text = text
	}
	for _, c := range m.Commands {
		if c.Text == "" {
			return nil, fmt.Errorf("COMMANDS lacks the command %s", c.Name)
		}
	}
	return m, nil
}

func parseOption(e entry) Option {
	head, text, _ := strings.Cut(e.text, "\n")
	o := Option{written: e.written}
	for part := range strings.SplitSeq(head, ", ") {
		if of, ok := strings.CutPrefix(part, "of "); ok {
			o.Of = of
			continue
		}
		name, value, _ := strings.Cut(strings.TrimPrefix(part, "-"), " ")
		o.Flags = append(o.Flags, Flag{name, value})
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		last := len(o.Values) - 1
		if match := value.FindStringSubmatch(line); match != nil && (last >= 0 || o.Text == "" || strings.HasSuffix(o.Text, ":")) {
			o.Values = append(o.Values, Entry{match[1], match[2]})
		} else if last >= 0 {
			o.Values[last].Text += " " + line
		} else {
			o.Text = strings.TrimSpace(o.Text + " " + line)
		}
	}
	return o
}

// entry is a part of a section that starts four columns in. The text has no
// indentation, and its first line is the name.
type entry struct{ text, written string }

func entries(section string) []entry {
	var all []entry
	for line := range strings.Lines(section) {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "":
		case strings.HasPrefix(line, "     ") && len(all) > 0:
			all[len(all)-1].text += trimmed + "\n"
			all[len(all)-1].written += line
		default:
			if at := gap.FindStringIndex(trimmed); at != nil { // the text begins beside the name
				trimmed = trimmed[:at[0]] + "\n" + trimmed[at[1]:]
			}
			all = append(all, entry{trimmed + "\n", line})
		}
	}
	return all
}

// join makes one line.
func join(text string) string { return strings.Join(strings.Fields(text), " ") }
