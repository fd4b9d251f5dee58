package pages

import (
	"encoding/base64"
	"html/template"

	"rsc.io/qr"
)

// codeScale is the size of a module in pixels.
const codeScale = 4

// codeImage draws a QR code, with its quiet zone, as a data: URL. An image with a URL
// of its own would have the mail address in it. False: the text is too long.
func codeImage(text string) (template.URL, bool) {
	code, err := qr.Encode(text, qr.L) // a screen has no dirt that would need more
	if err != nil {
		return "", false
	}
	code.Scale = codeScale
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())), true
}
