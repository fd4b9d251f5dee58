package autodiscover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Outlook's request stands on one line, Thunderbird's is indented.
func TestReadPlain(t *testing.T) {
	const outlook = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>` +
		`<EMailAddress>fred@example.com</EMailAddress><AcceptableResponseSchema>x</AcceptableResponseSchema></Request></Autodiscover>`
	thunderbird := strings.NewReplacer("><", ">\n      <").Replace(outlook)
	for name, tc := range map[string]struct {
		text string
		want bool
	}{
		"Outlook":             {outlook, true},
		"Thunderbird":         {thunderbird, true},
		"an entity":           {strings.Replace(outlook, "fred", "o&amp;m", 1), false},
		"a comment":           {strings.Replace(outlook, "fred", "<!-- -->", 1), false},
		"one element more":    {strings.Replace(outlook, "<Request>", "<Request><LegacyDN>/o=x</LegacyDN>", 1), false},
		"a second request":    {strings.Replace(outlook, "</Request>", "</Request><Request></Request>", 1), false},
		"an attribute more":   {strings.Replace(outlook, `2006">`, `2006" a="b">`, 1), false},
		"text between":        {strings.Replace(outlook, "<Request>", "<Request>text", 1), false},
		"text behind":         {outlook + "text", false},
		"a form feed between": {strings.Replace(outlook, "<Request>", "\f<Request>", 1), false},
	} {
		if _, ok := readPlain(tc.text); ok != tc.want {
			t.Errorf("%s: %t", name, ok)
		}
	}
}

// What the short way of reading takes, the long way reads to the same fields.
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
		short, ok := readPlain(text)
		if !ok {
			return
		}
		long, err := readXML(text)
		if err != nil {
			t.Fatalf("%q: the long way says: %v", text, err)
		}
		if diff := cmp.Diff(long, short, cmp.AllowUnexported(fields{})); diff != "" {
			t.Fatalf("%q (-long +short):\n%s", text, diff)
		}
	})
}
