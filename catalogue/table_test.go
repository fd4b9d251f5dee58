package catalogue_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/address"
	"milepost/catalogue"
)

// rowsOf reads "DOMAIN PROVIDER CHANGED" words, separated by commas.
func rowsOf(s string) (rows []catalogue.Row) {
	for line := range strings.SplitSeq(s, ", ") {
		var r catalogue.Row
		fmt.Sscan(line, &r.Domain.ASCII, &r.Provider, &r.Changed)
		r.Domain.Unicode = r.Domain.ASCII
		rows = append(rows, r)
	}
	return rows
}

func all(t *catalogue.Table) string {
	var out []string
	for r := range t.All() {
		out = append(out, fmt.Sprint(r.Domain, " ", r.Provider, " ", r.Changed))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestTable(t *testing.T) {
	first := catalogue.NewTable("sql", slices.Values(rowsOf("a.example x 1, b.example x 2, a.example y 3")))
	const before = "a.example x 1, b.example x 2"
	if got := all(first); got != before || first.Len() != 2 {
		t.Fatal(first.Len(), got)
	}
	row := func(s string) catalogue.Row { return rowsOf(s)[0] }
	for _, tc := range []struct {
		name    string
		changes []catalogue.Change
		want    string
	}{
		{"nothing", nil, before},
		{"new", []catalogue.Change{{Row: row("c.example z 4")}}, before + ", c.example z 4"},
		{"moved", []catalogue.Change{{Row: row("a.example z 4")}}, "a.example z 4, b.example x 2"},
		{"gone", []catalogue.Change{{Row: row("a.example x 4"), Gone: true}}, "b.example x 2"},
		{"gone, and was not there", []catalogue.Change{{Row: row("c.example x 4"), Gone: true}}, before},
		{"gone and back", []catalogue.Change{{Row: row("a.example x 4"), Gone: true}, {Row: row("a.example x 5")}}, "a.example x 5, b.example x 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := first.With(tc.changes)
			if got := all(next); got != tc.want || next.Len() != strings.Count(tc.want, ",")+1 {
				t.Errorf("%d domains: %s", next.Len(), got)
			}
			if got := all(first); got != before {
				t.Errorf("the table before has become %s", got)
			}
			for r := range next.All() {
				if found, ok := next.Find(r.Domain.ASCII); !ok || found != r {
					t.Errorf("%s: %v", r.Domain, found)
				}
			}
		})
	}
}

// Many changes go into a base of their own, and nothing of it is seen from outside.
func TestTableSettles(t *testing.T) {
	want := make(map[string]string)
	table := catalogue.NewTable("sql", slices.Values([]catalogue.Row(nil)))
	for i := range 10_000 {
		name := fmt.Sprintf("d%d.example", i%7000)
		c := catalogue.Change{Row: catalogue.Row{Domain: address.Domain{ASCII: name}, Belonging: catalogue.Belonging{Provider: fmt.Sprint(i % 3)}}, Gone: i%5 == 0}
		if want[name] = c.Provider; c.Gone {
			delete(want, name)
		}
		if i%500 == 0 {
			table = table.With([]catalogue.Change{c})
		} else {
			table = table.With([]catalogue.Change{c, c})
		}
	}
	got := make(map[string]string)
	for r := range table.All() {
		got[r.Domain.ASCII] = r.Provider
	}
	if diff := cmp.Diff(want, got); diff != "" || table.Len() != len(want) {
		t.Error(table.Len(), diff)
	}
}
