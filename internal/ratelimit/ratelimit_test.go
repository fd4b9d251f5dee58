package ratelimit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	table := New(8, 100*time.Millisecond, 3)
	for _, step := range []struct {
		name string
		hash uint64
		now  time.Duration
		took bool
		wait time.Duration // after that
	}{
		{"full", 1, 0, true, 0},
		{"one left", 1, 0, true, 0},
		{"the last", 1, 0, true, 100 * time.Millisecond},
		{"empty", 1, 0, false, 100 * time.Millisecond},
		{"another bucket", 2, 0, true, 0},
		{"the same bucket", 9, 0, false, 100 * time.Millisecond},
		{"just before the next token", 1, 100*time.Millisecond - 1, false, 1},
		{"the next token", 1, 100 * time.Millisecond, true, 100 * time.Millisecond},
		{"a clock that was set back", 1, -time.Second, false, 1200 * time.Millisecond},
		{"two tokens later", 1, 350 * time.Millisecond, true, 0},
		{"the second", 1, 350 * time.Millisecond, true, 50 * time.Millisecond},
		{"no more than a burst after a long time", 1, time.Hour, true, 0},
		{"two left", 1, time.Hour, true, 0},
		{"one left", 1, time.Hour, true, 100 * time.Millisecond},
		{"none", 1, time.Hour, false, 100 * time.Millisecond},
	} {
		if took := table.Take(step.hash, step.now); took != step.took {
			t.Errorf("%s: %t", step.name, took)
		}
		if wait := table.Wait(step.hash, step.now); wait != step.wait {
			t.Errorf("%s: another token in %v, want %v", step.name, wait, step.wait)
		}
	}
}

// Those who take at the same time get no more.
func TestTakeAtOnce(t *testing.T) {
	table := New(1, time.Second, 500)
	var took atomic.Int64
	var takers sync.WaitGroup
	for range 8 {
		takers.Go(func() {
			for range 1000 {
				if table.Take(0, 0) {
					took.Add(1)
				}
			}
		})
	}
	takers.Wait()
	if took.Load() != 500 {
		t.Errorf("%d tokens were taken, want 500", took.Load())
	}
}
