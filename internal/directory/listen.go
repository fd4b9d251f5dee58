package directory

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// sqlListener is a reader of a PostgreSQL that tells of changes by NOTIFY.
type sqlListener struct{ *sqlReader }

// aliveEvery is how often a connection that only listens is asked whether it is there.
const aliveEvery = 15 * time.Second

// listen waits for NOTIFY, which comes with the commit.
func (r sqlListener) listen(ctx context.Context, wake func()) error {
	beginning, cancel := context.WithTimeout(ctx, connectTimeout+r.pgx.ConnectTimeout) // a pooler may take the connection and say nothing
	defer cancel()
	conn, err := pgx.ConnectConfig(beginning, r.pgx)
	if err != nil {
		return r.secrets.hide(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(beginning, "LISTEN "+pgx.Identifier{r.channel}.Sanitize()); err != nil {
		return r.secrets.hide(err)
	}
	wake()
	for {
		waiting, cancel := context.WithTimeout(ctx, aliveEvery)
		_, err := conn.WaitForNotification(waiting)
		quiet := waiting.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			wake()
			continue
		case !quiet:
			return r.secrets.hide(err)
		}
		asking, cancel := context.WithTimeout(ctx, connectTimeout)
		err = conn.Ping(asking)
		cancel()
		if err != nil {
			return r.secrets.hide(err)
		}
	}
}
