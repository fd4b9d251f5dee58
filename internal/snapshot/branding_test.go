package snapshot

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"milepost/internal/config"
	"milepost/internal/pages"
	"milepost/internal/textfile"
)

// configured reads the milepost.toml of an archive, in a fresh directory, so that
// messages name no path of this machine.
func configured(t *testing.T, a *txtar.Archive) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, f := range a.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	c, err := config.Load("milepost.toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBadBranding(t *testing.T) {
	for _, name := range []string{"branding", "logo"} {
		t.Run(name, func(t *testing.T) {
			a, err := txtar.ParseFile("testdata/bad/" + name + ".txtar")
			if err != nil {
				t.Fatal(err)
			}
			b, errs := branding(configured(t, a))
			slices.SortFunc(errs, func(a, b textfile.Error) int { return a.Line - b.Line })
			if diff := cmp.Diff(string(a.Files[len(a.Files)-1].Data), errs.Error()+"\n"); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if b.Name != "" || b.SupportURL != "" || b.Colour != (pages.Colour{}) || b.Logo.ContentType != "" {
				t.Errorf("what is refused is used: %v", b)
			}
		})
	}
}

func TestBranding(t *testing.T) {
	c := configured(t, txtar.Parse([]byte(`-- milepost.toml --
[service]
name = "Example Mail"
logo = "logo.svg"
colour = "#a00000"
support_url = "mailto:help@example.net"
-- logo.svg --
<svg xmlns="http://www.w3.org/2000/svg"/>
`)))
	colour, err := pages.ParseColour("#a00000")
	if err != nil {
		t.Fatal(err)
	}
	want := pages.Branding{Name: "Example Mail", Colour: colour, SupportURL: "mailto:help@example.net",
		Logo: pages.Logo{ContentType: "image/svg+xml", Body: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")}}
	got, errs := branding(c)
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(pages.Colour{})); diff != "" || len(errs) > 0 {
		t.Errorf("%v\n-want +got:\n%s", errs, diff)
	}
	if got, errs := branding(config.Default()); got.Name != "" || len(errs) > 0 {
		t.Errorf("without a file: %v %v", got, errs)
	}
}
