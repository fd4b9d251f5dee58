package pages

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"milepost/address"
)

// spellings are the domains that may be offered for one that was mistyped: those that
// providers' pages show. They are held by length, each beside its letters, so that
// nearly all are ruled out without being compared.
type spellings [][]spelling // by characters

type spelling struct {
	domain  string // in its own letters
	letters uint64
	place   int // in its provider's list: the first are the best known
}

const (
	maxSpellings   = 20000 // that are compared with a domain; the list's first come first
	maxSpelling    = 40    // characters
	twoMistakes    = 9     // characters of a domain in which two may be wrong
	maxSuggestions = 3
)

func (l *List) spell() spellings {
	known := make(spellings, maxSpelling+1)
	room := maxSpellings
	for _, e := range l.entries {
		if e.Closed || !e.listed {
			continue
		}
		for i, d := range e.Domains {
			if n := utf8.RuneCountInString(d.Domain.Unicode); !d.Wildcard && n <= maxSpelling && room > 0 {
				known[n] = append(known[n], spelling{d.Domain.Unicode, letters(d.Domain.Unicode), i})
				room--
			}
		}
	}
	return known
}

// letters has a bit for each character that is in a domain.
func letters(domain string) (set uint64) {
	for _, r := range domain {
		set |= 1 << (r & 63)
	}
	return set
}

// Suggest returns the domains that a person may have meant, the nearest first: with one
// character too many, too few or wrong, or two in the wrong order; two such mistakes
// are looked for in longer names. Where all that follows a dot is missing, they are those
// that begin so.
func (l *List) Suggest(typed address.Domain) []string {
	name := []rune(typed.Unicode)
	if found := l.beginning(typed.Unicode); found != nil {
		return found
	}
	most := 1
	if len(name) >= twoMistakes {
		most = 2
	}
	type candidate struct {
		spelling
		mistakes int
		sameName bool // before its first dot
	}
	var found []candidate
	set, label := letters(typed.Unicode), firstLabel(typed.Unicode)
	for n := max(len(name)-most, 0); n <= min(len(name)+most, maxSpelling); n++ {
		for _, s := range l.spellings[n] {
			// A mistake changes two letters of the set at most.
			if bits.OnesCount64(s.letters^set) > 2*most {
				continue
			}
			if d := distance(name, []rune(s.domain), most); d > 0 && d <= most {
				found = append(found, candidate{s, d, firstLabel(s.domain) == label})
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(a.mistakes-b.mistakes, cmp.Compare(rank(b.sameName), rank(a.sameName)), a.place-b.place, strings.Compare(a.domain, b.domain))
	})
	var out []string
	for _, c := range found {
		if c.mistakes == found[0].mistakes && len(out) < maxSuggestions {
			out = append(out, c.domain)
		}
	}
	return out
}

// beginning returns the domains of which a name is the first label. Of a name with many
// of them, that of most of the world comes first.
func (l *List) beginning(name string) []string {
	if strings.Contains(name, ".") {
		return nil
	}
	var found []spelling
	for _, known := range l.spellings {
		for _, s := range known {
			if firstLabel(s.domain) == name {
				found = append(found, s)
			}
		}
	}
	slices.SortFunc(found, func(a, b spelling) int {
		return cmp.Or(rank(strings.HasSuffix(b.domain, ".com"))-rank(strings.HasSuffix(a.domain, ".com")), a.place-b.place, strings.Compare(a.domain, b.domain))
	})
	var out []string
	for _, s := range found[:min(len(found), maxSuggestions)] {
		out = append(out, s.domain)
	}
	return out
}

func firstLabel(domain string) string {
	label, _, _ := strings.Cut(domain, ".")
	return label
}

func rank(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// distance counts the mistakes that make b of a: characters inserted, deleted or
// replaced, and neighbours exchanged (optimal string alignment). Beyond most it is not
// exact. Both have at most maxSpelling+2 characters.
func distance(a, b []rune, most int) int {
	var room [3][maxSpelling + 3]int
	before, last, now := &room[0], &room[1], &room[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(last[j]+1, now[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			now[j] = d
			least = min(least, d)
		}
		if least > most {
			return least
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
