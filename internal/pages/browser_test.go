package pages_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
	"milepost/internal/webdoctor"
)

const publicURL = "https://mail.example.com"

// world is a server and a browser before it.
type world struct {
	ctx      context.Context
	url      string // of the server
	mu       sync.Mutex
	asked    []string // URLs that the browser asked for
	referers []string // that the server was told
	errors   []string // that the browser's console shows
	octets   float64  // that came over the line
}

// open starts a server of the shipped catalogue, or of one made of these files, and a
// browser. They are the test's own, so it runs beside others: a browser mostly waits.
func open(t *testing.T, files ...string) *world {
	t.Helper()
	return openBefore(t, nil, files...)
}

// openBefore is open with a doctor; nil: there is none.
func openBefore(t *testing.T, d *webdoctor.Doctor, files ...string) *world {
	t.Helper()
	t.Parallel()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, ok := fixture.FindTool(name); ok {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("there is no Chromium here; apt-get install chromium")
	}
	w := &world{}
	c := fixture.Shipped(t)
	if len(files) > 0 {
		c = fixture.Catalogue(t, files...)
	}
	served, err := snapshot.New(c, pages.Branding{}, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	served.Config.Doctor.Web, served.Site.Examines = d != nil, d != nil
	h := httpd.Handler(httpd.Options{Current: func() *snapshot.Snapshot { return served }, Log: slog.New(slog.DiscardHandler), Doctor: d})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if referer := r.Referer(); referer != "" {
			w.mu.Lock()
			w.referers = append(w.referers, referer)
			w.mu.Unlock()
		}
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL

	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(time.Minute), chromedp.Flag("accept-lang", "en"), chromedp.Flag("disable-dev-shm-usage", true))...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, end := context.WithTimeout(ctx, 5*time.Minute) // a browser that hangs ends the test
	t.Cleanup(end)
	w.ctx = ctx
	if err := chromedp.Listen(ctx, w.listen); err != nil {
		t.Fatal(err)
	}
	w.do(t, call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{}), call(browser.SetPermission, browser.SetPermissionParams{
		Permission: &browser.PermissionDescriptor{Name: "clipboard-read"}, Setting: browser.PermissionSettingGranted,
	}))
	return w
}

// call is a command of the browser's protocol as a step.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

func (w *world) listen(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		w.asked = append(w.asked, e.Request.URL)
	case *network.EventLoadingFinished:
		w.octets += e.EncodedDataLength
	case *log.EventEntryAdded:
		// What a browser says of every answer of 400 and more is no mistake of the page.
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
			w.errors = append(w.errors, e.Entry.Text)
		}
	}
}

func (w *world) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(w.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// visit goes to a path and waits for the page.
func (w *world) visit(t *testing.T, path string) {
	t.Helper()
	w.do(t, chromedp.Navigate(w.url+path))
}

// click presses what a selector finds, once it stands still: while the page moves after
// an answer, a press would go beside it.
func (w *world) click(t *testing.T, selector string) {
	t.Helper()
	w.do(t, chromedp.ScrollIntoView(chromedp.CSS(selector)))
	place := fmt.Sprintf("JSON.stringify(document.querySelector(%q).getBoundingClientRect())", selector)
	for before := ""; ; time.Sleep(20 * time.Millisecond) {
		now := eval[string](t, w, place)
		if now == before {
			break
		}
		before = now
	}
	w.do(t, chromedp.Click(chromedp.CSS(selector)))
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, w *world, expression string) T {
	t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func (w *world) text(t *testing.T, selector string) string {
	t.Helper()
	return eval[string](t, w, fmt.Sprintf("document.querySelector(%q).textContent", selector))
}

// wait waits until an expression is true, over reloads too.
func (w *world) wait(t *testing.T, expression string) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var ok bool
		if ok, err = chromedp.Run(w.ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && ok {
			return
		}
	}
	t.Fatalf("never true: %s %v\n%s", expression, err, eval[string](t, w, "location.href + ' ' + document.querySelector('main')?.textContent"))
}

// check holds what must be true of every visit.
func (w *world) check(t *testing.T) {
	t.Helper()
	cookies := eval[string](t, w, "document.cookie")
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.asked {
		if !strings.HasPrefix(u, w.url+"/") && !strings.HasPrefix(u, "data:image/png;base64,") && u != "about:blank" {
			t.Errorf("the browser asked for %s", u)
		}
	}
	for _, r := range w.referers {
		t.Errorf("a Referer was sent: %s", r)
	}
	for _, e := range w.errors {
		t.Errorf("the browser complains: %s", e)
	}
	if len(w.asked) == 0 || cookies != "" {
		t.Errorf("%d requests, cookies %q", len(w.asked), cookies)
	}
}

// readCode decodes a QR code as it is drawn on the screen.
func (w *world) readCode(t *testing.T, selector string) string {
	t.Helper()
	w.wait(t, fmt.Sprintf("document.querySelector(%q).checkVisibility()", selector)) // the click before may not have been handled
	w.do(t, chromedp.ScrollIntoView(chromedp.CSS(selector)))
	shot, err := chromedp.Run(w.ctx, chromedp.Screenshot(chromedp.CSS(selector)))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		t.Fatal(selector, err)
	}
	return result.GetText()
}

// The whole way of a person with script: from the address to a copied hostname,
// the other protocol, the profile, the codes, the tabs, another language.
func TestBrowserWithScript(t *testing.T) {
	w := open(t)
	w.visit(t, "/")
	if w.octets == 0 || w.octets >= 20_000 {
		t.Errorf("the first page and all that belongs to it have %.0f octets", w.octets)
	}
	t.Logf("the first page: %.0f octets with headers", w.octets)
	eval[int](t, w, "window.stayed = 1")
	w.do(t, chromedp.SendKeys(chromedp.ID("address"), "fred@gmx.com\r"))
	w.wait(t, "document.querySelector('#answer h1')")
	if got := w.text(t, "#answer h1"); got != "fred@gmx.com" {
		t.Error(got)
	}
	if eval[int](t, w, "window.stayed") != 1 || !strings.HasSuffix(eval[string](t, w, "location.href"), "/setup?emailaddress=fred%40gmx.com") {
		t.Error("the page was loaded anew, or its address is another")
	}
	if !eval[bool](t, w, "document.activeElement.matches('#answer h1')") {
		t.Error("the focus is not on the answer")
	}

	for selector, want := range map[string]string{
		"[aria-labelledby=incoming] .field:nth-child(1)": "imap.gmx.com", "[aria-labelledby=incoming] .field:nth-child(2)": "993",
		"[aria-labelledby=incoming] .field:nth-child(3)": "SSL/TLS", "[aria-labelledby=incoming] .field:nth-child(4)": "fred@gmx.com",
		"[aria-labelledby=outgoing] .field:nth-child(1)": "mail.gmx.com", "[aria-labelledby=outgoing] .field:nth-child(2)": "465",
	} {
		w.click(t, selector+" .copy")
		w.wait(t, fmt.Sprintf("document.querySelector(%q).textContent === 'Copied'", selector+" .copy[data-done]"))
		if got := eval[string](t, w, "navigator.clipboard.readText()"); got != want {
			t.Errorf("%s: %q was copied, want %q", selector, got, want)
		}
	}
	w.wait(t, "document.getElementById('said').textContent === 'Copied'")

	// Another client, without a reload; the URL names it, the focus is on it, and a reload keeps it.
	w.click(t, ".clients summary")
	w.click(t, ".elsewhere a[href*='client=thunderbird-android']")
	w.wait(t, "document.getElementById('procedure')?.textContent === 'Set up Thunderbird (Android)'")
	w.wait(t, "document.activeElement.matches('.clients [aria-current]')")
	if eval[int](t, w, "window.stayed") != 1 || !eval[bool](t, w, "location.search.endsWith('&client=thunderbird-android')") {
		t.Error("the choice of a client lost the page, or its URL does not say it")
	}
	const wantCode = `[1,[1,1],[0,"imap.gmx.com",993,3,1,"fred@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"fred@gmx.com"],["fred@gmx.com","fred@gmx.com"]]]]`
	if got := w.readCode(t, "img.code"); got != wantCode {
		t.Errorf("the account's code says %s", got)
	}
	w.do(t, chromedp.Reload())
	if got := w.text(t, "#procedure"); got != "Set up Thunderbird (Android)" {
		t.Errorf("after a reload: %s", got)
	}
	eval[int](t, w, "window.stayed = 1")

	// The other protocol, still without a reload; the client stays.
	w.click(t, ".less a")
	w.wait(t, "document.querySelector('[aria-labelledby=incoming] code').textContent === 'pop.gmx.com'")
	if eval[int](t, w, "window.stayed") != 1 || w.text(t, "#procedure") != "Set up Thunderbird (Android)" {
		t.Error("the choice of POP lost the page or the client")
	}
	w.click(t, ".clients summary")
	w.click(t, ".elsewhere a[href*='client=apple-mobile']")
	w.wait(t, "document.getElementById('procedure')?.textContent.includes('iPhone')")
	code := w.readCode(t, "img.code")
	profile, ok := strings.CutPrefix(code, publicURL)
	if !ok {
		t.Fatalf("the profile's code says %s", code)
	}
	resp, body := fixture.Get(t, w.url+profile)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/x-apple-aspen-config" || !strings.Contains(body, "pop.gmx.com") {
		t.Errorf("the profile: %s %s", resp.Status, body)
	}

	// Back, then another language: the answer stays.
	eval[any](t, w, "history.go(-2)")
	w.wait(t, "document.querySelector('[aria-labelledby=incoming] code').textContent === 'imap.gmx.com'")
	w.click(t, ".languages summary")
	w.click(t, ".languages a[lang=de]")
	w.wait(t, "document.documentElement.lang === 'de' && document.querySelector('#answer h1')")
	if got := w.text(t, "#answer h1"); got != "fred@gmx.com" {
		t.Error(got)
	}
	if got := eval[string](t, w, "document.querySelector('header nav a[href^=\"/help\"]').getAttribute('href')"); got != "/help?lang=de" {
		t.Errorf("the help's link is %s", got)
	}

	// A mistake, and a domain that nobody knows.
	for _, tc := range []struct{ typed, shown string }{
		{"fred", "Das ist keine vollständige E-Mail-Adresse. Eine Adresse sieht so aus: name@example.com."},
		{"fred@unknown.example", "Für unknown.example sind keine Einstellungen bekannt"},
	} {
		eval[string](t, w, "document.querySelectorAll('.whose details').forEach(d => { d.open = true; }); document.getElementById('address').value = ''")
		w.do(t, chromedp.SendKeys(chromedp.ID("address"), tc.typed+"\r"))
		w.wait(t, fmt.Sprintf("document.querySelector('main').textContent.includes(%q)", tc.shown))
	}
	w.check(t)
}

// Every part of it works without script, and nothing is hidden then.
func TestBrowserWithoutScript(t *testing.T) {
	w := open(t)
	w.do(t, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	w.visit(t, "/?lang=fr")
	w.do(t, chromedp.SendKeys(chromedp.ID("address"), "fred+news@gmx.com\r"))
	w.wait(t, "document.querySelector('#answer h1')")
	if got := w.text(t, "#answer h1"); got != "fred+news@gmx.com" {
		t.Error(got)
	}
	if eval[int](t, w, "[...document.querySelectorAll('.copy, .print')].filter(b => b.checkVisibility()).length") != 0 {
		t.Error("buttons are shown that do nothing")
	}
	w.click(t, ".clients li:nth-child(2) a")
	w.wait(t, "document.querySelector('.clients li:nth-child(2) a[aria-current]')")
	w.click(t, ".less a")
	w.wait(t, "location.search.includes('protocol=pop3')")
	if got := w.text(t, "[aria-labelledby=incoming] code"); got != "pop.gmx.com" {
		t.Error(got)
	}
	here, err := url.Parse(eval[string](t, w, "location.href"))
	if err != nil {
		t.Fatal(err)
	}
	if q := here.Query(); q.Get("emailaddress") != "fred+news@gmx.com" || q.Get("protocol") != "pop3" || q.Get("lang") != "fr" || q.Get("client") != "evolution" {
		t.Errorf("the choice led to %s", here)
	}
	w.visit(t, "/providers")
	w.do(t, chromedp.SendKeys(chromedp.ID("search"), "wanadoo\r"))
	w.wait(t, "location.search && document.getElementById('orange.fr')")
	if n := eval[int](t, w, "document.querySelectorAll('tbody tr').length"); n != 1 {
		t.Errorf("%d providers are found", n)
	}
	w.check(t)
}

// On a telephone the list has the providers' names, and few screens; what a link leads to
// and what a search leaves is whole.
func TestBrowserProvidersFolded(t *testing.T) {
	w := open(t)
	w.do(t, screen(390, 844, true))
	w.visit(t, "/providers")
	high := eval[int](t, w, "document.scrollingElement.scrollHeight")
	t.Logf("%d px", high)
	cells := "[...document.querySelectorAll('tbody td')].filter(e => e.checkVisibility()).length"
	if n := eval[int](t, w, cells); n != 0 || high > 7000 {
		t.Errorf("%d cells on %d px", n, high)
	}
	w.visit(t, "/providers#orange.fr")
	if n := eval[int](t, w, cells); n != 3 {
		t.Errorf("%d cells of the one that a link leads to", n)
	}
	w.visit(t, "/providers?q=orange.fr")
	if n := eval[int](t, w, cells); n == 0 {
		t.Error("what a search leaves is folded")
	}
}

// The list narrows while one types, and says how many there are.
func TestBrowserProviders(t *testing.T) {
	w := open(t)
	w.visit(t, "/providers")
	if n := eval[int](t, w, "document.querySelectorAll('tbody tr').length"); n != 100 { // a full page
		t.Errorf("%d providers", n)
	}
	w.do(t, chromedp.SendKeys(chromedp.ID("search"), "swisscom"))
	w.wait(t, "document.querySelectorAll('tbody tr').length === 1")
	w.wait(t, "document.getElementById('said').textContent === 'Found: 1'")
	w.wait(t, "location.search.includes('q=swisscom')") // who types slowly has asked for less before
	if !eval[bool](t, w, "document.activeElement.id === 'search'") {
		t.Error("the field lost the focus")
	}
	w.visit(t, "/providers?country=FR&sort=country&lang=es")
	if got := eval[string](t, w, "document.getElementById('country').selectedOptions[0].textContent"); got != "Francia" {
		t.Error(got)
	}
	w.click(t, "[id='orange.fr'] a")
	w.wait(t, "document.getElementById('imap')")
	if got := eval[string](t, w, "location.pathname + location.search"); got != "/providers/orange.fr?lang=es" {
		t.Error(got)
	}
	w.check(t)
}
