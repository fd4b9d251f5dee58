package pages

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"milepost/settings"
)

// Branding is how the pages look, and whose they are. Each part may be zero.
type Branding struct {
	Name       string // of the service; empty: milepost
	Logo       Logo
	Colour     Colour
	SupportURL string // https: or mailto:
}

func (b Branding) withDefaults() Branding {
	if b.Name == "" {
		b.Name = "milepost"
	}
	if b.Colour == (Colour{}) {
		b.Colour = defaultColour
	}
	return b
}

// Logo is an image that stands beside the service's name.
type Logo struct {
	ContentType string // empty: no logo
	Body        []byte
}

func (l Logo) extension() string {
	if l.ContentType == "image/png" {
		return ".png"
	}
	return ".svg"
}

const (
	maxName   = 40       // characters that fit beside the menu
	maxLogo   = 32 << 10 // octets, so that the first page stays small
	maxPixels = 2048     // of a logo's width and height
)

// ParseName reads a service's name.
func ParseName(s string) (string, error) {
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		return "", fmt.Errorf("is empty; 1 to %d characters are allowed", maxName)
	case n > maxName:
		return "", fmt.Errorf("has %d characters; at most %d are allowed", n, maxName)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) || s != strings.TrimSpace(s):
		return "", fmt.Errorf("%q has control characters, or space at its ends; neither is allowed", s)
	}
	return s, nil
}

// hidden tells whether a character cannot be seen, or turns the direction of text.
func hidden(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// ParseSupportURL reads where people get help: an https: or a mailto: URL.
func ParseSupportURL(s string) (string, error) {
	if to, ok := strings.CutPrefix(s, "mailto:"); ok {
		if !strings.Contains(to, "@") || strings.ContainsFunc(to, func(r rune) bool { return unicode.IsSpace(r) || hidden(r) || strings.ContainsRune(`<>"`, r) }) {
			return "", fmt.Errorf("%q has no mail address; \"mailto:help@example.com\", say, is allowed", s)
		}
		return s, nil
	}
	u, err := settings.ParseURL(s, "https")
	if err == nil && !u.Filled() {
		err = fmt.Errorf("%q has a placeholder; none is allowed here", s)
	}
	if err != nil {
		return "", fmt.Errorf("%w; \"https://…\" and \"mailto:…\" are allowed", err)
	}
	return string(u), nil
}

// ParseLogo tells what kind of image a file is, and refuses what is none.
func ParseLogo(body []byte) (Logo, error) {
	if len(body) > maxLogo {
		return Logo{}, fmt.Errorf("is larger than %d kB; that is the most", maxLogo>>10)
	}
	if bytes.HasPrefix(body, []byte("\x89PNG")) {
		config, err := png.DecodeConfig(bytes.NewReader(body))
		if err == nil && (config.Width > maxPixels || config.Height > maxPixels) {
			return Logo{}, fmt.Errorf("has %d by %d pixels; at most %d by %d are allowed", config.Width, config.Height, maxPixels, maxPixels)
		}
		if err == nil {
			_, err = png.Decode(bytes.NewReader(body))
		}
		if err != nil {
			return Logo{}, fmt.Errorf("is a broken PNG: %w", err)
		}
		return Logo{"image/png", body}, nil
	}
	if err := checkSVG(body); err != nil {
		return Logo{}, err
	}
	return Logo{"image/svg+xml", body}, nil
}

// checkSVG refuses what is no well-formed SVG, and script and links to elsewhere.
// Browsers ignore both in an image, and under the policy that assets are sent with,
// but they have no place in a logo.
func checkSVG(body []byte) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	root := true
	for {
		token, err := d.Token()
		if err == io.EOF && !root {
			return nil
		}
		if err != nil {
			return errors.New("is neither a PNG nor a well-formed SVG; these two are allowed")
		}
		switch token := token.(type) {
		case xml.StartElement:
			if root && (token.Name.Local != "svg" || token.Name.Space != "http://www.w3.org/2000/svg") {
				return fmt.Errorf("is XML, but its root is %q and not an svg element", token.Name.Local)
			}
			root = false
			if strings.EqualFold(token.Name.Local, "script") || strings.EqualFold(token.Name.Local, "foreignObject") {
				return fmt.Errorf("has a %s element; that is not allowed in a logo", token.Name.Local)
			}
			for _, a := range token.Attr {
				name := strings.ToLower(a.Name.Local)
				if strings.HasPrefix(name, "on") || name == "href" && !strings.HasPrefix(a.Value, "#") && !strings.HasPrefix(a.Value, "data:image/") {
					return fmt.Errorf("has the attribute %s=%q; no script, and links to #names and data:image/ alone, are allowed", a.Name.Local, a.Value)
				}
			}
		case xml.ProcInst:
			if token.Target != "xml" {
				return fmt.Errorf("has an instruction %q; remove that line", token.Target)
			}
		case xml.Directive:
			return errors.New("has a document type; remove that line")
		}
	}
}
