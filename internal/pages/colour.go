package pages

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Colour is a service's colour in two shades: one that can be read on a light
// background, one on a dark background.
type Colour struct {
	light, dark rgb
}

type rgb struct{ r, g, b uint8 }

// The backgrounds in style.css on which text in the colour is hardest to read: the
// darkest of the light scheme, and the lightest of the dark scheme.
var (
	lightGround = rgb{0xec, 0xf0, 0xf4}
	darkGround  = rgb{0x2a, 0x31, 0x3a}
)

// minContrast is the 4.5 that text needs (WCAG 2.2, 1.4.3), and a little more for
// rounding.
const minContrast = 4.6

var defaultColour = shades(rgb{0x1d, 0x5f, 0x8a})

// ParseColour reads #rrggbb. A colour that would be hard to read is darkened
// for the light scheme and lightened for the dark one, as far as needed.
func ParseColour(s string) (Colour, error) {
	digits, ok := strings.CutPrefix(s, "#")
	n, err := strconv.ParseUint(digits, 16, 32)
	if !ok || err != nil || len(digits) != 6 {
		return Colour{}, fmt.Errorf("%q is no colour; \"#1d5f8a\", say, is allowed: six hexadecimal digits", s)
	}
	return shades(rgb{uint8(n >> 16), uint8(n >> 8), uint8(n)}), nil
}

// shades mixes a colour with black, and with white, in small steps until the mixture
// can be read.
func shades(c rgb) Colour {
	toward := func(end, ground rgb) rgb {
		for step := 0.0; step < 1; step += 0.02 {
			if shade := mix(c, end, step); contrast(shade, ground) >= minContrast {
				return shade
			}
		}
		return end
	}
	return Colour{light: toward(rgb{}, lightGround), dark: toward(rgb{255, 255, 255}, darkGround)}
}

func mix(a, b rgb, share float64) rgb {
	one := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-share) + float64(y)*share)) }
	return rgb{one(a.r, b.r), one(a.g, b.g), one(a.b, b.b)}
}

// contrast is WCAG's contrast ratio.
func contrast(a, b rgb) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is WCAG's relative luminance.
func luminance(c rgb) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

func (c rgb) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// style is the beginning of the style sheet.
func (c Colour) style() string {
	return fmt.Sprintf(":root{--colour:%s}@media(prefers-color-scheme:dark){:root{--colour:%s}}\n", c.light, c.dark)
}
