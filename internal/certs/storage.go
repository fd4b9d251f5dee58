package certs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"

	"milepost/internal/storage"
)

// looking is how long the start may wait for a database.
const looking = 5 * time.Second

// openStorage makes sure once that certificates can be kept. Where they cannot, that is
// an error if there is nothing to serve either; a database that does not answer may do
// so later, and until then there are those of its copy, where there is one.
func openStorage(ctx context.Context, o ACMEOptions, log *slog.Logger) (certmagic.Storage, *storage.Copied, error) {
	var s storage.Storage
	var copied *storage.Copied
	var err error
	if o.Copy != "" && storage.IsURL(o.Storage) {
		copied, err = storage.OpenCopied(o.Storage, o.Copy, log)
		s = copied
	} else {
		s, err = storage.Open(o.Storage)
	}
	if err != nil {
		return nil, nil, wrong("storage", "%w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, looking)
	defer cancel()
	if err := s.Check(ctx); errors.Is(err, storage.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
		copies := 0
		if copied != nil {
			copies = copied.Copies()
		}
		if copies > 0 {
			log.Error("no certificate can be ordered or renewed until the database answers; those that are copied are served", "err", err, "certificates", copies)
		} else {
			log.Error("no certificate can be read, ordered or renewed until the database answers", "err", err)
		}
	} else if err != nil {
		held := 0
		keys, _ := s.List(ctx, "certificates", true)
		for _, key := range keys {
			if strings.HasSuffix(key, ".crt") {
				held++
			}
		}
		if err = wrong("storage", "%w", err); held == 0 {
			return nil, nil, err
		}
		log.Error("no certificate can be ordered or renewed; those that are there are served", "err", err, "certificates", held)
	}
	return unlisted{s}, copied, nil
}

type unlisted struct{ storage.Storage }

// List finds nothing. certmagic lists only to guess the account's address from the
// names of directories, when none is set; and it takes "default" for one if a kill or
// a full disk left that account incomplete, so that every later order is refused.
func (unlisted) List(context.Context, string, bool) ([]string, error) { return nil, nil }
