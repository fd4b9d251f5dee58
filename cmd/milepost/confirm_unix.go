//go:build unix

package main

import (
	"os"
	"syscall"
)

// confirmations are the signals that take over lists of domains which have lost most
// of them.
var confirmations = []os.Signal{syscall.SIGUSR1}
