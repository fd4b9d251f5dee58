package tomlfile

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
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
	array, ok := get[[]any](t, key, "an array of strings")
	if !ok {
		return nil, nil
	}
	values, lines = make([]T, 0, len(array)), make([]int32, 0, len(array))
	for i, element := range array {
		line := t.elementLine(key, i)
		s, ok := element.(string)
		if !ok {
			want := "a string"
			if example := t.examples[key]; example != "" {
				want += ", as in " + example
			}
			t.ErrorAt(int(line), key, fmt.Errorf("element %d is %s; must be %s", i+1, typeName(element), want))
			continue
		}
		v, err := parse(s)
		if err != nil {
			t.ErrorAt(int(line), key, err)
			continue
		}
		values, lines = append(values, v), append(lines, line)
	}
	return values, lines
}

// OneOrEach is [Each] for a key under which a string alone may stand, too.
func OneOrEach[T any](t *Table, key string, parse func(string) (T, error)) (values []T, lines []int32) {
	if _, ok := t.values[key].(string); !ok {
		if v, ok := t.values[key].([]any); ok || v != nil || !t.Has(key) {
			return Each(t, key, parse)
		}
		get[string](t, key, "a string or an array of strings")
		return nil, nil
	}
	v := Optional(t, key, parse)
	if t.Refused(key) {
		return nil, nil
	}
	return []T{v}, []int32{int32(t.Line(key))}
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

// Quote writes a string as a basic string of TOML.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r): // a terminal may show the file
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
