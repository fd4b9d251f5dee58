package pages

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func allMessages(t testing.TB) map[string]messages {
	t.Helper()
	all, err := loadMessages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// marks lists what a translation must keep: placeholders and links.
func marks(pieces []piece) []string {
	var out []string
	for _, p := range pieces {
		switch p.kind {
		case placeholder:
			out = append(out, "{"+p.text+"}")
		case link:
			out = append(out, p.text)
		}
		out = append(out, marks(p.inside)...)
	}
	slices.Sort(out)
	return out
}

// Every language has every message, with the same placeholders and links.
func TestMessagesAreComplete(t *testing.T) {
	all := allMessages(t)
	english := all["en"]
	if len(english) < 150 {
		t.Fatalf("only %d messages", len(english))
	}
	for _, l := range languages {
		same := 0
		for key, m := range english {
			translated, ok := all[l.code][key]
			if !ok {
				t.Errorf("%s lacks %s", l.code, key)
				continue
			}
			if got, want := marks(translated), marks(m); !slices.Equal(got, want) {
				t.Errorf("%s: %s has %v; English has %v", l.code, key, got, want)
			}
			text := translated.text(nil)
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s is empty", l.code, key)
			}
			if text == m.text(nil) {
				same++
			}
		}
		for key := range all[l.code] {
			if english[key] == nil {
				t.Errorf("%s has %s, which English lacks", l.code, key)
			}
		}
		if l.code != "en" && same > 20 { // IMAP, Port, Server
			t.Errorf("%s: %d messages are those in English", l.code, same)
		}
	}
}

// Apostrophes are those of print, and in French no line breaks before a double mark.
func TestTypography(t *testing.T) {
	straight, loose := regexp.MustCompile(`'`), regexp.MustCompile(`« | [:;?!»]|[Tt]ap(?:ez|er) `)
	for _, l := range languages {
		for key, m := range allMessages(t)[l.code] {
			text := m.text(nil)
			if straight.MatchString(text) || l.code == "fr" && loose.MatchString(text) {
				t.Errorf("%s: %s: %s", l.code, key, text)
			}
		}
	}
}

var quoted = regexp.MustCompile(`"([a-z0-9-]+)"`)

// No message is unused, and none is used that is not there.
func TestMessagesAreUsed(t *testing.T) {
	used := make(map[string]bool)
	called := regexp.MustCompile(`[.$ (](?:T|H) "([a-z0-9-]+)"|\.(?:T|H)\("([a-z0-9-]+)"`)
	english := allMessages(t)["en"]
	for _, pattern := range []string{"templates/*.html", "*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
				used[m[1]] = true
			}
			for _, m := range called.FindAllStringSubmatch(string(text), -1) {
				if key := m[1] + m[2]; english[key] == nil {
					t.Errorf("%s uses %s, which is no message", file, key)
				}
			}
		}
	}
	for key := range english {
		if !used[key] {
			t.Errorf("%s is used nowhere", key)
		}
	}
	for _, s := range helpSections {
		for _, key := range append(s.Texts, s.Title) {
			if english[key] == nil {
				t.Errorf("the help page uses %s, which is no message", key)
			}
		}
	}
}

// Every link of a message leads to a section of the help page or to a page.
func TestMessageLinks(t *testing.T) {
	targets := []string{"/", "/providers", "/trouble"}
	for _, s := range helpSections {
		targets = append(targets, "/help#"+s.ID)
	}
	links := 0
	for key, m := range allMessages(t)["en"] {
		for _, mark := range marks(m) {
			if strings.HasPrefix(mark, "/") {
				links++
				if !slices.Contains(targets, mark) {
					t.Errorf("%s leads to %s", key, mark)
				}
			}
		}
	}
	if links < 5 {
		t.Errorf("only %d links", links)
	}
}

func TestParseMessage(t *testing.T) {
	where := func(path string) string { return path + "?lang=de" }
	for _, tc := range []struct{ name, message, text, html string }{
		{"plain", "Port", "Port", "Port"},
		{"placeholder", "For {who}.", "For <b>&.", "For <bdi>&lt;b&gt;&amp;</bdi>."},
		{"screen", "Press *Next › {who}*", "Press Next › <b>&", "Press <b>Next › <bdi>&lt;b&gt;&amp;</bdi></b>"},
		{"term", "[IMAP](#imap) & more", "IMAP & more", `<a href="/help#imap?lang=de">IMAP</a> &amp; more`},
		{"page", "See [the *list*](/providers).", "See the list.", `See <a href="/providers?lang=de">the <b>list</b></a>.`},
		{"unknown placeholder", "{what}", "{what}", "<bdi>{what}</bdi>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := parseMessage(tc.message)
			if err != nil {
				t.Fatal(err)
			}
			args := []any{"who", "<b>&"}
			if got := m.text(args); got != tc.text {
				t.Errorf("text %q, want %q", got, tc.text)
			}
			if got := m.html(where, args); string(got) != tc.html {
				t.Errorf("html %q, want %q", got, tc.html)
			}
		})
	}
	for _, bad := range []string{"{name", "*half", "[term]", "[term](#x", "[term](https://example.com/)"} {
		if _, err := parseMessage(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseReader(t *testing.T) {
	for _, tc := range []struct {
		name, query, accept string
		want                Reader
	}{
		{"nothing", "", "", Reader{Lang: "en", Chosen: false}},
		{"header", "", "fr-CH, fr;q=0.9, en;q=0.8", Reader{Lang: "fr", Chosen: false}},
		{"second choice", "", "ja, de;q=0.5", Reader{Lang: "de", Chosen: false}},
		{"Brazil", "", "pt-BR", Reader{Lang: "pt", Chosen: false}},
		{"none of ours", "", "ja", Reader{Lang: "en", Chosen: false}},
		{"broken header", "", ";;;", Reader{Lang: "en", Chosen: false}},
		{"long header", "", strings.Repeat("fr,", 100), Reader{Lang: "fr", Chosen: false}},
		{"a bad tag among good ones", "", "xx_bad!!,de-AT;q=0.9,fr;q=0.8", Reader{Lang: "de", Chosen: false}},
		{"link", "emailaddress=a@b.c&lang=it", "fr", Reader{Lang: "it", Chosen: true}},
		{"link in capitals", "LANG=IT", "fr", Reader{Lang: "it", Chosen: true}},
		{"link with region", "lang=nl-BE", "fr", Reader{Lang: "nl", Chosen: true}},
		{"unknown in the link", "lang=ja", "fr", Reader{Lang: "fr", Chosen: false}},
		{"nonsense in the link", "lang=%zz", "fr", Reader{Lang: "fr", Chosen: false}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ParseReader(tc.query, tc.accept); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}
