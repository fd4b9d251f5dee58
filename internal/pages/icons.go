package pages

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
)

// manifest describes the site to a device that puts it on its home screen (W3C Web
// Application Manifest).
type manifest struct {
	Name       string         `json:"name"`
	ShortName  string         `json:"short_name"`
	StartURL   string         `json:"start_url"`
	Display    string         `json:"display"`
	ThemeColor string         `json:"theme_color"`
	Icons      []manifestIcon `json:"icons"`
}

type manifestIcon struct {
	Src   string `json:"src"`
	Sizes string `json:"sizes"`
	Type  string `json:"type"`
}

// addIcons adds the manifest, and finds the icons in it. A service's own logo takes the
// place of ours everywhere.
func (a *assets) addIcons(b Branding) error {
	m := manifest{Name: b.Name, ShortName: b.Name, StartURL: "/", Display: "browser", ThemeColor: b.Colour.light.String()}
	if b.Logo.ContentType != "" {
		m.Icons = []manifestIcon{{a.paths["logo"], "any", b.Logo.ContentType}}
		if b.Logo.ContentType == "image/png" {
			a.paths["touch-icon"] = a.paths["logo"]
		}
	} else {
		for _, size := range []string{"192", "512"} {
			m.Icons = append(m.Icons, manifestIcon{a.paths["icon-"+size+".png"], size + "x" + size, "image/png"})
		}
		m.Icons = append(m.Icons, manifestIcon{a.paths["icon.svg"], "any", "image/svg+xml"})
		a.paths["touch-icon"] = a.paths["icon-180.png"]
	}
	body, err := json.Marshal(m)
	a.add("manifest.webmanifest", "application/manifest+json", body)
	return err
}

// Icon returns what is served at a path at which browsers look by themselves:
// /favicon.ico and /apple-touch-icon.png. False: there is none.
func (s *Site) Icon(path string) (Asset, bool) {
	switch path {
	case "/favicon.ico":
		if logo, ok := s.Asset(s.Logo()); ok {
			return logo, true
		}
		small, ok := s.Asset(s.assets.paths["icon-32.png"])
		return Asset{"image/x-icon", small.ETag, ico(small.Body, 32)}, ok
	case "/apple-touch-icon.png":
		return s.Asset(s.assets.paths["touch-icon"])
	}
	return Asset{}, false
}

// ico puts a square PNG into an icon file: the directory has one entry (ICONDIR and
// ICONDIRENTRY of the Windows SDK).
func ico(png []byte, pixels byte) []byte {
	var b bytes.Buffer
	for _, field := range []any{
		[]uint16{0, 1, 1}, // reserved, an icon, one image
		[]byte{pixels, pixels, 0, 0},
		[]uint16{1, 32}, // planes, bits a pixel
		[]uint32{uint32(len(png)), 22},
	} {
		_ = binary.Write(&b, binary.LittleEndian, field) // a buffer takes everything
	}
	return slices.Concat(b.Bytes(), png)
}
