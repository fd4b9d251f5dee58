package catalogue_test

import (
	"fmt"
	"iter"
	"runtime"
	"testing"

	"milepost/address"
	"milepost/catalogue"
)

const million = 1_000_000

// customers yields so many rows, of a few providers.
func customers(n int) iter.Seq[catalogue.Row] {
	return func(yield func(catalogue.Row) bool) {
		for i := range n {
			if !yield(catalogue.Row{Domain: customer(i), Belonging: catalogue.Belonging{Provider: fmt.Sprintf("p%d", i%3)}, Changed: uint32(i + 1)}) {
				return
			}
		}
	}
}

func customer(i int) address.Domain {
	d := fmt.Sprintf("customer-%d.example", i)
	return address.Domain{ASCII: d, Unicode: d}
}

func hosters(b *testing.B) []catalogue.Source {
	return []catalogue.Source{table{row(b, 1, "p0", "p0.example"), row(b, 2, "p1", "p1.example"), row(b, 3, "p2", "p2.example")}}
}

// BenchmarkLookup finds a domain that a file claims, one in a table, and one that nobody has,
// beside a table of so many rows.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{0, million} {
		in := catalogue.Input{Own: hosters(b)}
		if n > 0 {
			in.Tables = []*catalogue.Table{catalogue.NewTable("sql", customers(n))}
		}
		c, _, err := catalogue.New(b.Context(), in)
		if err != nil {
			b.Fatal(err)
		}
		for _, tc := range []struct {
			name string
			d    address.Domain
		}{{"claimed", address.Domain{ASCII: "p1.example"}}, {"row", customer(4711)}, {"unknown", address.Domain{ASCII: "nobody.example"}}} {
			b.Run(fmt.Sprintf("rows=%d/%s", n, tc.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.Lookup(tc.d)
				}
			})
		}
	}
}

// BenchmarkTable makes a table of a million rows, and the next ones with a hundred changes
// each and their catalogues.
func BenchmarkTable(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var t *catalogue.Table
		for b.Loop() {
			t = catalogue.NewTable("sql", customers(million))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "heap-B/domain")
		runtime.KeepAlive(t)
	})
	t := catalogue.NewTable("sql", customers(million))
	c, _, err := catalogue.New(b.Context(), catalogue.Input{Own: hosters(b), Tables: []*catalogue.Table{t}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("hundred", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			var changes []catalogue.Change
			for range 100 {
				changes = append(changes, catalogue.Change{Row: catalogue.Row{Domain: customer(n * 7919 % (2 * million)), Belonging: catalogue.Belonging{Provider: "p1"}, Changed: uint32(n)}})
				n++
			}
			t = t.With(changes)
			c, _ = c.With([]*catalogue.Table{t})
		}
	})
}

// BenchmarkBelongings makes what follows from a hundred changes if so many of the rows
// belong to something of their own.
func BenchmarkBelongings(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		row := func(i int) catalogue.Row {
			return catalogue.Row{Domain: customer(i), Belonging: catalogue.Belonging{Provider: "p1", Name: fmt.Sprintf("Customer %d", i%n)}}
		}
		t := catalogue.NewTable("sql", func(yield func(catalogue.Row) bool) {
			for i := range 100_000 {
				if !yield(row(i)) {
					return
				}
			}
		})
		c, _, err := catalogue.New(b.Context(), catalogue.Input{Own: hosters(b), Tables: []*catalogue.Table{t}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				var changes []catalogue.Change
				for range 100 {
					i++
					changes = append(changes, catalogue.Change{Row: row(i % 100_000)})
				}
				c, _ = c.With([]*catalogue.Table{t.With(changes)})
			}
		})
	}
}
