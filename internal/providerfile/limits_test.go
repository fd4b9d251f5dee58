package providerfile_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
)

// Lists come from spreadsheets and editors of Windows too.
func TestListFromWindows(t *testing.T) {
	for name, list := range map[string]string{
		"a domain behind the mark":  "\ufeffone.example\r\ntwo.example\r\n",
		"a comment behind the mark": "\ufeff# customers\r\none.example\r\n\r\ntwo.example",
		"the mark alone in a line":  "\ufeff\r\none.example\r\ntwo.example\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings, err := providerfile.Load(providerfile.Directory{FS: fixture.FS("a.toml", fromList(fixture.Family, "l"), "l", list)})
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			if diff := cmp.Diff([]catalogue.ListSize{{File: "l", Domains: 2}}, c.Lists()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A list costs memory by its size, not by the number of its line ends.
func TestListOfEmptyLines(t *testing.T) {
	const size = 16 << 20
	dir := fixture.FS("a.toml", fromList(fixture.Family, "l"), "l", "one.example"+strings.Repeat("\n", size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := providerfile.Load(providerfile.Directory{FS: dir}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 20*size { // with 44 octets a line end: 46*size and more
		t.Errorf("%d MiB for a list of %d MiB", n>>20, size>>20)
	}
}

// Two files with the same thousands of MX domains get a hundred messages too.
func TestManyMXTwice(t *testing.T) {
	var domains strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&domains, "\"mx-%d.example\",\n", i)
	}
	file := func(domain string) string {
		return strings.Replace(fixture.Family, `["example.com"]`, fmt.Sprintf("[%q]\nmx = [\n%s]", domain, &domains), 1)
	}
	_, _, err := providerfile.Load(providerfile.Directory{FS: fixture.FS("a.toml", file("a.example"), "b.toml", file("b.example"))})
	errs, _ := errors.AsType[textfile.Errors](err)
	if len(errs) != 101 || errs[100].Error() != "b.toml:104: mx: is the first of 4900 more that are not told one by one" {
		t.Errorf("%d messages: %.300v", len(errs), err)
	}
}

// A file's name may hold whatever its system allows; a message stays one line.
func TestOddFileNames(t *testing.T) {
	dir := fixture.FS("a\x1b[2J\nb.toml", fixture.Family)
	_, _, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: dir})
	want := `dir/a\x1b[2J\nb.toml:1: id: "a\x1b[2J\nb" (the file's name) is no id; letters a to z, digits, dots and hyphens are allowed`
	if err == nil || err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}
