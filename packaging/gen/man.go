package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"milepost/internal/manual"
)

// manPage is milepost(1), in mdoc(7).
func manPage(m *manual.Manual, date time.Time) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(".Dd %s\n.Dt %s 1\n.Os", date.Format("January 2, 2006"), strings.ToUpper(m.Name))
	p(".Sh NAME\n.Nm %s\n.Nd %s", m.Name, m.Purpose)
	p(".Sh SYNOPSIS")
	for _, c := range m.Commands {
		p(".Nm\n.%s", synopsis(c.Synopsis))
	}
	p(".Sh DESCRIPTION\nThe commands are as follows:")
	for _, c := range m.Commands {
		p(".Ss %s\n%s", c.Name, roff(c.Text))
		if len(c.Options) == 0 {
			continue
		}
		p(".Bl -tag -width Ds")
		for _, o := range c.Options {
			p(".It %s", flags(o))
			if o.Text != "" {
				p("%s", roff(o.Text))
			}
			if len(o.Values) == 0 {
				continue
			}
			p(".Bl -tag -width Ds -compact")
			for _, v := range o.Values {
				p(".It Cm %s\n%s", v.Name, roff(v.Text))
			}
			p(".El")
		}
		p(".El")
	}
	p(".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/milepost/milepost.toml\nthe configuration of the service\n.It Pa /var/lib/milepost\nwhat the service keeps\n.El")
	p(".Sh EXIT STATUS\n.Bl -tag -width Ds")
	for _, e := range m.Exits {
		p(".It %s\n%s", e.Name, roff(e.Text))
	}
	p(".El\n.Sh EXAMPLES")
	for _, e := range m.Examples {
		p(".Dl %s", line(e))
	}
	return b.String()
}

func flags(o manual.Option) string {
	var parts []string
	for _, f := range o.Flags {
		part := "Fl " + f.Name
		if f.Value != "" {
			part += " Ar " + f.Value
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " , ")
}

var token = regexp.MustCompile(`\[|\]|\.\.\.|\||[^][ .|]+`)

// synopsis is a command line as one line of macros.
func synopsis(text string) string {
	var out []string
	for i, word := range token.FindAllString(text, -1) {
		switch {
		case i == 0:
			word = "Cm " + word
		case word == "[":
			word = "Oo"
		case word == "]":
			word = "Oc"
		case word == "...":
			word = "Ns No ..."
		case word == "|":
		case word[0] == '-':
			word = "Fl " + word[1:]
		default:
			word = "Ar " + word
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// roff is text for a man page: a line a sentence, as mandoc asks for, and none longer
// than 80 octets.
func roff(text string) string {
	var out []string
	current, sentence := "", false
	for _, word := range strings.Fields(text) {
		word = line(word)
		if current != "" && !sentence && len(current)+len(word) < 78 {
			current += " " + word
		} else {
			if current != "" {
				out = append(out, current)
			}
			current = word
			if word[0] == '.' || word[0] == '\'' {
				current = `\&` + word // else it would be a macro
			}
		}
		sentence = strings.HasSuffix(word, ".")
	}
	return strings.Join(append(out, current), "\n")
}

// line escapes what roff reads in the middle of a line; hyphens stay such as a
// person can copy.
func line(text string) string { return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text) }
