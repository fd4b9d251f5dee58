//go:build !unix

package connlimit

// Affordable returns conns: this system does not limit descriptors.
func Affordable(conns int, _ float64) int { return conns }
