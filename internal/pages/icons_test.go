package pages_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"os"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The PNGs beside assets/icon.svg are that drawing. After it has changed, this makes
// them anew, with Debian's Chromium:
//
//	go test ./internal/pages -run TestBrowserIcons -picture
func TestBrowserIcons(t *testing.T) {
	drawing, err := os.ReadFile("assets/icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	w := open(t)
	w.do(t, call(emulation.SetDefaultBackgroundColorOverride, emulation.SetDefaultBackgroundColorOverrideParams{Color: &cdp.RGBA{}}))
	for _, size := range []int64{32, 180, 192, 512} {
		ground := "transparent"
		if size == 180 {
			ground = "#1d5f8a" // Apple's devices round the corners, and make black of what is transparent
		}
		page := fmt.Sprintf(`<style>* { margin: 0; background: %s } img { display: block; width: %dpx }</style><img src="data:image/svg+xml;base64,%s">`,
			ground, size, base64.StdEncoding.EncodeToString(drawing))
		w.do(t, screen(size, size, false), chromedp.Navigate("data:text/html;base64,"+base64.StdEncoding.EncodeToString([]byte(page))))
		w.wait(t, "document.querySelector('img').complete")
		now := w.shot(t)
		file := fmt.Sprintf("assets/icon-%d.png", size)
		kept := keep(t, file, now)
		then, err := png.Decode(bytes.NewReader(kept))
		if err != nil {
			t.Fatal(err)
		}
		if then.Bounds() != image.Rect(0, 0, int(size), int(size)) || now.Bounds() != then.Bounds() || len(kept) > 10<<10 {
			t.Fatalf("%s has %v and %d octets, the drawing %v", file, then.Bounds(), len(kept), now.Bounds())
		}
		if different := differing(now, then); different > int(size*size)/50 {
			t.Errorf("%s differs from icon.svg in %d pixels", file, different)
		}
	}
}

// differing counts the pixels that are plainly not the same. Another Chromium smooths
// edges in another way.
func differing(a, b image.Image) (n int) {
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, al := a.At(x, y).RGBA()
			r2, g2, bl2, al2 := b.At(x, y).RGBA()
			for _, d := range []int{int(r) - int(r2), int(g) - int(g2), int(bl) - int(bl2), int(al) - int(al2)} {
				if max(d, -d) > 0x3000 {
					n++
					break
				}
			}
		}
	}
	return n
}

// hasColour tells whether a picture has more than a few pixels of a colour.
func hasColour(t *testing.T, picture []byte, r, g, b uint8) bool {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if r2, g2, b2, _ := m.At(x, y).RGBA(); uint8(r2>>8) == r && uint8(g2>>8) == g && uint8(b2>>8) == b {
				n++
			}
		}
	}
	return n > 50
}
