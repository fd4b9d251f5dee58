package pages

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"strings"
	"testing"
)

// Every colour becomes readable on the worst ground of both schemes, and so
// does the text on it; one that is readable already stays.
func TestColour(t *testing.T) {
	style, err := os.ReadFile("assets/style.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, ground := range []string{"--raised: " + lightGround.String(), "--raised: " + darkGround.String()} {
		if !strings.Contains(string(style), ground) {
			t.Errorf("style.css has no %s", ground)
		}
	}
	onLight, onDark := rgb{255, 255, 255}, rgb{0x14, 0x18, 0x1c}
	for r := 0; r < 256; r += 51 {
		for g := 0; g < 256; g += 51 {
			for b := 0; b < 256; b += 51 {
				c, err := ParseColour(rgb{uint8(r), uint8(g), uint8(b)}.String())
				if err != nil {
					t.Fatal(err)
				}
				for name, ratio := range map[string]float64{
					"light": contrast(c.light, lightGround), "on light": contrast(c.light, onLight),
					"dark": contrast(c.dark, darkGround), "on dark": contrast(c.dark, onDark),
				} {
					if ratio < 4.5 {
						t.Errorf("%d %d %d, %s: %.2f", r, g, b, name, ratio)
					}
				}
			}
		}
	}
	if c, _ := ParseColour("#1d5f8a"); c.light.String() != "#1d5f8a" {
		t.Errorf("a readable colour became %s", c.light)
	}
	// WCAG's own figures: black on white is 21 to 1, #777777 on white just fails.
	if got := contrast(rgb{}, rgb{255, 255, 255}); got != 21 {
		t.Errorf("black on white: %f", got)
	}
	if got := contrast(rgb{0x77, 0x77, 0x77}, rgb{255, 255, 255}); got < 4.47 || got > 4.49 {
		t.Errorf("grey on white: %f", got)
	}
}

func pngOf(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black})); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0h1v1z"/></svg>`

func TestBranding(t *testing.T) {
	for _, tc := range []struct{ name, service, logo, colour, support, message string }{
		{"nothing", "", "", "", "", ""},
		{"everything", "Example Mail", svg, "#A00000", "https://example.com/help", ""},
		{"PNG and mailto", "Éxample", pngOf(t, 64, 64), "#ffff00", "mailto:help@example.com", ""},
		{"long name", strings.Repeat("a", 41), "", "", "", "has 41 characters; at most 40 are allowed"},
		{"control character", "a\x00b", "", "", "", `"a\x00b" has control characters`},
		{"space", " x", "", "", "", `" x" has control characters, or space at its ends; neither is allowed`},
		{"colour by name", "", "", "red", "", `"red" is no colour; "#1d5f8a", say, is allowed: six hexadecimal digits`},
		{"colour with a wrong digit", "", "", "#12345g", "", `"#12345g" is no colour`},
		{"support by script", "", "", "", "javascript:alert(1)", `"javascript:alert(1)" is not a URL that starts with https://; "https://…" and "mailto:…" are allowed`},
		{"support without address", "", "", "", "mailto:help", `"mailto:help" has no mail address`},
		{"JPEG", "", "\xff\xd8\xff\xe0", "", "", "is neither a PNG nor a well-formed SVG; these two are allowed"},
		{"empty file", "", " ", "", "", "is neither a PNG nor a well-formed SVG"},
		{"half a PNG", "", pngOf(t, 64, 64)[:60], "", "", "is a broken PNG"},
		{"huge PNG", "", pngOf(t, 2049, 1), "", "", "has 2049 by 1 pixels; at most 2048 by 2048 are allowed"},
		{"HTML", "", "<html></html>", "", "", `is XML, but its root is "html" and not an svg element`},
		{"script in SVG", "", strings.Replace(svg, "<path", "<script>alert(1)</script><path", 1), "", "", "has a script element; that is not allowed in a logo"},
		{"script in an attribute of SVG", "", strings.Replace(svg, "<path", `<path onload="alert(1)"`, 1), "", "", `has the attribute onload="alert(1)"`},
		{"image from elsewhere in SVG", "", strings.Replace(svg, "<path", `<image href="https://example.com/x.png"/><path`, 1), "", "", `has the attribute href="https://example.com/x.png"`},
		{"style from elsewhere in SVG", "", `<?xml-stylesheet href="https://example.com/x.css"?>` + svg, "", "", `has an instruction "xml-stylesheet"`},
		{"name that turns around", "a\u202eb", "", "", "", `"a\u202eb" has control characters`},
		{"entities in SVG", "", `<!DOCTYPE svg [<!ENTITY a "b">]>` + svg, "", "", "has a document type; remove that line"},
		{"large SVG", "", svg + strings.Repeat(" ", maxLogo), "", "", "is larger than 32 kB; that is the most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b Branding
			var errs [4]error
			if tc.service != "" {
				b.Name, errs[0] = ParseName(tc.service)
			}
			if tc.logo != "" {
				b.Logo, errs[1] = ParseLogo([]byte(tc.logo))
			}
			if tc.colour != "" {
				b.Colour, errs[2] = ParseColour(tc.colour)
			}
			if tc.support != "" {
				b.SupportURL, errs[3] = ParseSupportURL(tc.support)
			}
			err := errors.Join(errs[:]...)
			if tc.message != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tc.message) {
					t.Errorf("error %v, want %s", err, tc.message)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			site, err := New(b, "")
			if err != nil {
				t.Fatal(err)
			}
			page, err := site.Home(Reader{Lang: "en"}, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{site.Name(), tc.support, site.Logo()} {
				if !strings.Contains(string(page), want) {
					t.Errorf("the page lacks %s", want)
				}
			}
			if logo, ok := site.Asset(site.Logo()); ok != (tc.logo != "") || ok && len(logo.Body) == 0 {
				t.Errorf("logo %v", ok)
			}
		})
	}
}
