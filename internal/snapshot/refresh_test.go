package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/snapshot"
	"milepost/internal/textfile"
)

// inMemory is sources whose tables are what a test says.
type inMemory struct {
	tables   []*catalogue.Table
	files    map[string]fs.FS
	edition  int
	mistakes textfile.Errors
	asked    int
}

func (s *inMemory) Tables(context.Context, []config.Source) ([]*catalogue.Table, textfile.Errors, textfile.Errors) {
	s.asked++
	return s.tables, nil, s.mistakes
}

func (s *inMemory) Files() (map[string]fs.FS, int) { return s.files, s.edition }

// change takes a change over into the first table, and returns its domain.
func (s *inMemory) change(c ...catalogue.Change) (changed []string) {
	s.tables = []*catalogue.Table{s.tables[0].With(c)}
	for _, c := range c {
		changed = append(changed, c.Domain.ASCII)
	}
	return changed
}

func rowOf(d, provider string, changed uint32) catalogue.Row {
	return catalogue.Row{Domain: address.Domain{ASCII: d, Unicode: d}, Belonging: catalogue.Belonging{Provider: provider}, Changed: changed}
}

// template is a provider whose domains come from a source.
var template = strings.Replace(fixture.Family, `domains = ["example.com"]`, `id = "template"`, 1)

const served = `[service]
host = "mail.example.net"
addresses = ["192.0.2.1"]
[dns]
listen = "127.0.0.1:0"
`

func withSources(t testing.TB, rows ...catalogue.Row) (snapshot.Options, *inMemory) {
	t.Chdir(fixture.Directory(t, "milepost.toml", served, "providers/template.toml", template, "providers/example.com.toml", fixture.Family))
	sources := &inMemory{tables: []*catalogue.Table{catalogue.NewTable("sql", slices.Values(rows))}}
	o := options()
	o.Sources = sources
	return o, sources
}

// Rows that have changed make a snapshot that shares what they have nothing to do with.
func TestRefresh(t *testing.T) {
	o, sources := withSources(t, rowOf("a.example", "template", 7), rowOf("b.example", "template", 7))
	first, err := snapshot.Build(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	kept := first.Zones.Find("_tcp.a.example.")
	changed := sources.change(catalogue.Change{Row: rowOf("c.example", "template", 1_000_100)}, catalogue.Change{Row: rowOf("b.example", "", 0), Gone: true},
		catalogue.Change{Row: rowOf("d.example", "nobody", 1_000_000)}, catalogue.Change{Row: rowOf("e.example", "template", 1_000_301)})
	next := first.Refresh(o, sources.tables, changed)
	const said = `sql: domains of the provider "nobody" are left out (1): no provider file has that id
sources: rows have changed more than five minutes from now (1), that of e.example for one; as long as that is so, their time does not count for serials. Is a clock wrong?`
	if next.Warnings.Error() != said {
		t.Error(next.Warnings)
	}
	if again := next.Refresh(o, sources.tables, nil); len(again.Warnings) > 0 || !again.Follows(first) {
		t.Error("again:", again.Warnings)
	}
	if next.Site != first.Site || next.List != first.List || next.Config != first.Config || !next.Follows(first) {
		t.Error("something was made anew")
	}
	if kept == nil || next.Zones.Find("_tcp.a.example.") != kept {
		t.Error("the zone of a domain that has not changed was made anew")
	}
	for name, want := range map[string]uint32{"a": 1_000_000, "b": 0, "c": 1_000_100, "d": 0, "e": 1_000_000} {
		z := next.Zones.Find("_tcp." + name + ".example.")
		if (z == nil) != (want == 0) || z != nil && name != "e" && z.SOA().Serial != want {
			t.Errorf("%s: %v", name, z)
		}
		if next.MayHaveCertificate("autoconfig."+name+".example") != (want > 0) {
			t.Errorf("%s: a certificate may be had: %v", name, want == 0)
		}
	}
	if anew, err := snapshot.Build(t.Context(), o, next); err != nil || anew.Follows(next) {
		t.Error("a reload is no refresh", err)
	}
}

// The serial file need not be written for what rows say again after a restart.
func TestSerialFileAfterRefresh(t *testing.T) {
	o, sources := withSources(t, rowOf("a.example", "template", 7))
	fixture.Write(t, "milepost.toml", served+"serial_file = \"serial\"\n")
	first, err := snapshot.Build(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		changed uint32
		kept    bool
	}{{"its row says when it has changed", 1_000_050, false}, {"its row does not", 0, true}} {
		t.Run(tc.name, func(t *testing.T) {
			os.Remove("serial")
			next := first.Refresh(o, sources.tables, sources.change(catalogue.Change{Row: rowOf("a.example", "template", tc.changed)}))
			if warnings := next.KeepSerial(first); len(warnings) > 0 {
				t.Error(warnings)
			}
			if _, err := os.Stat("serial"); (err == nil) != tc.kept {
				t.Error(err)
			}
			first = next
		})
	}
}

// Sources that cannot be read are mistakes; those of a configuration with mistakes stay as
// they are.
func TestSourcesOfBuild(t *testing.T) {
	o, sources := withSources(t)
	sources.mistakes = textfile.Errors{{File: "milepost.toml", Line: 3, Key: "source", Err: errors.New("no such host")}}
	if _, err := snapshot.Build(t.Context(), o, nil); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Error(err)
	}
	// What no source names needs domains of its own.
	if sources.mistakes = nil; true {
		_, err := snapshot.Build(t.Context(), o, nil)
		if err == nil || err.Error() != "providers/template.toml:1: domains: is missing; a provider needs domains, domains_from or mx, or a [[source]] of domains" {
			t.Error(err)
		}
	}
	fixture.Write(t, "milepost.toml", "nonsense = 1\n")
	asked := sources.asked
	if _, err := snapshot.Build(t.Context(), o, nil); err == nil || sources.asked != asked || strings.Contains(err.Error(), "domains") {
		t.Error(err, sources.asked-asked)
	}
}

// Provider files in a source go before those of directories, and others need a reload.
func TestFilesOfSources(t *testing.T) {
	o, sources := withSources(t, rowOf("a.example", "template", 7))
	sources.files = map[string]fs.FS{"sql": fixture.FS("example.com.toml", strings.Replace(fixture.Family, "Example family", "Of the source", 1))}
	first, err := snapshot.Build(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := first.Catalogue.Lookup(fixture.Domain(t, "example.com")); p == nil || p.DisplayName != "Of the source" {
		t.Error(p)
	}
	if first.Edition() != o.Edition() {
		t.Error("they have not changed")
	}
	sources.edition++
	if first.Edition() == o.Edition() {
		t.Error("they have changed")
	}
}

const million = 1_000_000

func millionRows() iter.Seq[catalogue.Row] {
	return func(yield func(catalogue.Row) bool) {
		for i := range million {
			if !yield(rowOf(fmt.Sprintf("customer-%d.example", i), "template", uint32(i+1))) {
				return
			}
		}
	}
}

// BenchmarkMillion builds a snapshot of a million rows, again after a reload, and makes
// those that follow from a hundred changes.
func BenchmarkMillion(b *testing.B) {
	o, sources := withSources(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sources.tables = []*catalogue.Table{catalogue.NewTable("sql", millionRows())}
	now := time.Unix(2_000_000, 0)
	o.Now = func() time.Time { return now }
	build := func(b *testing.B, previous *snapshot.Snapshot) *snapshot.Snapshot {
		s, err := snapshot.Build(b.Context(), o, previous)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := build(b, nil)
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s = build(b, nil)
		}
	})
	b.Run("reload", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s = build(b, s)
		}
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			now = now.Add(time.Second)
			var changes []catalogue.Change
			for range 100 {
				n++
				changes = append(changes, catalogue.Change{Row: rowOf(fmt.Sprintf("customer-%d.example", n*7919%(2*million)), "template", uint32(now.Unix()))})
			}
			next := s.Refresh(o, sources.tables, sources.change(changes...))
			told := 0
			for range next.Zones.Changed(s.Zones) {
				told++
			}
			if told != 300 {
				b.Fatal(told, "zones are told of")
			}
			s = next
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/million, "heap-B/domain")
	})
}
