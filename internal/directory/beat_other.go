//go:build !linux

package directory

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
