package providerfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"milepost/address"
	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
)

// writeMillion writes a million domains, spread over 1,000 providers: half of
// these name them in their file, half in a list beside it.
func writeMillion(b *testing.B) string {
	dir := b.TempDir()
	for i := range 1000 {
		var domains strings.Builder
		inline := i%2 == 0
		for j := range 1000 {
			if inline {
				fmt.Fprintf(&domains, "  \"customer-%d-%d.example\",\n", i, j)
			} else {
				fmt.Fprintf(&domains, "customer-%d-%d.example\n", i, j)
			}
		}
		text := strings.Replace(fixture.Family, `["example.com"]`, "[\n"+domains.String()+"]", 1)
		if !inline {
			list := fmt.Sprintf("%d.txt", i)
			fixture.Write(b, filepath.Join(dir, list), domains.String())
			text = strings.Replace(fixture.Family, `domains = ["example.com"]`, fmt.Sprintf("domains_from = %q", list), 1)
		}
		fixture.Write(b, filepath.Join(dir, fmt.Sprintf("p%d.toml", i)), text)
	}
	return dir
}

// BenchmarkMillion loads a million domains. It reports the heap that the
// catalogue keeps, and the most that the process held of the system while
// loading.
func BenchmarkMillion(b *testing.B) {
	dir := writeMillion(b)
	var c *catalogue.Catalogue
	for b.Loop() {
		var err error
		if c, _, err = providerfile.Load(providerfile.Directory{FS: os.DirFS(dir)}); err != nil {
			b.Fatal(err)
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys-m.HeapReleased)/1e6, "MB-most")
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-kept")
	if c.Domains() != 1_000_000 {
		b.Fatalf("%d domains", c.Domains())
	}
}

func BenchmarkLookup(b *testing.B) {
	dir := writeMillion(b)
	c, _, err := providerfile.Load(providerfile.Directory{FS: os.DirFS(dir)})
	if err != nil {
		b.Fatal(err)
	}
	domains := make([]address.Domain, 1024)
	for i := range domains {
		domains[i] = fixture.Domain(b, fmt.Sprintf("customer-%d-%d.example", i*7%1000, i*13%1000))
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, ok := c.Lookup(domains[i%len(domains)]); !ok {
			b.Fatal("not found")
		}
		i++
	}
}
