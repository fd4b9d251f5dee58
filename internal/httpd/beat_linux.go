package httpd

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep sleeps in the kernel. Go's own timers wait for a whole millisecond where less is
// left, if nothing else runs: that would begin with the answer, and hide nothing.
func sleep(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &left, &left) == unix.EINTR {
	}
}
