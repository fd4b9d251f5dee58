package directory

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleepUntil sleeps in the kernel. Go's own timers wait for a whole millisecond where less
// is left, if nothing else runs: that would begin with the answer, and hide nothing.
func sleepUntil(at time.Time) {
	t, err := unix.TimeToTimespec(at)
	if err != nil {
		return // after the year 2262
	}
	for unix.ClockNanosleep(unix.CLOCK_REALTIME, unix.TIMER_ABSTIME, &t, nil) == unix.EINTR {
	}
}
