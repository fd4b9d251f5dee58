package zones_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/zones"
)

const (
	damaged = "serial: is empty or damaged, so serials start from the clock; if that is behind, secondaries see no change until it has caught up"
	foreign = "serial: is no serial; remove the file if it is not milepost's"
)

func TestSerialFileAfter(t *testing.T) {
	for _, tc := range []struct {
		name, text    string
		serial        uint32
		warning, fail string
	}{
		{"a serial of the past", "99\n", 1000, "", ""},
		{"a serial of the future", "4000\n", 4001, "", ""},
		{"typed by hand", " 4000", 4001, "", ""},
		{"empty, after a full disk", "", 1000, damaged, ""},
		{"zeros, after a power cut", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1000, damaged, ""},
		{"half of it", "4000\x00\x00", 1000, damaged, ""},
		{"larger than a serial", "4294967296\n", 1000, damaged, ""},
		{"a word", "nonsense", 0, "", foreign},
		{"digits without end", strings.Repeat("1", 100), 0, "", foreign},
		{"zeros without end", strings.Repeat("\x00", 100), 0, "", foreign},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			fixture.Write(t, "serial", tc.text)
			serial, warnings, err := zones.SerialFile("serial").After(1000)
			if serial != tc.serial || warnings.Error() != tc.warning || err == nil != (tc.fail == "") || err != nil && err.Error() != tc.fail {
				t.Errorf("%d, %q, %v", serial, warnings.Error(), err)
			}
		})
	}
	t.Run("there is none", func(t *testing.T) {
		for _, f := range []zones.SerialFile{"", zones.SerialFile(filepath.Join(t.TempDir(), "serial"))} {
			if serial, warnings, err := f.After(1000); serial != 1000 || warnings != nil || err != nil {
				t.Errorf("%d, %v, %v", serial, warnings, err)
			}
		}
	})
	t.Run("a directory", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if _, _, err := zones.SerialFile(".").After(1000); err == nil || err.Error() != ".: is a directory; must be a file" {
			t.Error(err)
		}
	})
}

// A file that cannot be written is a warning, and what was kept stays.
func TestSerialFileKeep(t *testing.T) {
	set, err := zones.New(fixture.Catalogue(t, "one.toml", one), &config.Config{}, nil, zones.Time{Now: time.Unix(1000, 0), Serial: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if warnings := zones.SerialFile("").Keep(set); warnings != nil {
		t.Error(warnings)
	}
	if warnings := zones.SerialFile("serial").Keep(set); warnings != nil {
		t.Error(warnings)
	}
	const lost = ": the highest serial cannot be kept: %s; if the clock is behind at the next start, secondaries see no change until it has caught up"
	if warnings := zones.SerialFile("absent/serial").Keep(set); warnings.Error() != "absent/serial"+strings.Replace(lost, "%s", "no such file or directory", 1) {
		t.Error(warnings)
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("only Linux has /dev/full")
	}
	if err := os.Symlink("/dev/full", "serial.new"); err != nil {
		t.Fatal(err)
	}
	if warnings := zones.SerialFile("serial").Keep(set); warnings.Error() != "serial"+strings.Replace(lost, "%s", "no space left on device", 1) {
		t.Error(warnings)
	}
	if text, err := os.ReadFile("serial"); err != nil || string(text) != "1000\n" {
		t.Errorf("%q, %v", text, err)
	}
}
