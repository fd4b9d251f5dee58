//go:build unix

package connlimit_test

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"milepost/internal/connlimit"
)

// A process whose descriptors are all used accepts again when one is free.
func TestDescriptors(t *testing.T) {
	if os.Getenv("CONNLIMIT_TEST_DESCRIPTORS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "CONNLIMIT_TEST_DESCRIPTORS=1")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestDescriptors")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		t.Fatal(err)
	}
	if got := connlimit.Affordable(1024, 0.25); got != 16 {
		t.Errorf("%d connections are affordable with 64 descriptors", got)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := connlimit.New(connlimit.Bounds{Total: 10, PerNetwork: 10, Network: network}, slog.New(slog.NewTextHandler(logWrite, nil))).Listener(inner)
	if _, err := net.Dial("tcp", inner.Addr().String()); err != nil {
		t.Fatal(err)
	}
	var hoard []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		hoard = append(hoard, f)
	}
	accepted := make(chan error)
	go func() { _, err := l.Accept(); accepted <- err }()
	line := make([]byte, 300)
	if n, err := logRead.Read(line); err != nil || !bytes.Contains(line[:n], []byte("too many open files")) {
		t.Fatalf("%s %v", line[:n], err)
	}
	for _, f := range hoard {
		f.Close()
	}
	if err := <-accepted; err != nil {
		t.Error(err)
	}
}
