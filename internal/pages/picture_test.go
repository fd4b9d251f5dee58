package pages_test

import (
	"bytes"
	"cmp"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var picture = flag.Bool("picture", false, "take the pictures in docs anew")

// docs/answer.png is the page that answers, as README.md shows it. After the page has
// changed, this makes it anew, with Debian's Chromium and fonts-dejavu-core:
//
//	go test ./internal/pages -run TestBrowserPicture -picture
func TestBrowserPicture(t *testing.T) {
	const file = "../../docs/answer.png"
	const width, height, largest = 1280, 800, 80 << 10 // octets
	w := open(t)
	w.do(t, look("light", "screen"), screen(width, height, false))
	w.visit(t, "/setup?emailaddress=fred@posteo.de&lang=en")
	now := w.shot(t)
	kept := keep(t, file, paletted(now, 256))
	then, err := png.Decode(bytes.NewReader(kept))
	if err != nil {
		t.Fatal(err)
	}
	if then.Bounds() != image.Rect(0, 0, width, height) || now.Bounds() != then.Bounds() || len(kept) > largest {
		t.Fatalf("%s has %v and %d octets, the page %v; %d by %d and at most %d octets are right", file, then.Bounds(), len(kept), now.Bounds(), width, height, largest)
	}
	other := differing(now, then) // a line more moves whole words
	t.Logf("%d of %d pixels differ", other, width*height)
	if other > width*height/50 {
		t.Errorf("%s shows the page as it was: %d of %d pixels differ; -picture takes it anew", file, other, width*height)
	}
}

// paletted keeps the n colours that a picture has most of: a third of the octets, and
// nobody sees the difference.
func paletted(m image.Image, n int) image.Image {
	count := make(map[color.Color]int)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			count[m.At(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return cmp.Compare(count[b], count[a]) })
	p := image.NewPaletted(m.Bounds(), colours[:min(len(colours), n)])
	draw.Draw(p, p.Bounds(), m, m.Bounds().Min, draw.Src)
	return p
}

// shot is what the window shows.
func (w *world) shot(t *testing.T) image.Image {
	t.Helper()
	octets, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	shown, err := png.Decode(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// keep returns the octets of a picture that is kept; with -picture, it is taken anew
// first.
func keep(t *testing.T, file string, now image.Image) []byte {
	t.Helper()
	if *picture {
		var b bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, now); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}
