//go:build !unix

package connlimit

// Affordable returns the number of connections: there is no limit of descriptors
// here.
func Affordable(conns, _ int) int { return conns }
