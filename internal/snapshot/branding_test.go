package snapshot

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/pages"
	"milepost/internal/textfile"
)

// configured reads the milepost.toml among files, in a directory of their own, so that
// messages name no path of this machine.
func configured(t *testing.T, files ...string) *config.Config {
	t.Helper()
	t.Chdir(fixture.Directory(t, files...))
	c, err := config.Load(config.Inputs{File: "milepost.toml"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBadBranding(t *testing.T) {
	for _, name := range []string{"branding", "logo"} {
		t.Run(name, func(t *testing.T) {
			p := fixture.ReadPage(t, "testdata/bad/"+name+".txtar")
			b, errs := branding(configured(t, p.List()...))
			slices.SortFunc(errs, func(a, b textfile.Error) int { return a.Line - b.Line })
			p.Expect(t, "errors", errs.Error()+"\n")
			if b.Name != "" || b.SupportURL != "" || b.Colour != (pages.Colour{}) || b.Logo.ContentType != "" {
				t.Errorf("what is refused is used: %v", b)
			}
		})
	}
}

func TestBranding(t *testing.T) {
	c := configured(t, "milepost.toml", `[service]
name = "Example Mail"
logo = "logo.svg"
colour = "#a00000"
support_url = "mailto:help@example.net"
`, "logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n")
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
