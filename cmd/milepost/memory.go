package main

import (
	"os"
	"runtime/debug"
	"time"

	"milepost/internal/config"
	"milepost/internal/httpd"
	"milepost/internal/snapshot"
)

// ballast is memory that is held but never touched, so that it costs none. Go collects
// garbage whenever there is as much of it as memory in use; with a small catalogue
// that would be 40 times a second at saturation.
const ballast = 32 << 20 // octets

// What is in use when there are as many of each as may be, with some room for garbage.
const (
	memoryAtRest        = 72 << 20 // octets, garbage included
	memoryPerDomain     = 512      // a snapshot keeps 130, and a reload holds two
	memoryPerConnection = 48 << 10 // 25 kB over TLS with its stack, or 40 kB with open streams
)

// boundMemory has garbage collected earlier when many connections are open: without it
// their memory counts twice. It is no limit to what is in use, and GOMEMLIMIT goes
// before it.
func boundMemory(conf *config.Config, s *snapshot.Snapshot) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	connections := httpd.Connections(conf.Limits.Connections)
	debug.SetMemoryLimit(ballast + memoryAtRest + memoryPerDomain*int64(s.Catalogue.Domains()) + memoryPerConnection*int64(connections))
}

// gatherAtStart has garbage collected earlier until the server stands, unless GOGC says how
// often: what stays would else lie scattered among it, in 2 MB that are never given back.
func gatherAtStart() (stands func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(25)
	return func() { debug.SetGCPercent(before) }
}

// releaseMemory gives back what building has left behind; later, for the first to ask do
// not wait for it.
func releaseMemory() { time.AfterFunc(time.Second, debug.FreeOSMemory) }
