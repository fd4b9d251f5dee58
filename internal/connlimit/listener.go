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

// Accept waits while descriptors or memory run short, longer each time: whoever
// tries again at once needs a whole core for it.
func (l *listener) Accept() (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			// It works again when two connections come without an error in between. Short of
			// descriptors, each one that is freed lets one in.
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
