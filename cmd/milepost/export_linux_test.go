package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"milepost/internal/fixture"
)

// BenchmarkExport exports a million domains in each format, in a process of its own, and
// reports its time and the most memory that it held.
func BenchmarkExport(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		var domains strings.Builder
		for j := range 1000 {
			fmt.Fprintf(&domains, "customer-%d-%d.example\n", i, j)
		}
		list := fmt.Sprintf("p%d.list", i)
		fixture.Write(b, filepath.Join(dir, list), domains.String())
		fixture.Write(b, filepath.Join(dir, fmt.Sprintf("p%d.toml", i)),
			strings.Replace(fixture.Family, `domains = ["example.com"]`, fmt.Sprintf("domains_from = %q", list), 1))
	}
	program := fixture.Build(b)
	for _, format := range exportFormats {
		b.Run(format, func(b *testing.B) {
			var most int64
			for b.Loop() {
				out := filepath.Join(b.TempDir(), "out")
				cmd := exec.Command(program, "export", "-format", format, "-no-builtin", "-providers", dir, "-out", out)
				if text, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v\n%s", err, text)
				}
				if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
					most = max(most, usage.Maxrss) // in kB, on Linux
				}
				b.StopTimer()
				os.RemoveAll(out)
				b.StartTimer()
			}
			b.ReportMetric(float64(most)/1e3, "MB-most")
		})
	}
}
