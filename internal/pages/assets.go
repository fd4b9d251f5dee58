package pages

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"path"
	"strings"
)

//go:embed assets/*
var assetFiles embed.FS

// assets are the files that pages refer to. Their paths change with their content,
// so that a browser may keep them for ever.
type assets struct {
	paths map[string]string // by name
	files map[string]Asset  // by path
}

// Asset is one file.
type Asset struct {
	ContentType string
	ETag        string
	Body        []byte
}

// AssetPath stands before the names of assets.
const AssetPath = "/assets/"

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
}

func loadAssets(b Branding) (assets, error) {
	a := assets{paths: make(map[string]string), files: make(map[string]Asset)}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return a, err
	}
	for _, e := range entries {
		body, err := assetFiles.ReadFile("assets/" + e.Name())
		if err != nil {
			return a, err
		}
		if e.Name() == "style.css" {
			body = append([]byte(b.Colour.style()), body...)
		}
		a.add(e.Name(), contentTypes[path.Ext(e.Name())], body)
	}
	if b.Logo.ContentType != "" {
		a.add("logo"+b.Logo.extension(), b.Logo.ContentType, b.Logo.Body)
		a.paths["logo"] = a.paths["logo"+b.Logo.extension()]
	}
	return a, a.addIcons(b)
}

func (a *assets) add(name, contentType string, body []byte) {
	sum := sha256.Sum256(body)
	hash := base64.RawURLEncoding.EncodeToString(sum[:9])
	ext := path.Ext(name)
	at := AssetPath + strings.TrimSuffix(name, ext) + "." + hash + ext
	a.paths[name] = at
	a.files[at] = Asset{contentType, `"` + hash + `"`, body}
}

// Asset returns the file that is served at a path.
func (s *Site) Asset(path string) (Asset, bool) {
	a, ok := s.assets.files[path]
	return a, ok
}

// Name is the service's name.
func (s *Site) Name() string { return s.branding.Name }

// SupportURL is where people get help; empty: none is known.
func (s *Site) SupportURL() string { return s.branding.SupportURL }

// Logo is the path of the service's logo; empty: it has none.
func (s *Site) Logo() string { return s.assets.paths["logo"] }
