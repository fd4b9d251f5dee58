// Package storage keeps what replicas share: certificates with their keys and locks,
// and the serials of zones, in a folder or in PostgreSQL. It also fills the admin's own
// tables of providers and domains there.
package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/certmagic"
)

// Storage is a folder or a database.
type Storage interface {
	certmagic.Storage
	certmagic.TryLocker
	// Check says why nothing can be kept, if so. It makes the folder, or the tables.
	Check(context.Context) error
}

// ErrUnreachable is that of a database that does not answer now, and may later. Nothing
// is wrong with the setting that names it, as far as one can know.
var ErrUnreachable = errors.New("does not answer")

// IsURL tells a database from a folder.
func IsURL(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}

// Open opens a folder, by its path, or a database, by its URL. Neither is looked at yet:
// see Check.
func Open(where string) (Storage, error) {
	if IsURL(where) {
		return openPostgres(where)
	}
	return folder{&certmagic.FileStorage{Path: where}}, nil
}

// unreachable makes an error one of a database that does not answer.
func unreachable(err error) error { return fmt.Errorf("%w: %w", ErrUnreachable, err) }
