package pages

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/internal/thunderbirdqr"
	"milepost/settings"
)

// decode reads a QR code from an image in a URL.
func decode(t testing.TB, url template.URL) string {
	t.Helper()
	text, ok := strings.CutPrefix(string(url), "data:image/png;base64,")
	if !ok {
		t.Fatalf("no PNG: %.40s", url)
	}
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return decodeImage(t, img)
}

func decodeImage(t testing.TB, img image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	// Without the hint the library takes data for corner marks now and then.
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

// Every account's code for a shipped provider can be read.
func TestAccountCodes(t *testing.T) {
	codes := 0
	for _, p := range fixture.Shipped(t).Providers() {
		for _, protocol := range settings.IncomingProtocols {
			a, err := answer.New(p.ForMX(fixture.Address(t, `"a<& b"@example.com`), fixture.MXHost(t, p)), answer.Request{Protocol: protocol})
			if err != nil {
				t.Fatal(p.ID, err)
			}
			code, ok := thunderbirdqr.Encode(a)
			if !ok {
				continue
			}
			codes++
			url, ok := codeImage(code.Text)
			if !ok {
				t.Fatal(p.ID, "no image")
			}
			if got := decode(t, url); got != code.Text {
				t.Errorf("%s, %s: the code says %s, want %s", p.ID, protocol, got, code.Text)
			}
		}
	}
	if codes < 200 {
		t.Errorf("only %d codes", codes)
	}
}

// The code on a computer's screen names the profile under the public URL.
func TestProfileCode(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred%2Bnews@gmx.com&protocol=pop3")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("de")
	url, ok := codeImage("https://mail.example.com" + a.Profile)
	if !ok {
		t.Fatal("no code")
	}
	const want = "https://mail.example.com/mobileconfig?emailaddress=fred%2Bnews%40gmx.com&protocol=pop3&lang=de"
	if got := decode(t, url); got != want {
		t.Errorf("%s", got)
	}
}

// However long the text is, its code says the same.
func TestCodeLengths(t *testing.T) {
	for length := 1; length < 1500; length += 23 {
		text := strings.Repeat("https://mail.example.com/mobileconfig?", length/38+1)[:length]
		url, ok := codeImage(text)
		if !ok {
			t.Fatal(length)
		}
		if got := decode(t, url); got != text {
			t.Errorf("%d: %s", length, got)
		}
	}
	if _, ok := codeImage(strings.Repeat("a", 3000)); ok {
		t.Error("3000 octets are in a code")
	}
}
