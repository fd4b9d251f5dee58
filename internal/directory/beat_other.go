//go:build !linux

package directory

import "time"

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }
