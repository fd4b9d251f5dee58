package pages

import (
	"embed"
	"fmt"
	"html/template"
	"strings"

	"milepost/internal/tomlfile"
)

//go:embed messages/*.toml
var messageFiles embed.FS

// messages are all texts of one language, by key.
type messages map[string]message

// message is a text in pieces. In its file {name} is a placeholder, *words* stand on
// a screen, [term](#anchor) links to the help page, and [words](/path) to another
// page.
type message []piece

// piece is plain text, a placeholder, or markup around pieces.
type piece struct {
	kind   pieceKind
	text   string
	inside message
}

type pieceKind byte

const (
	plain       pieceKind = iota
	placeholder           // text is its name
	onScreen              // inside is what stands on the screen
	link                  // text is where it leads
)

func loadMessages() (map[string]messages, error) {
	out := make(map[string]messages)
	for _, l := range languages {
		name := "messages/" + l.code + ".toml"
		text, err := messageFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		t := tomlfile.Parse(name, text)
		m := make(messages)
		for _, key := range t.Keys() {
			value, _ := t.String(key)
			if m[key], err = parseMessage(value); err != nil {
				t.Errorf(key, "%w", err)
			}
		}
		if errs := t.Errors(); len(errs) > 0 {
			return nil, errs
		}
		out[l.code] = m
	}
	return out, nil
}

// get returns a message. None is missing, as a test shows; if one were, its key
// would stand in the page.
func (m messages) get(key string) message {
	if found := m[key]; found != nil {
		return found
	}
	return message{{kind: plain, text: key}}
}

func parseMessage(s string) (message, error) {
	var out message
	for s != "" {
		i := strings.IndexAny(s, "{*[")
		if i < 0 {
			return append(out, piece{kind: plain, text: s}), nil
		}
		if i > 0 {
			out = append(out, piece{kind: plain, text: s[:i]})
		}
		mark := s[i]
		closing := map[byte]string{'{': "}", '*': "*", '[': "]("}[mark]
		inner, rest, ok := strings.Cut(s[i+1:], closing)
		if !ok {
			return nil, fmt.Errorf("%q has a %c that nothing closes", s, mark)
		}
		if mark == '{' {
			out, s = append(out, piece{kind: placeholder, text: inner}), rest
			continue
		}
		inside, err := parseMessage(inner)
		if err != nil {
			return nil, err
		}
		p := piece{kind: onScreen, inside: inside}
		if mark == '[' {
			target, after, ok := strings.Cut(rest, ")")
			switch {
			case ok && strings.HasPrefix(target, "#"):
				target = "/help" + target
			case !ok || !strings.HasPrefix(target, "/"):
				return nil, fmt.Errorf("%q has a link that leads nowhere; [term](#anchor) and [words](/path) are allowed", s)
			}
			p.kind, p.text, rest = link, target, after
		}
		out, s = append(out, p), rest
	}
	return out, nil
}

// text is the message without markup. Args are names and values in turn.
func (m message) text(args []any) string {
	if len(m) == 1 && m[0].kind == plain { // as most are
		return m[0].text
	}
	var b strings.Builder
	for _, p := range m {
		switch p.kind {
		case plain:
			b.WriteString(p.text)
		case placeholder:
			b.WriteString(argument(p.text, args))
		default:
			b.WriteString(p.inside.text(args))
		}
	}
	return b.String()
}

// html is the message with its markup. where makes the link to a path.
func (m message) html(where func(path string) string, args []any) template.HTML {
	var b strings.Builder
	for _, p := range m {
		switch p.kind {
		case plain:
			b.WriteString(template.HTMLEscapeString(p.text))
		case placeholder:
			// A name that is written from right to left must not turn the words around it.
			b.WriteString("<bdi>" + template.HTMLEscapeString(argument(p.text, args)) + "</bdi>")
		case onScreen:
			b.WriteString("<b>" + string(p.inside.html(where, args)) + "</b>")
		case link:
			b.WriteString(`<a href="` + template.HTMLEscapeString(where(p.text)) + `">` + string(p.inside.html(where, args)) + "</a>")
		}
	}
	return template.HTML(b.String())
}

func argument(name string, args []any) string {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return fmt.Sprint(args[i+1])
		}
	}
	return "{" + name + "}"
}
