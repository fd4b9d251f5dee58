// Package layered has maps that never change: the next one shares with the one before
// whatever is the same. So a few changes cost few, however much there is.
package layered

import (
	"iter"
	"maps"
)

// Map is such a map. The zero one is empty.
type Map[K comparable, V any] struct {
	base, recent map[K]V // recent goes first
}

// few is how many entries are always kept beside the base: each With copies them. More
// than a 64th of the base is put into a new base.
const few = 4096

// Of makes the map of entries, which it keeps.
func Of[K comparable, V any](entries map[K]V) Map[K, V] { return Map[K, V]{base: entries} }

// Get finds the value of a key.
func (m Map[K, V]) Get(key K) (V, bool) {
	if v, ok := m.recent[key]; ok {
		return v, true
	}
	v, ok := m.base[key]
	return v, ok
}

// With makes the map that has these entries too.
func (m Map[K, V]) With(entries map[K]V) Map[K, V] {
	if len(entries) == 0 {
		return m
	}
	recent := make(map[K]V, len(m.recent)+len(entries))
	maps.Copy(recent, m.recent)
	maps.Copy(recent, entries)
	if len(recent) <= max(few, len(m.base)/64) {
		return Map[K, V]{m.base, recent}
	}
	base := make(map[K]V, len(m.base)+len(recent))
	maps.Copy(base, m.base)
	maps.Copy(base, recent)
	return Map[K, V]{base: base}
}

// All yields every entry, in no order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range m.recent {
			if !yield(k, v) {
				return
			}
		}
		for k, v := range m.base {
			if _, later := m.recent[k]; !later && !yield(k, v) {
				return
			}
		}
	}
}
