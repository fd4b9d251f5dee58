//go:build !linux

package httpd

import "time"

func sleep(d time.Duration) { time.Sleep(d) }
