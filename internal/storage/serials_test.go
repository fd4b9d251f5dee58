package storage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"milepost/internal/fixture"
	"milepost/internal/storage"
)

func serials(t *testing.T, where string) *storage.Serials {
	t.Helper()
	s, err := storage.OpenSerials(t.Context(), where, slog.New(slog.DiscardHandler))
	must(t, err)
	return s
}

// parts are words such as "common=1": a part, and what is in it.
func parts(words string) map[string][32]byte {
	all := make(map[string][32]byte)
	for word := range strings.FieldsSeq(words) {
		part, content, _ := strings.Cut(word, "=")
		all[part] = sha256.Sum256([]byte(content))
	}
	return all
}

func agree(s *storage.Serials, now uint32, words string) string {
	var out []string
	for part, serial := range s.Agree(now, parts(words)) {
		out = append(out, fmt.Sprintf("%s=%d", part, serial))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Three replicas one after the other, as in a rollout. A new one is a restart.
func TestAgree(t *testing.T) { each(t, testAgree) }

func testAgree(t *testing.T, where string) {
	const year = 366 * 24 * 60 * 60
	replicas := map[string]*storage.Serials{}
	for _, step := range []struct {
		name, replica string
		now           uint32
		parts, want   string
	}{
		{"the first", "one", 100, "common=a one=a", "common=100 one=100"},
		{"a second, with the same", "two", 120, "common=a one=a", "common=100 one=100"},
		{"nothing changes", "one", 130, "common=a one=a", "common=100 one=100"},
		{"one changes", "one", 140, "common=a one=b", "common=100 one=140"},
		{"the other has not changed, and its zone stays", "two", 150, "common=a one=a", "common=100 one=100"},
		{"and then changes too", "two", 160, "common=a one=b", "common=100 one=140"},
		{"two changes in one second", "two", 140, "common=a one=c", "common=100 one=141"},
		{"a clock that is behind", "one", 50, "common=a one=d", "common=100 one=142"},
		{"back to what it was", "one", 200, "common=a one=c", "common=100 one=200"},
		{"the other takes that over, at the same content", "two", 210, "common=a one=c", "common=100 one=200"},
		{"a part more", "two", 220, "common=a one=c two=a", "common=100 one=200 two=220"},
		{"a part less", "two", 230, "common=a two=a", "common=100 two=220"},
		{"the others are still known", "two", 235, "one=c", "one=200"},
		{"a restart", "three", 240, "common=a one=c two=a", "common=100 one=200 two=220"},
		{"a restart that still has what was before", "four", 250, "common=a one=b two=a", "common=100 one=250 two=220"},
		{"it gets what others have", "four", 260, "common=a one=c two=a", "common=100 one=260 two=220"},
		{"and the others follow", "three", 270, "common=a one=c two=a", "common=100 one=260 two=220"},
		{"a year later", "one", 270 + 2*year, "common=b", fmt.Sprintf("common=%d", 270+2*year)},
		{"what nobody had is forgotten", "five", 280 + 2*year, "common=b two=a", fmt.Sprintf("common=%d two=%d", 270+2*year, 280+2*year)},
	} {
		s := replicas[step.replica]
		if s == nil {
			s = serials(t, where)
			replicas[step.replica] = s
		}
		if got := agree(s, step.now, step.parts); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}

// Replicas that change at once agree at once.
func TestAgreeAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, where string) {
		var all sync.WaitGroup
		got := make([]string, 3)
		for i := range got {
			s := serials(t, where)
			all.Go(func() { got[i] = agree(s, uint32(100+i), "common=a one=a") })
		}
		all.Wait()
		if got[0] != got[1] || got[1] != got[2] {
			t.Errorf("%q", got)
		}
	})
}

// Each hears of what the others have raised.
func TestSerialsChanged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, where string) {
		one, two := serials(t, where), serials(t, where)
		agree(one, 100, "common=a")
		agree(two, 100, "common=a")
		agree(one, 200, "common=b")
		agree(one, 300, "common=a")
		go two.Run(t.Context(), 10*time.Millisecond)
		<-two.Changed()
		if got := agree(two, 400, "common=a"); got != "common=300" {
			t.Error(got)
		}
	})
}

// While the database is away each replica has serials of its own, which rise; they are
// the same again when it is back.
func TestAgreeAway(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	dsn := server.Database(t) + "?synchronous_commit=on"
	var text bytes.Buffer
	one, err := storage.OpenSerials(t.Context(), dsn, slog.New(slog.NewTextHandler(&text, nil)))
	must(t, err)
	two := serials(t, dsn)
	agree(one, 100, "common=a one=a")
	agree(two, 100, "common=a one=a")
	server.Stop(t)
	three := serials(t, dsn) // is no mistake
	for _, step := range []struct {
		s     *storage.Serials
		now   uint32
		parts string
		want  string
	}{
		{one, 200, "common=a one=b", "common=100 one=200"},
		{one, 150, "common=a one=c", "common=100 one=201"},
		{two, 210, "common=a one=c", "common=100 one=210"},
		{three, 220, "common=a one=c", "common=220 one=220"},
	} {
		if got := agree(step.s, step.now, step.parts); got != step.want {
			t.Errorf("at %d: %s, want %s", step.now, got, step.want)
		}
	}
	server.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all := []*storage.Serials{one, two, three}
	for _, s := range all {
		go s.Run(ctx, 10*time.Millisecond)
	}
	got := make([]string, 3)
	fixture.Await(t, "they do not agree", func() bool {
		for i, s := range all {
			select {
			case <-s.Changed():
				got[i] = agree(s, 300, "common=a one=c")
			default:
			}
		}
		return got[0] == "common=220 one=220" && got[1] == got[0] && got[2] == got[0]
	})
	for _, words := range []string{"the replicas cannot agree on serials", "connection refused", "the replicas agree on serials again"} {
		if strings.Count(text.String(), words) != 1 {
			t.Errorf("the log does not say once %q:\n%s", words, &text)
		}
	}
}

// A serial that was given while the database was away does not fall when the part comes to
// have what the others had before; they follow.
func TestAgreeAfterAway(t *testing.T) {
	t.Parallel()
	server := fixture.StartPostgres(t)
	dsn := server.Database(t) + "?synchronous_commit=on"
	one, two := serials(t, dsn), serials(t, dsn)
	agree(one, 100, "one=a")
	agree(two, 110, "one=b")
	server.Stop(t)
	if got := agree(one, 200, "one=c"); got != "one=200" {
		t.Error("away:", got)
	}
	server.Start(t)
	fixture.Await(t, "the other has not the same", func() bool {
		if got := agree(one, 150, "one=b"); got != "one=201" {
			t.Fatal("back:", got)
		}
		return agree(two, 160, "one=b") == "one=201"
	})
}

// What is damaged begins anew, and no serial falls.
func TestSerialsDamaged(t *testing.T) {
	each(t, func(t *testing.T, where string) {
		one := serials(t, where)
		agree(one, 100, "common=a one=a")
		must(t, open(t, where).Store(t.Context(), "serials", []byte(`{"common": 5`)))
		if got := agree(one, 200, "common=a one=b"); got != "common=100 one=200" {
			t.Error(got)
		}
		if got := agree(serials(t, where), 300, "common=a one=b"); got != "common=100 one=200" {
			t.Error(got)
		}
	})
}
