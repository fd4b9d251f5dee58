package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

// Whoever waits is told what for, until it is done.
func TestTellWaiting(t *testing.T) {
	r, w := io.Pipe()
	done := tellWaiting(w, "check: reading", time.Millisecond)
	lines := bufio.NewScanner(r)
	for range 2 {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "milepost: check: reading, for ") {
			t.Errorf("%q", lines.Text())
		}
	}
	go io.Copy(io.Discard, r)
	done()
	w.Close()
}
