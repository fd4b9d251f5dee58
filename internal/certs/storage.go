package certs

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/certmagic"

	"milepost/internal/textfile"
)

// openStorage makes sure once that certificates can be kept in a directory. One that
// cannot be written is an error if there is nothing in it to serve either.
func openStorage(dir string, log *slog.Logger) (certmagic.Storage, error) {
	if err := writable(dir); err != nil {
		err = wrong("storage", "%s: cannot keep certificates there: %w; the directory must be writable for this process, with some room", dir, err)
		held, _ := filepath.Glob(filepath.Join(dir, "certificates", "*", "*", "*.crt"))
		if len(held) == 0 {
			return nil, err
		}
		log.Error("no certificate can be ordered or renewed; those that are there are served", "err", err, "certificates", len(held))
	}
	return storage{&certmagic.FileStorage{Path: dir}}, nil
}

type storage struct{ *certmagic.FileStorage }

// List finds nothing. certmagic lists only to guess the account's address from the
// names of directories, when none is set; and it takes "default" for one if a kill or
// a full disk left that account incomplete, so that every later order is refused.
func (storage) List(context.Context, string, bool) ([]string, error) { return nil, nil }

// writable writes as much as a certificate with its key has.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return textfile.Reason(err)
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return textfile.Reason(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 16<<10))
	return textfile.Reason(errors.Join(err, f.Sync(), f.Close()))
}

// Lock does not wait for a lock that was written after now. That of a killed process
// is stale 10 seconds after it was last written; if the clock has been set back since,
// it would hold until the clock is there again.
func (s storage) Lock(ctx context.Context, name string) error {
	file := filepath.Join(s.Path, "locks", certmagic.StorageKeys.Safe(name)+".lock")
	if f, err := os.Stat(file); err == nil && time.Until(f.ModTime()) > time.Minute {
		os.Remove(file)
	}
	return s.FileStorage.Lock(ctx, name)
}
