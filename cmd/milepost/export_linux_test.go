package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"milepost/internal/exchange"
	"milepost/internal/fixture"
)

// A full disk is told, once.
func TestExportFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this machine has no /dev/full:", err)
	}
	defer full.Close()
	cmd := exec.Command(fixture.Build(t), "export", "-format", "json")
	cmd.Stdout = full
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Run()
	if got := stderr.String(); cmd.ProcessState.ExitCode() != exitNo || got != "milepost: export: write /dev/stdout: no space left on device\n" {
		t.Errorf("%v\n%s", err, got)
	}
}

// BenchmarkExport exports a million domains in each format, a hundred thousand into a
// bucket, in a process of its own, and reports its time and the most memory that it held.
func BenchmarkExport(b *testing.B) {
	million, some := customersOf(b, 1000), customersOf(b, 100)
	program := fixture.Build(b)
	held := filepath.Join(b.TempDir(), "held")
	measure := func(b *testing.B, dir string, args ...string) {
		var most int64
		for b.Loop() {
			out := filepath.Join(b.TempDir(), "out")
			cmd := exec.Command(program, append([]string{"export", "-no-builtin", "-providers", dir, "-out", out}, args...)...)
			if text, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, text)
			}
			if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				most = max(most, usage.Maxrss) // in kB, on Linux
			}
			b.StopTimer()
			os.Rename(filepath.Join(out, exchange.ManifestFile), held) // of a bucket
			os.RemoveAll(out)
			b.StartTimer()
		}
		b.ReportMetric(float64(most)/1e3, "MB-most")
	}
	for _, format := range []string{"ispdb", "static", "json"} {
		b.Run(format, func(b *testing.B) { measure(b, million, "-format", format) })
	}
	b.Run("bucket", func(b *testing.B) { measure(b, some, "-format", "bucket") })
	// Only what has changed: one provider, and with it a thousand domains.
	b.Run("bucket since", func(b *testing.B) {
		manifest := filepath.Join(b.TempDir(), "manifest")
		if err := os.Rename(held, manifest); err != nil {
			b.Skip("it needs the manifest that the benchmark before leaves")
		}
		file := filepath.Join(some, "p0.toml")
		fixture.Write(b, file, strings.ReplaceAll(fixture.ReadFile(b, file), "mail.", "mx."))
		measure(b, some, "-format", "bucket", "-since", manifest)
	})
}

// customersOf writes the files of n providers, each with a thousand domains.
func customersOf(b *testing.B, n int) (dir string) {
	dir = b.TempDir()
	for i := range n {
		var domains strings.Builder
		for j := range 1000 {
			fmt.Fprintf(&domains, "customer-%d-%d.example\n", i, j)
		}
		list := fmt.Sprintf("p%d.list", i)
		fixture.Write(b, filepath.Join(dir, list), domains.String())
		fixture.Write(b, filepath.Join(dir, fmt.Sprintf("p%d.toml", i)),
			strings.Replace(fixture.Family, `domains = ["example.com"]`, fmt.Sprintf("domains_from = %q", list), 1))
	}
	return dir
}
