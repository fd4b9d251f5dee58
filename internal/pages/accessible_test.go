package pages_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// everyPath leads to each kind of page.
var everyPath = []string{
	"/",
	"/help",
	"/providers",
	"/providers?q=mail&sort=country",
	"/providers?q=no+such+thing",
	"/providers/gmail.com",
	"/providers/icloud.com",
	"/providers/myopera.com",
	"/providers/nobody.example",
	"/setup?emailaddress=fred%40gmx.com",
	"/setup?emailaddress=fred%40gmx.com&protocol=pop3",
	"/setup?emailaddress=fred%40outlook.com",
	"/setup?emailaddress=fred%40gmail.com",
	"/setup?emailaddress=fred%40orange.fr",
	"/setup?emailaddress=fred%40proton.me",
	"/setup?emailaddress=fred%40proton.me&client=gmail-app",
	"/setup?emailaddress=fred%40gmx.com&client=apple-mobile",
	"/setup?emailaddress=fred%40gmx.com&client=thunderbird-android",
	"/setup?emailaddress=fred%40icloud.com&client=outlook-classic",
	"/setup?emailaddress=fred%40alice.fr",
	"/setup?emailaddress=fred%40myopera.com",
	"/setup?emailaddress=posteo.de",
	"/setup?emailaddress=fred%40unknown.example",
	"/setup?emailaddress=fred%40gmail.con",
	"/providers/outlook.com",
	"/providers/gmail.com/thunderbird",
	"/providers/proton.me/apple-mobile",
	"/trouble",
	"/trouble?emailaddress=fred%40gmail.com",
	"/trouble?emailaddress=fred%40outlook.com",
	"/trouble?emailaddress=fred%40proton.me",
	"/trouble?emailaddress=gmx.com",
	"/widget",
	"/widget?emailaddress=fred%40gmx.com",
	"/widget?emailaddress=fred%40gmail.con",
	"/widget?emailaddress=fred",
	"/setup?emailaddress=fred",
	"/setup?emailaddress=" + "a-very-long-name-that-has-no-place-to-break-in-it-anywhere-at-all" + "%40gmx.com",
}

// axe is the text of axe-core, which is no part of the project.
func axe(t *testing.T) string {
	t.Helper()
	for _, file := range []string{os.Getenv("AXE_CORE"), "../../node_modules/axe-core/axe.min.js"} {
		if text, err := os.ReadFile(file); err == nil {
			return string(text)
		}
	}
	t.Skip("axe-core is not here; npm install --no-save axe-core, or name its axe.min.js in AXE_CORE")
	return ""
}

// axe-core finds nothing against WCAG 2.2 AA or its own best practices on any
// page, in the light and in the dark, on a phone and on a desktop.
func TestBrowserAxe(t *testing.T) {
	source := axe(t)
	w := open(t)
	w.accessible(t, source, everyPath)
}

// accessible runs axe-core on pages.
func (w *world) accessible(t *testing.T, source string, paths []string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 640, 1280} { // 640 is 1280 at 200 % (WCAG 2.2, 1.4.4)
			w.do(t, look(scheme, "screen"), screen(width, 800, false))
			for _, path := range paths {
				w.visit(t, path)
				eval[any](t, w, source+"; 0")
				// Everything that can be opened is open.
				eval[int](t, w, "document.querySelectorAll('main details').forEach(d => { d.removeAttribute('name'); d.open = true; }); 0")
				found := eval[[]string](t, w, `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
					.then(r => { if (r.passes.length < 10) throw new Error('axe looked at nothing');
						return r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html + ' ' + n.failureSummary).join('; ')); })`)
				for _, violation := range found {
					t.Errorf("%s, %s, %d px: %s", path, scheme, width, violation)
				}
			}
		}
	}
	w.check(t)
}

// screen sets its size.
func screen(width, height int64, phone bool) chromedp.Action[chromedp.Void] {
	return call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone})
}

// look sets the colour scheme and the medium.
func look(scheme, media string) chromedp.Action[chromedp.Void] {
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// At 320 pixels, in no language anything stands out to the side.
func TestBrowserNarrow(t *testing.T) {
	open(t).narrow(t, everyPath)
}

// narrow looks at pages on the narrowest screen.
func (w *world) narrow(t *testing.T, paths []string) {
	t.Helper()
	w.do(t, screen(320, 640, true))
	for _, lang := range []string{"en", "fr", "de", "es", "it", "nl", "pt"} {
		for _, path := range paths {
			mark := "?"
			if strings.Contains(path, "?") {
				mark = "&"
			}
			w.visit(t, path+mark+"lang="+lang)
			eval[int](t, w, "document.querySelectorAll('details').forEach(d => { d.removeAttribute('name'); d.open = true; }); 0")
			wide := eval[[]string](t, w, `[...document.querySelectorAll('body *')].filter(e => {
				const box = e.getBoundingClientRect();
				return box.width && (box.right > 320.5 || box.left < -0.5) && !e.closest('.wide, .unseen, .skip');
			}).map(e => e.outerHTML.slice(0, 120))`)
			if len(wide) > 0 || eval[int](t, w, "document.scrollingElement.scrollWidth") > 320 {
				t.Errorf("%s in %s is wider than the screen: %s", path, lang, wide)
			}
		}
	}
	w.check(t)
}

// On every width that phones have, in every language, a button has one line and
// what can be focused can be seen.
func TestBrowserPhones(t *testing.T) {
	w := open(t)
	for _, lang := range []string{"en", "fr", "de", "es", "it", "nl", "pt"} {
		for _, path := range []string{"/?", "/providers?", "/setup?emailaddress=fred%40gmx.com&"} {
			w.visit(t, path+"lang="+lang)
			for _, width := range []int64{320, 360, 375, 390, 412, 430} {
				w.do(t, screen(width, 800, true))
				w.wait(t, fmt.Sprintf("innerWidth === %d", width))
				high := eval[[]string](t, w, `[...document.querySelectorAll('button, .button')].filter(e => e.checkVisibility() && e.offsetHeight > 60)
					.map(e => e.textContent + ' ' + e.offsetWidth + '×' + e.offsetHeight)`)
				unseen := eval[[]string](t, w, `[...document.querySelectorAll('main a, main button, main input, main select')]
					.filter(e => e.checkVisibility() && !e.closest('[hidden]') && (e.offsetWidth < 4 || e.closest('thead')))
					.map(e => e.outerHTML.slice(0, 120))`)
				if len(high)+len(unseen) > 0 {
					t.Errorf("%s in %s, %d px: high %q, unseen %q", path, lang, width, high, unseen)
				}
			}
		}
	}
	w.check(t)
}

// The dark scheme is dark; a code stays black on white, or no phone reads it.
func TestBrowserDark(t *testing.T) {
	w := open(t)
	visit := chromedp.Navigate(w.url + "/setup?emailaddress=fred%40gmx.com&client=thunderbird-android")
	ground := func() string { return eval[string](t, w, "getComputedStyle(document.body).backgroundColor") }
	w.do(t, look("light", "screen"), visit)
	light := ground()
	w.do(t, look("dark", "screen"), visit)
	dark := ground()
	if light != "rgb(246, 248, 250)" || dark != "rgb(20, 24, 28)" {
		t.Errorf("light is %s, dark is %s", light, dark)
	}
	if got := w.readCode(t, "img.code"); !strings.HasPrefix(got, "[1,[1,1],") {
		t.Error(got)
	}
}

// On paper there are the servers, the notice and the chosen client's steps on one page,
// and nothing that one would press.
func TestBrowserPrint(t *testing.T) {
	w := open(t)
	for _, query := range []string{"fred%40gmx.com", "fred%40gmail.com&client=other", "fred%40icloud.com&client=outlook-classic", "fred%40posteo.de&client=apple-mobile", "fred%40proton.me"} {
		w.do(t, look("dark", "print"), chromedp.Navigate(w.url+"/setup?emailaddress="+query))
		seen := eval[[]string](t, w, `['#incoming', '#outgoing', '#procedure', '.way li', '.ask', '.copy', '.print', 'nav', '.languages']
			.filter(s => [...document.querySelectorAll(s)].some(e => e.checkVisibility() && e.offsetWidth > 1))`)
		if want := []string{"#incoming", "#outgoing", "#procedure", ".way li"}; !slices.Equal(seen, want) {
			t.Errorf("%s on paper: %q", query, seen)
		}
		if got := eval[string](t, w, "getComputedStyle(document.body).backgroundColor"); got != "rgb(255, 255, 255)" {
			t.Errorf("the paper is %s", got)
		}
		paper, err := chromedp.Run(w.ctx, printed)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(paper, []byte("/Type /Page\n")); n != 1 {
			t.Errorf("%s takes %d pages", query, n)
		}
	}
}

// What is linked to is as good on paper: the values, and the steps of a client.
func TestBrowserPrintProviders(t *testing.T) {
	w := open(t)
	for _, path := range []string{"gmail.com", "orange.fr", "outlook.com?lang=fr", "gmx.com?lang=de", "gmail.com/thunderbird", "icloud.com/outlook-classic?lang=de"} {
		w.do(t, look("light", "print"), chromedp.Navigate(w.url+"/providers/"+path))
		paper, err := chromedp.Run(w.ctx, printed)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(paper, []byte("/Type /Page\n")); n != 1 {
			t.Errorf("%s takes %d pages", path, n)
		}
	}
}

// printed is the page on A4 paper.
func printed(ctx context.Context, t *chromedp.Target) ([]byte, error) {
	r, err := cdp.Call(ctx, t, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: 8.27, PaperHeight: 11.69})
	return r.Data, err
}
