package pages_test

import (
	"bytes"
	"fmt"
	"image/png"
	"testing"

	"github.com/chromedp/cdproto/emulation"
)

// family is the file of somebody's own domain.
const family = "display_name = \"Family\"\ndomains = [\"family.example\"]\n[[incoming]]\nprotocol = \"imap\"\nhostname = \"mail.family.example\"\nusername = \"%EMAILLOCALPART%\"\n" +
	"[[outgoing]]\nhostname = \"mail.family.example\"\nusername = \"%EMAILLOCALPART%\"\n"

// browserOf is the User-Agent header of a device's browser.
var browserOf = map[string]string{
	"windows": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"linux":   "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
	"mac":     "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
	"iphone":  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
	"android": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
}

// on makes the browser that of a device.
func (w *world) on(t *testing.T, device string) {
	t.Helper()
	phone := device == "iphone" || device == "android"
	size := screen(1280, 800, false)
	if phone {
		size = screen(390, 844, true)
	}
	w.do(t, size, call(emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: browserOf[device], AcceptLanguage: "en"}))
}

var (
	sixProviders = []string{"orange.fr", "gmail.com", "outlook.com", "icloud.com", "proton.me", "family.example"}
	everyClient  = []string{"", "thunderbird", "thunderbird-android", "outlook-classic", "outlook-new", "outlook-mac", "outlook-mobile", "apple-mobile", "apple-mac",
		"gmail-app", "samsung", "fairemail", "kmail", "evolution", "other"}
)

// What a person does first is on the first screen, whole: the button, the value to copy,
// the code, or the step, whichever comes first for the client.
func TestBrowserFirstScreens(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(map[bool]string{false: "shipped", true: "family"}[own], func(t *testing.T) {
			var files []string
			if own {
				files = []string{"family.example.toml", family}
			}
			w := open(t, files...)
			for _, device := range []string{"windows", "iphone", "android"} {
				w.on(t, device)
				for _, domain := range sixProviders {
					if own != (domain == "family.example") {
						continue
					}
					for _, client := range everyClient {
						path := "/setup?emailaddress=fred%40" + domain
						if client != "" {
							path += "&client=" + client
						}
						w.visit(t, path)
						got := eval[string](t, w, `(() => {
							const first = document.querySelector('.way .refused, .first .button, .first img.code, .by-values .copy, .way li');
							const box = first.getBoundingClientRect();
							return box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth ? '' :
								first.outerHTML.slice(0, 80) + ' ends at ' + Math.round(box.bottom);
						})()`)
						if got != "" {
							t.Errorf("%s, %s: %s", device, path, got)
						}
					}
				}
			}
			w.check(t)
		})
	}
}

// docs/screens has the first screens as people see them. This makes them anew, with
// Debian's Chromium and fonts-dejavu-core; look at them before you keep them:
//
//	go test ./internal/pages -run TestBrowserScreens -picture
func TestBrowserScreens(t *testing.T) {
	const largest = 40 << 10 // octets
	w := open(t)
	for _, tc := range []struct{ device, domain, client, scheme string }{
		{"iphone", "posteo.de", "", "light"},
		{"iphone", "gmail.com", "", "light"},
		{"iphone", "icloud.com", "", "light"},
		{"iphone", "proton.me", "", "dark"},
		{"android", "orange.fr", "", "light"},
		{"android", "gmx.com", "thunderbird-android", "dark"},
		{"windows", "orange.fr", "", "light"},
		{"windows", "gmail.com", "outlook-classic", "light"},
		{"windows", "gmx.com", "thunderbird-android", "light"},
		{"linux", "gmx.com", "", "dark"},
		{"mac", "posteo.de", "", "light"},
		{"windows", "icloud.com", "outlook-classic", "light"},
	} {
		name := tc.device + "-" + tc.domain
		path := "/setup?emailaddress=fred%40" + tc.domain
		if tc.client != "" {
			name, path = name+"-"+tc.client, path+"&client="+tc.client
		}
		file := "../../docs/screens/" + name + ".png"
		t.Run(name, func(t *testing.T) {
			w.on(t, tc.device)
			w.do(t, look(tc.scheme, "screen"))
			w.visit(t, path)
			kept := keep(t, file, paletted(w.shot(t), 16))
			shown, err := png.DecodeConfig(bytes.NewReader(kept))
			if err != nil {
				t.Fatal(err)
			}
			size := eval[string](t, w, "innerWidth + '×' + innerHeight")
			if got := fmt.Sprintf("%d×%d", shown.Width, shown.Height); got != size || len(kept) > largest {
				t.Errorf("%s has %s and %d octets; %s and at most %d octets are right", file, got, len(kept), size, largest)
			}
		})
	}
}

// An iPad's browser says that it is a Mac's; its touch screen tells, and its steps are those
// of an iPad. A choice by the link stays.
func TestBrowserPad(t *testing.T) {
	w := open(t)
	w.on(t, "mac")
	w.visit(t, "/setup?emailaddress=fred%40posteo.de")
	if got := w.text(t, "#procedure"); got != "Set up Apple Mail (Mac)" {
		t.Errorf("on a Mac: %s", got)
	}
	w.do(t, call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true, MaxTouchPoints: 5}))
	w.visit(t, "/setup?emailaddress=fred%40posteo.de")
	w.wait(t, "document.getElementById('procedure')?.textContent === 'Set up Apple Mail (iPhone, iPad)'")
	if !eval[bool](t, w, "location.search.endsWith('&client=apple-mobile') && !!document.querySelector('.first a[href^=\"/mobileconfig\"]')") {
		t.Error("the URL does not say so, or there is no profile")
	}
	w.visit(t, "/setup?emailaddress=fred%40posteo.de&client=apple-mac")
	if got := w.text(t, "#procedure"); got != "Set up Apple Mail (Mac)" {
		t.Errorf("chosen by the link: %s", got)
	}
	w.check(t)
}
