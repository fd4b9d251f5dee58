//go:build !unix

package main

import "os"

// confirmations are none here: a restart takes over what a reload refuses.
var confirmations []os.Signal
