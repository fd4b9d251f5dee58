package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/certmagic"

	"milepost/internal/textfile"
)

// folder is a directory, which several machines may share. Their clocks must agree to
// some seconds: a lock is stale 10 seconds after it was last written.
type folder struct{ *certmagic.FileStorage }

// Check writes as much as a certificate with its key has.
func (f folder) Check(context.Context) error {
	if err := f.write(); err != nil {
		return fmt.Errorf("%s: cannot keep anything there: %w; the directory must be writable for this process, with some room", f.Path, err)
	}
	return nil
}

func (f folder) write() error {
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return textfile.Reason(err)
	}
	file, err := os.CreateTemp(f.Path, ".writable-")
	if err != nil {
		return textfile.Reason(err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(make([]byte, 16<<10))
	return textfile.Reason(errors.Join(err, file.Sync(), file.Close()))
}

// Lock does not wait for a lock that was written after now. That of a killed process
// is stale 10 seconds after it was last written; if the clock has been set back since,
// it would hold until the clock is there again.
func (f folder) Lock(ctx context.Context, name string) error {
	f.dropFuture(name)
	return f.FileStorage.Lock(ctx, name)
}

// TryLock is Lock that does not wait.
func (f folder) TryLock(ctx context.Context, name string) (bool, error) {
	f.dropFuture(name)
	return f.FileStorage.TryLock(ctx, name)
}

func (f folder) dropFuture(name string) {
	file := filepath.Join(f.Path, "locks", certmagic.StorageKeys.Safe(name)+".lock")
	if s, err := os.Stat(file); err == nil && time.Until(s.ModTime()) > time.Minute {
		os.Remove(file)
	}
}

// Unlock is no mistake if the lock was stale meanwhile, and somebody has removed it.
func (f folder) Unlock(ctx context.Context, name string) error {
	if err := f.FileStorage.Unlock(ctx, name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
