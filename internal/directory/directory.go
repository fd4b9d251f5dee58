// Package directory reads what a hoster keeps of her domains: in PostgreSQL, MariaDB,
// SQLite, LDAP or a file. It sees what changes there and hands it on as
// [catalogue.Table]; when a source is down, what it said last counts, also after a
// restart.
package directory

import (
	"context"
	"fmt"

	"milepost/internal/config"
)

// record is what a source says of one domain, as it stands there: nobody has looked at
// it yet.
type record struct {
	domain   string
	provider string // an ID; empty: that of the source
	host     string // empty: none
	name     string // empty: none
	changed  int64  // seconds since 1970; 0: the source does not say
	gone     bool   // it is not served, or no longer
	line     int    // in a file; else 0
	bad      error  // what of it could not be read; nil: nothing
}

// reader reads one kind of source. Calls do not overlap.
type reader interface {
	// version is the same as long as nothing has changed; empty: it is not known. It
	// costs little, for it is asked for all the time.
	version(ctx context.Context) (string, error)
	// all yields every domain, and returns how many the source itself counts at the
	// same moment; -1: it does not. An error of yield ends it.
	all(ctx context.Context, yield func(record) error) (total int, err error)
	// since yields the domains that changed at a time or later, those that went among
	// them as far as the source knows, and returns the same. It is false if it cannot:
	// then all of them are read and compared.
	since(ctx context.Context, at uint32, yield func(record) error) (total int, ok bool, err error)
	close()
}

// listener is a reader that is told of changes.
type listener interface {
	// listen calls wake when it begins and whenever something has changed, until the
	// connection is lost or the context ends.
	listen(ctx context.Context, wake func()) error
}

// filer is a reader of provider files too.
type filer interface {
	// files are their texts by the provider's ID.
	files(ctx context.Context) (map[string]string, error)
}

// open makes the reader of a source. It connects to nothing yet.
func open(s config.Source) (reader, error) {
	switch s.Kind {
	case config.Postgres, config.MySQL, config.SQLite:
		return openSQL(s)
	case config.LDAP:
		return openLDAP(s)
	case config.File:
		return openFiles(s)
	}
	return nil, fmt.Errorf("%q is no kind of source", s.Kind)
}

// maxRows is how many rows of a source are read at most.
const maxRows = 20_000_000
