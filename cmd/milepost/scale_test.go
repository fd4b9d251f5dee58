package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"milepost/internal/fixture"
)

// hosted is a provider whose domains come from a source.
const hosted = `display_name = "Example"
[[incoming]]
protocol = "imap"
hostname = "mail.example.net"
[[outgoing]]
hostname = "mail.example.net"
`

// What docs/scale.md writes is right, as far as check sees.
func TestScaleManual(t *testing.T) {
	for _, block := range fixture.Blocks(t, "../../docs/scale.md", "toml scale") {
		dir := fixture.Directory(t, "milepost.toml", block, "hosted.toml", hosted, "providers/example.com.toml", fixture.Family)
		code, stdout, stderr := milepost(t, "check", "-config", filepath.Join(dir, "milepost.toml"))
		if code != exitOK || !strings.Contains(stdout, "no mistakes") {
			t.Errorf("exit code %d\n%s%s\n%s", code, stdout, stderr, block)
		}
	}
}

func TestScaleHAProxy(t *testing.T) {
	haproxy := fixture.Tool(t, "haproxy", "haproxy")
	file := fixture.Write(t, filepath.Join(t.TempDir(), "haproxy.cfg"), fixture.Blocks(t, "../../docs/scale.md", "haproxy scale")[0])
	if out, err := exec.Command(haproxy, "-c", "-q", "-f", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
