package directory

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"milepost/address"
)

// maxBatch is about how many addresses a database is asked at once.
const maxBatch = 64

// batcher is an asker that asks a database about all who wait at the moment in one
// query: most of what a look-up costs is to begin one and to end it.
type batcher struct {
	connections int
	budget      time.Duration
	session     func() session // one for each connection
	secrets     secrets
	end         func() // what is to be closed after the sessions; nil: nothing

	start   sync.Once // of what serves them
	waiting chan *question
	closed  chan struct{}
	serving sync.WaitGroup
}

// session is a connection, or what comes to have one.
type session interface {
	// ask asks about a batch at once, and sets what was found. An error that is about one
	// address of it is as good as none: they are asked about one by one then.
	ask(ctx context.Context, batch []*question) error
	close()
}

// question is about an address.
type question struct {
	ctx    context.Context
	values [loginArguments]string

	found []Login
	err   error
	done  chan struct{} // closed when it is answered
}

func newBatcher(connections int, budget time.Duration, hidden secrets, open func() session) *batcher {
	return &batcher{connections: max(connections, 1), budget: budget, session: open, secrets: hidden, waiting: make(chan *question), closed: make(chan struct{})}
}

var errClosed = errors.New("the directory is closed")

func (b *batcher) login(ctx context.Context, a address.Address) ([]Login, error) {
	b.start.Do(func() {
		for range b.connections {
			b.serving.Go(b.serve)
		}
	})
	q := &question{ctx: ctx, values: argumentsOf(a), done: make(chan struct{})}
	select {
	case b.waiting <- q:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-b.closed:
		return nil, errClosed
	}
	select {
	case <-q.done:
		if aboutAddress(q.err) {
			return nil, q.err
		}
		return q.found, b.secrets.hide(withoutValues(q.err)) // in this order: what was hidden in says no longer what it is
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *batcher) close() {
	close(b.closed)
	b.start.Do(func() {}) // nothing starts any more
	b.serving.Wait()
	if b.end != nil {
		b.end()
	}
}

// serve is what one connection does.
func (b *batcher) serve() {
	s := b.session()
	defer s.close()
	for {
		select {
		case q := <-b.waiting:
			runtime.Gosched() // so that whoever is about to ask comes along
			batch := b.gather(q)
			b.ask(s, batch)
			for _, q := range batch {
				close(q.done)
			}
		case <-b.closed:
			return
		}
	}
}

// gather takes whoever waits besides, without waiting for anybody.
func (b *batcher) gather(first *question) []*question {
	batch := []*question{first}
	for len(batch) < maxBatch {
		select {
		case q := <-b.waiting:
			if q.err = q.ctx.Err(); q.err != nil {
				close(q.done)
				continue
			}
			batch = append(batch, q)
		default:
			return batch
		}
	}
	return batch
}

func (b *batcher) ask(s session, batch []*question) {
	ctx, cancel := context.WithTimeout(context.Background(), b.budget)
	defer cancel()
	err := s.ask(ctx, batch)
	if aboutAddress(err) && len(batch) > 1 { // the others shall not suffer
		for i := range batch {
			b.ask(s, batch[i:i+1])
		}
		return
	}
	for _, q := range batch {
		q.err = cmp.Or(q.err, err)
	}
}
