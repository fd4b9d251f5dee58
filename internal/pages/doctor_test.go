package pages_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"milepost/internal/fixture"
	"milepost/internal/webdoctor"
)

// doctorPaths are the pages of the doctor, once example.com has been examined.
var doctorPaths = []string{"/doctor", "/doctor?domain=example.com", "/doctor/nobody.com", "/doctor/example.com", "/setup?emailaddress=fred%40gmx.com", "/setup?emailaddress=fred%40unknown.example"}

// openDoctor opens pages before a world whose web and mail servers answer once they are
// let go.
func openDoctor(t *testing.T) (w *world, release func()) {
	t.Helper()
	outside := fixture.OpenWorld(t, fixture.ReadPage(t, "../webdoctor/testdata/inside.txtar"))
	gate := make(chan struct{})
	w = openBefore(t, webdoctor.New(webdoctor.Options{Resolvers: []string{outside.Resolver}, Roots: outside.Roots,
		Allow: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if network == "tcp" {
				select {
				case <-gate:
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return outside.Dial(ctx, network, address)
		}}))
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	return w, release
}

const examinedBy = "document.querySelector('h1')?.textContent.startsWith('example.com: grade ')"

// A domain is typed, the page follows the diagnosis live, and its result is one that others
// can open. What it says of errors is reached from the table.
func TestBrowserDoctor(t *testing.T) {
	w, release := openDoctor(t)
	w.visit(t, "/doctor")
	w.do(t, chromedp.SendKeys(chromedp.CSS("#address"), "fred@example.com"))
	w.click(t, ".ask button")
	w.wait(t, "location.pathname === '/doctor/example.com' && document.querySelector('progress')?.max > 10")
	if got := eval[bool](t, w, "window.stays = true"); !got {
		t.Error(got)
	}
	release()
	w.wait(t, examinedBy)
	if !eval[bool](t, w, "window.stays && document.title.startsWith('example.com: grade ') && !location.href.includes('fred')") {
		t.Error("the page was loaded anew, has another title, or names a person")
	}
	w.click(t, "tbody a[href^='#']")
	w.wait(t, "document.querySelector(':target')?.closest('.finding')")
	w.check(t)
}

// Without script the page looks again by itself.
func TestBrowserDoctorWithoutScript(t *testing.T) {
	w, release := openDoctor(t)
	w.do(t, call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	w.visit(t, "/doctor?domain=example.com")
	w.click(t, ".ask button")
	w.wait(t, "document.querySelector('progress')")
	release()
	w.wait(t, examinedBy)
	w.check(t)
}

func TestBrowserDoctorAccessible(t *testing.T) {
	w, release := openDoctor(t)
	release()
	w.visit(t, "/doctor?domain=example.com")
	w.click(t, ".ask button")
	w.wait(t, examinedBy)
	t.Run("narrow", func(t *testing.T) { w.narrow(t, doctorPaths) })
	t.Run("axe", func(t *testing.T) { w.accessible(t, axe(t), doctorPaths) })
}
