package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"milepost/internal/config"
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
	p(".Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/milepost/milepost.toml\nthe configuration of the service,\n.Xr milepost.toml 5\n.It Pa /etc/milepost/providers\nthe providers of one's own\n.It Pa /var/lib/milepost\nwhat the service keeps\n.El")
	p(".Sh EXIT STATUS\n.Bl -tag -width Ds")
	for _, e := range m.Exits {
		p(".It %s\n%s", e.Name, roff(e.Text))
	}
	p(".El\n.Sh EXAMPLES")
	for _, e := range m.Examples {
		p(".Dl %s", line(e))
	}
	p(".Sh SEE ALSO\n.Xr milepost.toml 5")
	return b.String()
}

// filePage is milepost.toml(5).
func filePage(name string, date time.Time) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p(".Dd %s\n.Dt %s 5\n.Os", date.Format("January 2, 2006"), strings.ToUpper(name+".toml"))
	p(".Sh NAME\n.Nm %s.toml\n.Nd the configuration of milepost", name)
	p(".Sh DESCRIPTION\nThe file is written in TOML.\nAll keys have a default.\n.Bl -bullet")
	for _, r := range config.Rules {
		p(".It\n%s", roff(strings.NewReplacer("**", "", "`", "").Replace(r)))
	}
	p(".El")
	all := config.Settings()
	for _, t := range config.Tables {
		p(".Ss [%s]\\&\n%s\n.Bl -tag -width Ds", t.Name, roff(t.Doc))
		for _, s := range all {
			if s.Table != t.Name {
				continue
			}
			p(".It Cm %s No = Ar %s\n%s", s.Key, s.Word(), roff(s.Doc))
			if v := s.Default(); v != "" {
				p("Default:\n.Li %s .", quoted(v))
			}
			if s.Flag != "" {
				p("Option of\n.Xr milepost 1 :\n.Fl %s .", s.Flag)
			}
			if s.Restart {
				p("A change needs a restart.")
			}
		}
		p(".El")
		for _, a := range config.Arrays {
			if a.Under() != t.Name {
				continue
			}
			p(".Pp\n.Li [[%s]] :\n%s\n.Bl -tag -width Ds", a.Name, roff(a.Doc))
			for _, k := range a.Keys {
				p(".It Cm %s No = Ar %s\n%s", k.Name, quoted(k.Example), roff(k.Doc))
			}
			p(".El")
		}
	}
	p(".Sh FILES\n.Bl -tag -width Ds\n.It Pa %s\n%s\n.El", config.DefaultFile, roff("read where no other file is named"))
	p(".Sh SEE ALSO\n.Xr milepost 1")
	return b.String()
}

// quoted is one argument of a macro.
func quoted(text string) string {
	return `"` + strings.ReplaceAll(line(text), `"`, `""`) + `"`
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
	words := strings.Fields(text)
	for i, word := range words {
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
		if sentence && i+1 < len(words) && !startsSentence(words[i+1]) {
			current += `\&` // a name in DNS; else roff sets the space of a sentence behind it
			sentence = false
		}
	}
	return strings.Join(append(out, current), "\n")
}

// startsSentence tells whether a word may be the first one behind a full stop.
func startsSentence(word string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(word, "(["))
	return !unicode.IsLower(r)
}

// line escapes what roff reads in the middle of a line; hyphens stay such as a
// person can copy.
func line(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "§", `\(sc`).Replace(text)
}
