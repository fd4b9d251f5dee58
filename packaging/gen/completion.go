package main

import (
	"fmt"
	"strings"

	"milepost/internal/config"
	"milepost/internal/manual"
)

// setting is what the manual calls a setting with its value.
const setting = "KEY=VALUE"

// files says whether a value, as the manual calls it, is a path.
func files(value string) bool { return value == "FILE" || value == "PATH" || value == "DIR" }

// settings are what begins a value that is called KEY=VALUE.
func settings() string {
	var keys []string
	for _, s := range config.Settings() {
		keys = append(keys, s.Name()+"=")
	}
	return strings.Join(keys, " ")
}

// words are what may stand where a command's last words do, and whether they are paths.
func words(m *manual.Manual, c manual.Command) (names []string, paths bool) {
	fields := strings.Fields(c.Synopsis)
	switch last := strings.Trim(fields[len(fields)-1], "[]."); last {
	case "COMMAND":
		return commands(m), false
	default:
		return nil, files(last)
	}
}

func commands(m *manual.Manual) (names []string) {
	for _, c := range m.Commands {
		names = append(names, c.Name)
	}
	return names
}

func values(o manual.Option) (names []string) {
	for _, v := range o.Values {
		names = append(names, v.Name)
	}
	return names
}

// brief is the beginning of a text, for a menu.
func brief(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, end := range []string{". ", "; "} {
		text, _, _ = strings.Cut(text, end)
	}
	return strings.TrimRight(text, ".:;")
}

func optionBrief(o manual.Option) string {
	if o.Text == "" {
		return strings.Join(values(o), ", ")
	}
	return brief(o.Text)
}

// bash needs no package of Debian's beside bash itself.
func bash(m *manual.Manual) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# bash completion of milepost; made from its manual")
	p("_milepost() {")
	p("    local word=${COMP_WORDS[COMP_CWORD]} before= command=${COMP_WORDS[1]}")
	p("    COMPREPLY=()")
	p("    if ((COMP_CWORD == 1)); then")
	p("        mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")\n        return", strings.Join(commands(m), " "))
	p("    fi")
	p("    before=${COMP_WORDS[COMP_CWORD-1]}")
	p("    case \"$command ${before/#--/-}\" in")
	for _, c := range m.Commands {
		for _, o := range c.Options {
			for _, f := range o.Flags {
				switch {
				case f.Value == "":
				case len(o.Values) > 0:
					p("    '%s -%s') mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;", c.Name, f.Name, strings.Join(values(o), " "))
				case files(f.Value):
					p("    '%s -%s') compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;", c.Name, f.Name)
				case f.Value == setting:
					p("    '%s -%s') compopt -o nospace; mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\"); return ;;", c.Name, f.Name, settings())
				default:
					p("    '%s -%s') return ;;", c.Name, f.Name)
				}
			}
		}
	}
	p("    esac\n    case \"$command\" in")
	for _, c := range m.Commands {
		names, paths := words(m, c)
		p("    %s)", c.Name)
		p("        if [[ $word == -* ]]; then")
		p("            mapfile -t COMPREPLY < <(compgen -W '-%s' -- \"${word/#--/-}\")", strings.Join(append(c.Names(), "h"), " -"))
		if len(names) > 0 {
			p("        else\n            mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")", strings.Join(names, " "))
		} else if paths {
			p("        else\n            compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")")
		}
		p("        fi ;;")
	}
	p("    esac\n}\ncomplete -F _milepost milepost")
	return b.String()
}

func zsh(m *manual.Manual) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	quote := func(text string) string {
		return strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
	}
	p("#compdef milepost\n# zsh completion of milepost; made from its manual\n")
	p("_milepost() {")
	p("    local -a commands=(")
	for _, c := range m.Commands {
		p("        '%s:%s'", c.Name, quote(brief(c.Text)))
	}
	p("    )")
	p("    if ((CURRENT == 2)); then\n        _describe command commands\n        return\n    fi")
	p("    local command=$words[2]\n    shift words\n    ((CURRENT--))\n    case $command in")
	for _, c := range m.Commands {
		p("    %s)\n        _arguments \\", c.Name)
		for _, o := range c.Options {
			for _, f := range o.Flags {
				action := ""
				switch {
				case f.Value == "":
				case len(o.Values) > 0:
					action = fmt.Sprintf(":%s:(%s)", f.Value, strings.Join(values(o), " "))
				case files(f.Value):
					action = fmt.Sprintf(":%s:_files", f.Value)
				case f.Value == setting:
					action = fmt.Sprintf(`:%s:compadd -S "" - %s`, f.Value, settings())
				default:
					action = fmt.Sprintf(":%s: ", f.Value)
				}
				p("            '*-%s[%s]%s' \\", f.Name, quote(optionBrief(o)), action)
			}
		}
		names, paths := words(m, c)
		switch {
		case len(names) > 0:
			p("            '*:command:(%s)' ;;", strings.Join(names, " "))
		case paths:
			p("            '*:path:_files' ;;")
		default:
			p("            '*: : ' ;;")
		}
	}
	p("    esac\n}\n\n_milepost \"$@\"")
	return b.String()
}

func fish(m *manual.Manual) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	quote := func(text string) string { return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) }
	all := strings.Join(commands(m), " ")
	p("# fish completion of milepost; made from its manual")
	p("complete -c milepost -f")
	for _, c := range m.Commands {
		p("complete -c milepost -n 'not __fish_seen_subcommand_from %s' -a %s -d '%s'", all, c.Name, quote(brief(c.Text)))
		for _, o := range c.Options {
			for _, f := range o.Flags {
				takes := ""
				switch {
				case f.Value == "":
				case len(o.Values) > 0:
					takes = fmt.Sprintf(" -x -a '%s'", strings.Join(values(o), " "))
				case files(f.Value):
					takes = " -r -F"
				case f.Value == setting:
					takes = fmt.Sprintf(" -x -a '%s'", settings())
				default:
					takes = " -x"
				}
				p("complete -c milepost -n '__fish_seen_subcommand_from %s' -o %s%s -d '%s'", c.Name, f.Name, takes, quote(optionBrief(o)))
			}
		}
		if names, paths := words(m, c); len(names) > 0 {
			p("complete -c milepost -n '__fish_seen_subcommand_from %s' -a '%s'", c.Name, strings.Join(names, " "))
		} else if paths {
			p("complete -c milepost -n '__fish_seen_subcommand_from %s' -F", c.Name)
		}
	}
	return b.String()
}
