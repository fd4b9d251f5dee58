package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// locks are advisory locks of one session of PostgreSQL, which is there while one of
// them is held or waited for. The server takes them back when that connection ends:
// with a killed process at once, with a machine that has lost its power or its network
// after the probes below.
type locks struct {
	config *pgx.ConnConfig

	mu      sync.Mutex
	held    map[string]*holding // by name, in this process
	asked   bool                // for one, since watch last looked
	watched bool

	session chan *pgx.Conn // holds the connection (nil: there is none) while nobody uses it
}

type holding struct {
	taken    bool          // not only asked for
	released chan struct{} // is closed then
}

const (
	firstPoll, lastPoll = 50 * time.Millisecond, time.Second
	// watching is how often the session is looked after.
	watching = 2 * time.Second
	// probes let the server find out within half a minute that the client's machine is
	// gone; without them two hours are usual.
	probes = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; SET tcp_user_timeout = 25000; SET idle_session_timeout = 0"
)

func newLocks(config *pgx.ConnConfig) *locks {
	l := &locks{config: config, held: make(map[string]*holding), session: make(chan *pgx.Conn, 1)}
	l.session <- nil
	return l
}

// number is the name as PostgreSQL has it. Two names have one number in one of 2⁶⁴
// pairs, and then wait for each other.
func number(name string) int64 {
	sum := sha256.Sum256([]byte("milepost " + name))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// Lock waits for a lock until the context ends. A server that does not answer is an
// error.
func (l *locks) Lock(ctx context.Context, name string) error {
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		ok, released, err := l.try(ctx, name)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-released: // within this process
		case <-time.After(wait):
		}
	}
}

// TryLock takes a lock if nobody has it.
func (l *locks) TryLock(ctx context.Context, name string) (bool, error) {
	ok, _, err := l.try(ctx, name)
	return ok, err
}

func (l *locks) try(ctx context.Context, name string) (ok bool, released <-chan struct{}, err error) {
	mine := &holding{released: make(chan struct{})}
	l.mu.Lock()
	l.asked = true
	other, taken := l.held[name]
	if !taken {
		l.held[name] = mine // before the server is asked, who gives a session its lock twice
	}
	l.mu.Unlock()
	if taken {
		return false, other.released, nil
	}
	err = l.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", number(name)).Scan(&ok)
	})
	if err != nil {
		ok = false
		if err = reason(err); ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if !ok {
		l.forget(name)
		return false, nil, err
	}
	l.mu.Lock()
	mine.taken = true
	l.mu.Unlock()
	return true, nil, nil
}

// Unlock lets a lock go. What the server does not hear of, it takes back with the
// connection.
func (l *locks) Unlock(ctx context.Context, name string) error {
	l.mu.Lock()
	if mine := l.held[name]; mine != nil {
		mine.taken = false
	}
	l.mu.Unlock()
	l.use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", number(name))
		return err
	})
	l.forget(name)
	return nil
}

func (l *locks) forget(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if mine := l.held[name]; mine != nil {
		close(mine.released)
		delete(l.held, name)
	}
}

// use does something with the session, which it opens if there is none. Whatever fails
// ends it, and with it the server's locks.
func (l *locks) use(ctx context.Context, what func(context.Context, *pgx.Conn) error) (err error) {
	var conn *pgx.Conn
	select {
	case <-ctx.Done():
		return ctx.Err()
	case conn = <-l.session:
	}
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	defer func() {
		if conn != nil && (err != nil || conn.IsClosed()) {
			conn.Close(ctx)
			conn = nil
		}
		l.session <- conn
	}()
	if conn == nil {
		if conn, err = l.open(ctx); err != nil {
			return err
		}
	}
	return what(ctx, conn)
}

// open opens a session, in which the locks that the one before it held are taken again,
// where nobody was faster.
func (l *locks) open(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return nil, err
	}
	for statement := range strings.SplitSeq(probes, "; ") {
		if _, err := conn.Exec(ctx, statement); err != nil && conn.IsClosed() { // an older server lacks some of them
			return conn, err
		}
	}
	l.mu.Lock()
	var again []string
	for name, h := range l.held {
		if h.taken {
			again = append(again, name)
		}
	}
	if !l.watched {
		l.watched = true
		go l.watch()
	}
	l.mu.Unlock()
	for _, name := range again {
		if _, err := conn.Exec(ctx, "SELECT pg_try_advisory_lock($1)", number(name)); err != nil {
			return conn, err
		}
	}
	return conn, nil
}

// watch opens the session again if it breaks while locks are held, and closes it when
// none is held or asked for any more.
func (l *locks) watch() {
	for range time.Tick(watching) {
		if l.rest() {
			return
		}
		l.use(context.Background(), func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) })
	}
}

// rest closes the session if nobody needs it.
func (l *locks) rest() bool {
	conn := <-l.session // whoever asks for a lock now gets a new one
	l.mu.Lock()
	rests := len(l.held) == 0 && !l.asked
	l.asked = false
	if rests {
		l.watched = false
	}
	l.mu.Unlock()
	if rests && conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), answering)
		defer cancel()
		conn.Close(ctx)
		conn = nil
	}
	l.session <- conn
	return rests
}
