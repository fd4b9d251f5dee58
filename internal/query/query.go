// Package query reads the parameters of a URL's query (RFC 3986 §3.4) in one way
// for all requests.
//
// Clients do not escape as forms do: FairEmail and Nextcloud send a + that is a
// plus, and a ; or a stray % that belongs to the value. net/url would read a
// space, and drop the parameter.
package query

import (
	"iter"
	"net/url"
	"strings"
)

// Parameter is one name with its value. Names are compared without regard to
// letter case.
type Parameter struct {
	Name string // in lower case
	raw  string
}

// Parameters yields those of a raw query, in its order.
func Parameters(rawQuery string) iter.Seq[Parameter] {
	return func(yield func(Parameter) bool) {
		for pair := range strings.SplitSeq(rawQuery, "&") {
			name, raw, _ := strings.Cut(pair, "=")
			if name != "" && !yield(Parameter{strings.ToLower(name), raw}) {
				return
			}
		}
	}
}

// Get returns the value of the first parameter of that name, in lower case.
func Get(rawQuery, name string) (value string, ok bool) {
	for p := range Parameters(rawQuery) {
		if p.Name == name {
			return p.Value(), true
		}
	}
	return "", false
}

// Value is the value of an address, a domain or a word: a + is a plus.
func (p Parameter) Value() string { return p.unescape(url.PathUnescape) }

// Text is the value of what people write into a form: a + is a space.
func (p Parameter) Text() string { return p.unescape(url.QueryUnescape) }

func (p Parameter) unescape(by func(string) (string, error)) string {
	if s, err := by(p.raw); err == nil {
		return s
	}
	return p.raw
}
