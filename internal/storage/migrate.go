package storage

import (
	"context"
	"embed"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate makes the tables, or those that this version has and the database has not yet.
// Several may do it at once. Where they are all there, it reads one row, so a user who
// may create nothing is enough then.
func migrate(ctx context.Context, config *pgx.ConnConfig) error {
	db := stdlib.OpenDB(*config)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	names, err := fs.Glob(files, "*.sql") // their numbers are 1 and so on
	if err != nil {
		return err
	}
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	var version int
	if db.QueryRowContext(ctx, "SELECT max(version_id) FROM milepost.migration").Scan(&version) == nil && version >= len(names) {
		return nil
	}
	// Two that create it at once would see each other's half.
	_, err = db.ExecContext(ctx, `DO $$ BEGIN
		PERFORM pg_advisory_xact_lock(5570197270846317171);
		CREATE SCHEMA IF NOT EXISTS milepost;
	END $$`)
	if err != nil {
		return err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60)) // every second, for a minute
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("milepost.migration"), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}
