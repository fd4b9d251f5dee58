package directory_test

import (
	"testing"
	"time"

	"milepost/internal/fixture"
)

// A database that is gone costs the login name, and one that is back is asked by the next
// request, on a new connection.
func TestRestart(t *testing.T) {
	for _, tc := range []struct {
		engine engine
		start  func(testing.TB) *fixture.DatabaseServer
	}{
		{engines[0], fixture.StartPostgres},
		{engines[1], fixture.StartMariaDB},
	} {
		t.Run(string(tc.engine.kind), func(t *testing.T) {
			server := tc.start(t)
			e := tc.engine
			e.start = func(t testing.TB) string { return server.Database(t) }
			d := e.byAddress(e.users(t, [3]string{"fred@example.com", "u77", ""}))
			d.Budget = 5 * time.Second // nothing is measured
			logins := newLogins(t, d)
			h := handler(t, logins)
			expect := func(when, want string) {
				t.Helper()
				if _, got := username(t, h, "fred@example.com"); got != want {
					_, how, err := logins.Ask(t.Context(), "example.com", fixture.Address(t, "fred@example.com"))
					t.Errorf("%s: %s, want %s; asked again: %s, %v", when, got, want, how, err)
				}
			}
			expect("at first", "u77")
			server.Stop(t)
			expect("while it is gone", "fred@example.com")
			server.Start(t)
			expect("when it is back", "u77")
			server.Stop(t)
			server.Start(t)
			expect("after a restart that nobody noticed", "u77")
		})
	}
}
