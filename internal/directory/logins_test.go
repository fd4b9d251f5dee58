package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/lookup"
	"milepost/internal/metrics"
)

// memory is an asker that answers as a test says.
type memory struct {
	mu     sync.Mutex
	asked  int
	found  []Login
	err    error
	after  time.Duration
	closed bool
}

func (m *memory) login(ctx context.Context, _ address.Address) ([]Login, error) {
	m.mu.Lock()
	m.asked++
	found, err, after := m.found, m.err, m.after
	m.mu.Unlock()
	select {
	case <-time.After(after):
		return append([]Login(nil), found...), err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) close() { m.mu.Lock(); m.closed = true; m.mu.Unlock() }

// answers changes what it answers.
func (m *memory) answers(err error, after time.Duration, found ...Login) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err, m.after, m.found = err, after, found
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// remembering are directories of which one answers from memory.
func remembering(m *memory, log *strings.Builder, d config.Directory) *Logins {
	d.DomainsOf, d.Budget = []string{"hosted"}, 300*time.Millisecond
	x := &logins{Directory: d, asker: m}
	l := NewLogins(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	l.all = []*logins{x}
	l.byID.Store(&map[string]*logins{"hosted": x})
	return l
}

var encrypted = lookup.Asker{Client: netip.MustParseAddr("192.0.2.1"), Encrypted: true}

// What a directory says is believed only if it can stand in a document.
func TestAnswers(t *testing.T) {
	fred := Login{Name: "u77", FullName: "Fred Example"}
	data := &pgconn.PgError{Code: "22P02", Message: `invalid input syntax for type integer: "fred"`}
	for _, tc := range []struct {
		name    string
		address string
		found   []Login
		err     error
		after   time.Duration
		want    Login
		how     metrics.LoginLookup
	}{
		{"one", "fred@example.com", []Login{fred}, nil, 0, fred, metrics.LoginFound},
		{"none", "fred@example.com", nil, nil, 0, Login{}, metrics.LoginUnknown},
		{"two", "fred@example.com", []Login{fred, {Name: "u78"}}, nil, 0, Login{}, metrics.LoginAmbiguous},
		{"twice the same", "fred@example.com", []Login{fred, fred}, nil, 0, Login{}, metrics.LoginAmbiguous},
		{"just in time", "fred@example.com", []Login{fred}, nil, 299 * time.Millisecond, fred, metrics.LoginFound},
		{"late", "fred@example.com", []Login{fred}, nil, 301 * time.Millisecond, Login{}, metrics.LoginSlow},
		{"an error", "fred@example.com", nil, errors.New("connection refused"), 0, Login{}, metrics.LoginFailed},
		{"an error about the address", "fred@example.com", nil, data, 0, Login{}, metrics.LoginUnknown},
		{"the longest", "fred@example.com", []Login{{Name: strings.Repeat("x", 254), FullName: strings.Repeat("ß", 128)}}, nil, 0, Login{Name: strings.Repeat("x", 254), FullName: strings.Repeat("ß", 128)}, metrics.LoginFound},
		{"too long", "fred@example.com", []Login{{Name: strings.Repeat("x", 255), FullName: ""}}, nil, 0, Login{}, metrics.LoginUnknown},
		{"too long a name", "fred@example.com", []Login{{Name: "u77", FullName: strings.Repeat("ß", 129)}}, nil, 0, Login{Name: "u77", FullName: ""}, metrics.LoginFound},
		{"a line end", "fred@example.com", []Login{{Name: "u77\nx", FullName: ""}}, nil, 0, Login{}, metrics.LoginUnknown},
		{"a NUL in the name", "fred@example.com", []Login{{Name: "u77", FullName: "a\x00b"}}, nil, 0, Login{Name: "u77", FullName: ""}, metrics.LoginFound},
		{"no UTF-8", "fred@example.com", []Login{{Name: "u\xff", FullName: ""}}, nil, 0, Login{}, metrics.LoginUnknown},
		{"empty", "fred@example.com", []Login{{Name: "", FullName: "Fred"}}, nil, 0, Login{}, metrics.LoginUnknown},
		{"blanks", "fred@example.com", []Login{{Name: " ", FullName: "Fred"}}, nil, 0, Login{}, metrics.LoginUnknown},
		{"an address that is not asked about", "fréd@example.com", []Login{fred}, nil, 0, Login{}, metrics.LoginUnknown},
		{"one in quotes", `"fred "@example.com`, []Login{fred}, nil, 0, Login{}, metrics.LoginUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, log := new(memory), new(strings.Builder)
				m.answers(tc.err, tc.after, tc.found...)
				l := remembering(m, log, config.Directory{})
				got, how := l.look(t.Context(), l.of("hosted"), fixture.Address(t, tc.address))
				if got != tc.want || how != tc.how || log.Len() > 0 {
					t.Errorf("%+v, %s\n%s", got, how, log)
				}
			})
		})
	}
}

// Who may know, and what is told of those who are not there.
func TestWhoAsks(t *testing.T) {
	fred, nobody := fixture.Address(t, "fred@example.com"), fixture.Address(t, "fréd@example.com")
	inside := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct {
		name      string
		provider  string
		by        lookup.Asker
		a         address.Address
		tells     bool
		found     []Login
		want, err string
	}{
		{"by HTTPS", "hosted", encrypted, fred, false, []Login{{Name: "u77"}}, "u77", ""},
		{"in clear text", "hosted", lookup.Asker{Client: encrypted.Client}, fred, false, []Login{{Name: "u77"}}, "", ""},
		{"in clear text from a network that may", "hosted", lookup.Asker{Client: netip.MustParseAddr("10.1.2.3")}, fred, false, []Login{{Name: "u77"}}, "u77", ""},
		{"in clear text, nobody knows from where", "hosted", lookup.Asker{}, fred, false, []Login{{Name: "u77"}}, "", ""},
		{"of another provider", "other", encrypted, fred, false, []Login{{Name: "u77"}}, "", ""},
		{"unknown", "hosted", encrypted, fred, false, nil, "", ""},
		{"unknown, and told", "hosted", encrypted, fred, true, nil, "", "no such address is known at example.com"},
		{"unknown, and told to nobody in clear text", "hosted", lookup.Asker{}, fred, true, nil, "", ""},
		{"not asked about, which is not unknown", "hosted", encrypted, nobody, true, nil, "", ""},
		{"ambiguous, which is not unknown", "hosted", encrypted, fred, true, []Login{{Name: "a"}, {Name: "b"}}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := new(memory)
			m.answers(nil, 0, tc.found...)
			l := remembering(m, new(strings.Builder), config.Directory{AllowHTTP: inside, TellUnknown: tc.tells})
			got, err := l.Login(t.Context(), tc.provider, tc.a, tc.by)
			if got.Name != tc.want || err == nil && tc.err != "" || err != nil && err.Error() != tc.err {
				t.Errorf("%q, %v", got.Name, err)
			}
		})
	}
}

// After five failures in a row nobody waits; every five seconds one tries.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, log := new(memory), new(strings.Builder)
		l := remembering(m, log, config.Directory{})
		fred := fixture.Address(t, "fred@example.com")
		ask := func(times int) (hows string) {
			for range times {
				_, how := l.look(t.Context(), l.of("hosted"), fred)
				hows += how.String() + " "
			}
			return hows
		}
		expect := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %s, want %s", what, got, want)
			}
		}
		m.answers(errors.New("connection refused"), 0)
		expect("four failures", ask(4), "failed failed failed failed ")
		m.answers(nil, 0)
		expect("one success", ask(1), "unknown ")
		m.answers(nil, time.Second)
		expect("five in a row", ask(6), "slow slow slow slow slow skipped ")
		if _, failing := l.States(); failing != 1 {
			t.Errorf("%d fail", failing)
		}
		asked := m.count()
		time.Sleep(openFor)
		var wg sync.WaitGroup
		results := make(chan string, 20)
		for range 20 {
			wg.Go(func() { results <- ask(1) })
		}
		wg.Wait()
		close(results)
		counts := make(map[string]int)
		for r := range results {
			counts[r]++
		}
		if n := m.count() - asked; n != 1 || counts["slow "] != 1 || counts["skipped "] != 19 {
			t.Errorf("%d tried: %v", n, counts)
		}
		m.answers(nil, 0, Login{Name: "u77"})
		expect("before its time", ask(1), "skipped ")
		_, how := l.look(t.Context(), l.of("hosted"), fixture.Address(t, "fréd@example.com"))
		expect("an address that is not asked about", how.String(), "unknown")
		expect("still open", ask(1), "skipped ")
		time.Sleep(openFor)
		expect("closed again", ask(2), "found found ")
		const want = `level=WARN msg="login names are not asked for any more, and fallbacks are told" providers=hosted err="no answer within 300ms"
level=INFO msg="login names are asked for again" providers=hosted
`
		expect("the log", log.String(), want)
	})
}

// A client that leaves says nothing about the directory.
func TestClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory)
		m.answers(nil, 100*time.Millisecond, Login{Name: "u77"})
		l := remembering(m, new(strings.Builder), config.Directory{})
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, how := l.look(gone, l.of("hosted"), fixture.Address(t, "fred@example.com")); how != metrics.LoginFound {
			t.Error(how)
		}
	})
}

// A reload opens what has changed, and closes what has gone once nobody asks it.
func TestUse(t *testing.T) {
	d := config.Directory{Access: config.Access{Kind: config.SQLite, DSN: "a.sqlite"}, DomainsOf: []string{"a"}, Login: "SELECT ?", Budget: 10 * time.Millisecond}
	other := d
	other.DomainsOf, other.Place.Line = []string{"b"}, 7
	l := NewLogins(slog.New(slog.DiscardHandler))
	defer l.Close()
	use := func(ds ...config.Directory) {
		t.Helper()
		if err := l.Use(ds); err != nil {
			t.Fatal(err)
		}
	}
	use(d, other)
	a, b := l.of("a"), l.of("b")
	moved := other
	moved.Place.Line = 1
	changed := d
	changed.Fallback = "x"
	use(moved, changed)
	if l.of("b") != b {
		t.Error("the same directory on another line is another one")
	}
	if l.of("a") == a {
		t.Error("a directory that has changed is the same")
	}
	bad := d
	bad.Login, bad.Place.File, bad.Place.Line = "SELECT 1", "milepost.toml", 3
	if err := l.Use([]config.Directory{bad}); err == nil || !strings.HasPrefix(err.Error(), "milepost.toml:3: login has no placeholder") {
		t.Error(err)
	}
	if l.of("b") != b {
		t.Error("after a mistake, others are in use")
	}
	use()
	if l.of("a") != nil || l.of("b") != nil {
		t.Error("what has gone is in use")
	}
}

// Nothing that a database may have written of an address or a row stays in an error.
func TestWithoutValues(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&pgconn.PgError{Code: "42P01", Message: `relation "users" does not exist`}, `the server says 42P01: relation "users" does not exist`},
		{&pgconn.PgError{Code: "21000", Message: "fred@example.com is there twice"}, "the server says SQLSTATE 21000"},
		{fmt.Errorf("dial: %w", errors.New("refused")), "dial: refused"},
	} {
		if got := withoutValues(tc.err); got.Error() != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

// refusing is a session whose database says the same of every address.
type refusing struct{ error }

func (r refusing) ask(context.Context, []*question) error { return r.error }
func (refusing) close()                                   {}

// A password that is part of what a database says of an address changes nothing: the
// address opens no breaker, and no message has it.
func TestPasswordInMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		code string
		how  metrics.LoginLookup
		want string // the error; empty: none
	}{
		"about the address":      {"22P02", metrics.LoginUnknown, ""},
		"with values, perhaps":   {"23505", metrics.LoginFailed, "the server says SQLSTATE 23505"},
		"with names alone":       {"42P01", metrics.LoginFailed, "the server says 42P01: relation of ***"},
		"the connection's fault": {"57P01", metrics.LoginFailed, "the server says 57P01: relation of ***"},
	} {
		t.Run(name, func(t *testing.T) {
			says := &pgconn.PgError{Code: tc.code, Message: "relation of hosting"}
			b := newBatcher(1, time.Minute, newSecrets("postgres://hosting", "hosting"), func() session { return refusing{says} })
			defer b.close()
			x := &logins{Directory: config.Directory{Budget: time.Minute}, asker: b}
			_, how, err := x.ask(t.Context(), fixture.Address(t, "fred.secret@example.com"))
			if how != tc.how || (err == nil) != (tc.want == "") || err != nil && err.Error() != tc.want {
				t.Error(how, err)
			}
		})
	}
}
