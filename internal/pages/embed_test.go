package pages_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// A hoster's help page, of another origin, has the widget in a frame and asks the
// interface for programs from a script. Every other page refuses to be framed.
func TestBrowserEmbedded(t *testing.T) {
	w := open(t)
	other := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(rw, `<!doctype html><title>Help</title><iframe src="%s%s" width="400" height="400"></iframe>`, w.url, r.URL.Path)
	}))
	t.Cleanup(other.Close)
	for path, shown := range map[string]bool{"/widget": true, "/help": false, "/": false} {
		w.do(t, chromedp.Navigate(other.URL+path))
		w.wait(t, "document.readyState === 'complete'")
		// No script sees into a frame of another origin; the button's colour is seen by all.
		shot, err := chromedp.Run(w.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if has := hasColour(t, shot, 0x1d, 0x5f, 0x8a); has != shown {
			t.Errorf("%s in a frame is shown: %t", path, has)
		}
	}
	w.do(t, chromedp.Navigate(other.URL+"/widget"))
	const ask = `fetch('%s/api/v1/settings?emailaddress=%s', { headers: { 'X-Own': '1' } }).then(r => r.json()).then(a => a.code || a.incoming[0].hostname)`
	for address, want := range map[string]string{"fred@gmx.com": "imap.gmx.com", "fred@unknown.example": "domain-unknown"} {
		if got := eval[string](t, w, fmt.Sprintf(ask, w.url, address)); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}

// An anchor opens what it leads to.
func TestBrowserTroubleAnchor(t *testing.T) {
	w := open(t)
	w.visit(t, "/trouble?emailaddress=fred%40gmx.com#certificate")
	w.wait(t, "document.getElementById('certificate').open")
	if got := eval[int](t, w, "document.querySelectorAll('main details[open]').length"); got != 1 {
		t.Errorf("%d are open", got)
	}
	w.check(t)
}
