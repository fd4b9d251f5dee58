package tomlfile

import (
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Optional returns the string under a key, parsed. It is the zero value if the
// key is missing, or if the value is refused, which is reported.
func Optional[T any](t *Table, key string, parse func(string) (T, error)) T {
	var zero T
	s, ok := t.String(key)
	if !ok {
		return zero
	}
	v, err := parse(s)
	if err != nil {
		t.Errorf(key, "%w", err)
		return zero
	}
	return v
}

// Required is [Optional] for a key that must be there.
func Required[T any](t *Table, key string, parse func(string) (T, error)) T {
	if !t.Has(key) {
		t.Errorf(key, "is missing")
	}
	return Optional(t, key, parse)
}

// Each parses the strings of the array under a key, and returns the line of each;
// those that are refused are reported and left out. Nil, and not empty: the key is
// missing, or of another type and reported.
func Each[T any](t *Table, key string, parse func(string) (T, error)) (values []T, lines []int32) {
	n := t.get(key, "an array of strings", unstable.Array)
	if n == nil {
		return nil, nil
	}
	values, lines = make([]T, 0, len(n.items)), make([]int32, 0, len(n.items))
	for i, item := range n.items {
		if item.kind != unstable.String {
			t.ErrorAt(int(item.line), key, fmt.Errorf("element %d is %s; must be a string", i+1, item.what()))
			continue
		}
		v, err := parse(item.text)
		if err != nil {
			t.ErrorAt(int(item.line), key, err)
			continue
		}
		values, lines = append(values, v), append(lines, item.line)
	}
	return values, lines
}

// Number returns the integer under a key, or byDefault if the key is missing or
// the value is outside of its range, which is reported.
func Number(t *Table, key string, byDefault, least, most int64) int64 {
	n, ok := t.Int(key)
	if !ok {
		return byDefault
	}
	if n < least || n > most {
		t.Errorf(key, "is %d; %d to %d are allowed", n, least, most)
		return byDefault
	}
	return n
}

// OneOf makes a parser of the words in a list.
func OneOf[S ~string](values []S) func(string) (S, error) {
	return func(s string) (S, error) {
		if slices.Contains(values, S(s)) {
			return S(s), nil
		}
		return "", fmt.Errorf("%q is unknown; %s", s, Allowed(values))
	}
}
