package directory

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milepost/internal/config"
	"milepost/internal/fixture"
)

// listed is a source in a file, with these domains.
func listed(t *testing.T, path string, domains ...string) config.Source {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(domains, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Source{Access: config.Access{Kind: config.File, DSN: path}, Name: "customers", Provider: "example.net"}
}

// A way to a source that turns out to be wrong costs no domain that is served.
func TestReopenedElsewhere(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Source)
		want   []string
	}{
		"asked the same":         {func(*config.Source) {}, []string{"a.example", "b.example"}},
		"asked something else":   {func(s *config.Source) { s.Provider = "example.org" }, nil},
		"another source's table": {func(s *config.Source) { s.Name = "others" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			source := listed(t, filepath.Join(t.TempDir(), "domains"), "a.example", "b.example")
			s, _, _ := sources(t, "", false, source)
			source.DSN += ".gone"
			tc.change(&source)
			_, warnings, mistakes := s.Tables(t.Context(), []config.Source{source})
			if got := domains(s); !slices.Equal(got, tc.want) {
				t.Error(got, warnings, mistakes)
			}
			if state := s.States()[0]; state.Fetched.IsZero() != (tc.want == nil) || state.Err == nil {
				t.Errorf("%+v", state)
			}
		})
	}
}

// A source that is asked something else has the file on the disk for itself, also if the
// former one had something yet to be kept.
func TestReopenedState(t *testing.T) {
	state, path := t.TempDir(), filepath.Join(t.TempDir(), "domains")
	source := listed(t, path, "a.example")
	s := NewSources(Options{State: state, Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	s.Tables(t.Context(), []config.Source{source})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	defer func() { stop(); <-done }()
	isKept := func(c config.Source) func() bool {
		return func() bool {
			k, err := recall(state, c)
			return k.table != nil && err == nil
		}
	}
	fixture.Await(t, "the first one is not kept", isKept(source))
	listed(t, path, "a.example", "b.example")
	fixture.Await(t, "the change is not seen", func() bool { return len(domains(s)) == 2 })
	source.Provider = "example.org"
	s.Tables(t.Context(), []config.Source{source})
	fixture.Await(t, "the second one is not kept", isKept(source))
	stop()
	<-done
	if k, err := recall(state, source); err != nil || k.table.Len() != 2 {
		t.Error(k, err)
	}
}

// A change in the second of one that was seen already leaves the version as it was, and is
// seen all the same.
func TestSameSecond(t *testing.T) {
	dsn := database(t, config.SQLite)
	execute(t, config.SQLite, dsn, customersSchema+add(1700000000, "a", "b"))
	s, _, _ := sources(t, "", true, customers(config.SQLite, dsn))
	provider := func(d string) string {
		tables, _ := s.Take()
		row, _ := tables[0].Find(d)
		return row.Provider
	}
	for _, d := range []string{"a.example", "b.example"} {
		execute(t, config.SQLite, dsn, "UPDATE customers SET provider = 'example.org', changed = 1700000001 WHERE domain = '"+d+"';\n")
		fixture.Await(t, "the change of "+d+" is not seen", func() bool { return provider(d) == "example.org" })
	}
}
