//go:build unix

package textfile_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"milepost/internal/textfile"
)

// A pipe into which nobody writes holds nobody up.
func TestPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := textfile.ReadFile(pipe, 100); err == nil || err.Error() != "is no regular file; must be one" {
		t.Error(err)
	}
}
