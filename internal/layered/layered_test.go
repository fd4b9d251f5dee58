package layered_test

import (
	"maps"
	"testing"

	"milepost/internal/layered"
)

// Each map has what was put into it and those before, and none changes later.
func TestMap(t *testing.T) {
	first := layered.Of(map[int]int{0: 0})
	all, m := []layered.Map[int, int]{first}, first
	wants, want := []map[int]int{{0: 0}}, map[int]int{0: 0}
	for i := range 60 {
		more := make(map[int]int)
		for j := range 200 { // half of them anew
			more[i*100+j], want[i*100+j] = i, i
		}
		m = m.With(more)
		all, wants = append(all, m, m.With(nil)), append(wants, maps.Clone(want), maps.Clone(want))
	}
	for i, m := range all {
		if !maps.Equal(maps.Collect(m.All()), wants[i]) {
			t.Fatalf("map %d has %d entries", i, len(maps.Collect(m.All())))
		}
		for k := range 7000 {
			v, ok := m.Get(k)
			if w, there := wants[i][k]; v != w || ok != there {
				t.Fatalf("map %d: %d is %d, %v", i, k, v, ok)
			}
		}
	}
}
