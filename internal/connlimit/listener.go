package connlimit

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// How long Accept pauses after an error: at first, and at most.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = time.Second
)

// Listener returns a listener whose connections count. Accept is for one goroutine.
func (l *Limit) Listener(inner net.Listener) net.Listener {
	return &listener{Listener: inner, limit: l, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	limit   *Limit
	failing bool // and the log knows
	closing sync.Once
	closed  chan struct{}
}

// Accept pauses while descriptors or memory are short, longer each time: to try again
// at once would take a whole core.
func (l *listener) Accept() (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			// While descriptors are short, each one that is freed lets a connection in. The
			// shortage is over when one comes without an error before it.
			l.failing = l.failing && pause > firstPause
			return l.limit.enter(conn), nil
		case !passing(err):
			return nil, err
		case !l.failing:
			l.failing = true
			l.limit.log.Warn("new connections have to wait", "addr", l.Addr(), "err", err)
		}
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		case <-time.After(pause):
		}
	}
}

// passing tells whether an error of accept may go away, and with it the reason to
// stop serving.
func passing(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary() ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

func (l *listener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}
