package certs

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestOrdersOfAnHour(t *testing.T) {
	now := noon
	o := newOrders(10, func() time.Time { return now })
	taken := func(names ...string) (n int) {
		for _, name := range names {
			if o.take(name, name == "own") == nil {
				n++
			}
		}
		return n
	}
	names := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint(i))
		}
		return all
	}
	if n := taken(names(20)...); n != 9 {
		t.Errorf("%d orders at once, want 9", n)
	}
	if !o.empty() || taken("own", "own") != 1 {
		t.Error("the last one is not the service's")
	}
	now = now.Add(30 * time.Minute)
	if n := taken(names(20)...); n != 4 {
		t.Errorf("%d orders after half an hour, want 4", n)
	}
	now = now.Add(-48 * time.Hour)
	if n := taken(names(20)...); n != 0 {
		t.Errorf("%d orders after the clock was set back", n)
	}
	now = now.Add(240 * time.Hour)
	for _, name := range names(20) {
		o.fail(name, errors.New("no"))
	}
	if n := taken("good"); n != 0 {
		t.Error("failures were not counted")
	}
	now = now.Add(time.Hour)
	if n := taken(names(20)...); n != 5 {
		t.Errorf("%d orders of names that have failed, want 5: half is for others", n)
	}
	if n := taken("good", "better", "best"); n != 3 {
		t.Errorf("%d orders of others, want 3", n)
	}
}

// TestDefaultLimit holds the default below what Let's Encrypt takes.
func TestDefaultLimit(t *testing.T) {
	now, made := noon, 0
	o := newOrders(DefaultNewOrdersPerHour, func() time.Time { return now })
	for ; now.Before(noon.Add(3 * time.Hour)); now = now.Add(time.Second) {
		if o.take("a", true) == nil {
			made++
		}
	}
	if made < 200 || made > 250 {
		t.Errorf("%d orders in three hours", made)
	}
}

func TestWaits(t *testing.T) {
	now := noon
	o := newOrders(10, func() time.Time { return now })
	var waits []string
	for range 6 {
		until := o.fail("a", errors.New("no address"))
		waits = append(waits, until.Sub(now).String())
		if _, err := o.waits("a"); err == nil || !strings.Contains(err.Error(), "no address") {
			t.Errorf("it does not wait: %v", err)
		}
		if _, err := o.waits("b"); err != nil {
			t.Error(err)
		}
		now = until
		if _, err := o.waits("a"); err != nil {
			t.Error(err)
		}
	}
	if got, want := strings.Join(waits, " "), "20m0s 1h0m0s 3h0m0s 9h0m0s 24h0m0s 24h0m0s"; got != want {
		t.Errorf("waits %s\nwant  %s", got, want)
	}
	o.fail("a", nil)
	now = now.Add(-time.Hour * 24 * 365)
	if _, err := o.waits("a"); err != nil {
		t.Errorf("a clock set back by a year: %v", err)
	}
	o.fail("a", nil)
	o.succeed("a")
	if _, err := o.waits("a"); err != nil {
		t.Error(err)
	}
	for i := range maxFailed + 500 {
		o.fail(fmt.Sprint(i), nil)
	}
	if len(o.failed) != maxFailed {
		t.Errorf("%d failures are remembered", len(o.failed))
	}
}

func TestPostponed(t *testing.T) {
	now := noon
	o := newOrders(3, func() time.Time { return now })
	for range 5 {
		if err := o.take("a", false); err != nil {
			t.Fatal(err)
		}
		if until := o.postpone("a", errors.New("no way there"), true); until.Sub(now) != time.Minute {
			t.Errorf("it waits until %v", until)
		}
		if _, err := o.waits("a"); err == nil {
			t.Error("it does not wait")
		}
	}
	if until := o.fail("a", nil); until.Sub(now) != 20*time.Minute {
		t.Errorf("its first failure: until %v", until)
	}
	o.postpone("a", nil, false)
	if until := o.fail("a", nil); until.Sub(now) != time.Hour {
		t.Errorf("its second failure: until %v", until)
	}
}

func TestWithoutLocalPart(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"an address":     {"account [mailto:fred.x@example.com] is new", "account [mailto:…@example.com] is new"},
		"a file of it":   {`open /s/acme/ca/users/fred@example.com/fred.json: no room`, `open /s/acme/ca/users/…: no room`},
		"two addresses":  {"a@example.com,b+c@example.org", "…@example.com,…@example.org"},
		"nothing of it":  {"/s/certificates/ca/a.example.com", "/s/certificates/ca/a.example.com"},
		"an @ by itself": {"a @ b", "a @ b"},
	} {
		if got := withoutLocalPart(tc.text); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
