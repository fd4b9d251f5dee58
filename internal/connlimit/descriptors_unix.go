//go:build unix

package connlimit

import "syscall"

// Affordable returns conns, or the number of the process's descriptors divided by
// part, if that is fewer.
func Affordable(conns, part int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return conns
	}
	return int(min(uint64(conns), uint64(limit.Cur)/uint64(part)))
}
