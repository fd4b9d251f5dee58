package autodiscover

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the short way of reading takes, the long way reads to the same fields and
// with the same error.
func FuzzReadPlain(f *testing.F) {
	const open = `<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>`
	for _, text := range []string{
		open + "<EMailAddress>fred@example.com</EMailAddress>\n\t<AcceptableResponseSchema> x </AcceptableResponseSchema></Request></Autodiscover>",
		open + "<EMailAddress>fred<b>@example.com</b></EMailAddress></Request></Autodiscover>",
		open + "<LegacyDN>/o=x</LegacyDN><EMailAddress>a>b</EMailAddress></Request></AUTODISCOVER>",
		open + "</Request></Autodiscover><Autodiscover/>",
		open + "</Request></Autodiscover> text",
		open + "<a><a><a><a><a>",
		`<Autodiscover xmlns="a<b"></Autodiscover>`, `<Autodiscover xmlns="a"b"></Autodiscover>`, `<Autodiscover xmlns=""></Autodiscover>`,
		`<Autodiscover xmlns="a" xmlns="b"></Autodiscover>`, "<Autodiscover></Autodiscover", "<Autodiscover", "<Envelope>", "</Autodiscover>", "</", "404 not found", "",
		"<Autodiscover><Request xmlns=\"a\"></Request></Autodiscover>", "<Autodiscover>]]></Autodiscover>", "<?xml version=\"1.1\"?><Autodiscover></Autodiscover>",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var short, long fields
		ok, err := short.readPlain(text)
		if !ok && err == nil {
			return
		}
		errLong := long.readXML(text)
		if (err == nil) != (errLong == nil) || err != nil && err.Error() != errLong.Error() {
			t.Fatalf("%q: %v, the long way: %v", text, err, errLong)
		}
		if diff := cmp.Diff(long, short, cmp.AllowUnexported(fields{}), cmp.Comparer(func(a, b []byte) bool { return true })); err == nil && diff != "" {
			t.Fatalf("%q (-long +short):\n%s", text, diff)
		}
	})
}
