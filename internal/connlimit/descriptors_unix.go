//go:build unix

package connlimit

import "syscall"

// Affordable returns conns, or a share of the process's descriptors (0 to 1), if that is
// fewer.
func Affordable(conns int, share float64) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return conns
	}
	return int(min(float64(conns), float64(limit.Cur)*share))
}
