package formats_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/address"
	"milepost/autodiscover"
	"milepost/internal/fixture"
	"milepost/internal/formats"
	"milepost/internal/lookup"
	"milepost/mobileconfig"
	"milepost/pacc"
	"milepost/settings"
)

// A row has all that httpd needs of it, and no two answer the same request.
func TestRows(t *testing.T) {
	names, asked := make(map[string]bool), make(map[string]bool)
	for i, f := range formats.Table() {
		if f.Name != "" && names[f.Name] {
			t.Errorf("row %d: the name %s stands twice", i, f.Name)
		}
		names[f.Name] = true
		served := len(f.Paths) > 0
		if f.Render == nil || f.ContentType == "" || served != (f.Parse != nil) || served != (f.Refuse != nil) || served != (len(f.Methods) > 0) || !served && f.Name == "" {
			t.Errorf("row %d lacks something: %+v", i, f)
		}
		if slices.Contains(f.Methods, http.MethodPost) != (f.MaxBody > 0) {
			t.Errorf("row %d takes %d octets by %s", i, f.MaxBody, f.Methods)
		}
		for _, path := range f.Paths {
			for _, method := range f.Methods {
				if asked[method+path] {
					t.Errorf("row %d: %s %s stands twice", i, method, path)
				}
				asked[method+path] = true
			}
		}
	}
	if len(asked) < 20 {
		t.Errorf("only %d requests are answered", len(asked))
	}
}

// Every format that show prints is found by its name, and renders.
func TestNamed(t *testing.T) {
	account := fixture.Account(t, fixture.Shipped(t), "fred@outlook.com") // which has ActiveSync
	gmx := fixture.Account(t, fixture.Shipped(t), "fred@gmx.com")         // which takes passwords
	policy := fixture.Account(t, fixture.Catalogue(t, "a.toml", fixture.Family+"[mta_sts]\nmode = \"testing\"\nmx = [\"mail.example.com\"]\n"), "fred@example.com")
	domain := policy.Provider.For(address.Address{Domain: policy.Address.Domain})
	options := formats.Options{Protocol: "AutodiscoverV1", Profile: mobileconfig.Options{Lang: "en"}}
	for _, tc := range []struct {
		name    string
		account settings.Account
		want    string
	}{
		{"autoconfig", account, `<clientConfig version="1.1">`},
		{"autodiscover", account, "<Server>outlook.office365.com</Server>"},
		{"mobilesync", account, "<Url>https://outlook.office365.com/Microsoft-Server-ActiveSync</Url>"},
		{"autodiscover-json", account, `"Url":"https://autodiscover.outlook.com/autodiscover/autodiscover.xml"`},
		{"mobileconfig", gmx, "<string>com.apple.mail.managed</string>"},
		{"pacc", domain, `"submit":{"host":"mail.example.com"}`},
		{"mta-sts", policy, "mode: testing\r\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, ok := formats.Named(tc.name)
			if !ok || f.Name != tc.name {
				t.Fatalf("%+v", f)
			}
			doc, err := f.Render([]settings.Account{tc.account}, options)
			if err != nil || !strings.Contains(string(doc), tc.want) {
				t.Errorf("%v\n%s", err, doc)
			}
		})
	}
	if got, want := strings.Join(formats.Names(), " "), "autoconfig autodiscover mobilesync autodiscover-json mobileconfig pacc mta-sts"; got != want {
		t.Errorf("the names are %s, want %s", got, want)
	}
	for _, name := range []string{"", "yaml"} {
		if f, ok := formats.Named(name); ok {
			t.Errorf("%q is %+v", name, f)
		}
	}
}

// row finds the row that answers a request.
func row(t *testing.T, method, path string) formats.Format {
	t.Helper()
	all := formats.Table()
	i := slices.IndexFunc(all, func(f formats.Format) bool {
		return slices.Contains(f.Methods, method) && slices.Contains(f.Paths, path)
	})
	if i < 0 {
		t.Fatalf("nothing answers %s %s", method, path)
	}
	return all[i]
}

func TestParse(t *testing.T) {
	const pox = `<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>fred@example.com</EMailAddress></Request></Autodiscover>`
	for _, tc := range []struct {
		name, method, path string
		request            formats.Request
		want, err          string // addresses, and the Host's domain
	}{
		{"autoconfig", "GET", "/mail/config-v1.1.xml", formats.Request{Host: "autoconfig.example.com", RawQuery: "emailaddress=fred@example.net"}, "fred@example.net Host example.com", ""},
		{"ISP database", "GET", "/v1.1/:domain", formats.Request{Host: "autoconfig.example.com", Path: "/v1.1/example.net"}, "@example.net Host ", ""},
		{"POX", "POST", autodiscover.POXPath, formats.Request{Host: "autodiscover.example.com", Body: []byte(pox)}, "fred@example.com Host ", ""},
		{"POX that is none", "POST", autodiscover.POXPath, formats.Request{Body: []byte("<a>")}, "", "autodiscover error 600: "},
		{"POX by GET", "GET", autodiscover.POXPath, formats.Request{Host: "autodiscover.example.com", HTTPS: true, PublicURL: "https://mail.example.net"}, "@ Host example.com", ""},
		{"POX by GET, in clear text", "GET", autodiscover.POXPath, formats.Request{Host: "Autodiscover.example.com", PublicURL: "https://mail.example.net"}, "", "the answer is at https://mail.example.net/autodiscover/autodiscover.xml"},
		{"POX by GET, without a public address", "GET", autodiscover.POXPath, formats.Request{Host: "autodiscover.example.com"}, "@ Host example.com", ""},
		{"PACC", "GET", pacc.Path, formats.Request{Host: "ua-auto-config.example.com", HTTPS: true}, "@ Host example.com", ""},
		{"PACC in clear text", "GET", pacc.Path, formats.Request{Host: "ua-auto-config.example.com"}, "", "the document is served over HTTPS alone"},
		{"JSON", "GET", autodiscover.JSONPath, formats.Request{Path: autodiscover.JSONPath, RawQuery: "Email=fred@example.com&Protocol=Ews"}, "fred@example.com Host ", ""},
		{"JSON without address", "GET", autodiscover.JSONPath, formats.Request{Path: autodiscover.JSONPath}, "", "MandatoryParameterMissing: "},
		{"profile of two", "GET", mobileconfig.Paths[0], formats.Request{RawQuery: "emailaddress=fred@example.com,anna@example.net"}, "fred@example.com anna@example.net Host ", ""},
		{"profile of nobody", "GET", mobileconfig.Paths[0], formats.Request{}, "", "the address is missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.request.Path == "" {
				tc.request.Path = tc.path
			}
			q, _, err := row(t, tc.method, tc.path).Parse(tc.request)
			if tc.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tc.err) {
					t.Errorf("error %v, want %s", err, tc.err)
				}
				return
			}
			var words []string
			for _, a := range q.Addresses {
				words = append(words, a.Local+"@"+a.Domain.ASCII)
			}
			if got := strings.Join(words, " ") + " Host " + q.Host.Domain().ASCII; err != nil || q.Err != nil || got != tc.want {
				t.Errorf("%s, %v %v", got, err, q.Err)
			}
		})
	}
}

// What clients read in a refusal, and when they go on looking.
func TestRefusals(t *testing.T) {
	now := time.Date(2026, 1, 2, 13, 4, 5, 60_700_000, time.FixedZone("", 3600))
	unknown := &lookup.UnknownDomain{Domain: fixture.Domain(t, "example.org")}
	oauth2 := mobileconfig.Check(fixture.Account(t, fixture.Shipped(t), "fred@outlook.com"), mobileconfig.Options{})
	if !errors.Is(oauth2, mobileconfig.ErrNotExpressible) {
		t.Fatal(oauth2)
	}
	for _, tc := range []struct {
		name, method, path string
		err                error
		status             int
		body               string // a part; empty: none, so the error itself
	}{
		{"autoconfig, unknown", "GET", "/mail/config-v1.1.xml", unknown, 404, ""},
		{"autoconfig, no address", "GET", "/mail/config-v1.1.xml", address.ErrNoAt, 404, ""},
		{"POX, unknown", "POST", autodiscover.POXPath, unknown, 404, ""},
		{"POX, no XML", "POST", autodiscover.POXPath, &autodiscover.Error{Code: autodiscover.InvalidRequest, Message: "no <XML>"}, 200, `<Error Time="12:04:05.0607000" Id="2477272013">`},
		{"POX, no ActiveSync", "POST", autodiscover.POXPath, &autodiscover.Error{Code: autodiscover.NotProvided}, 200, "<ErrorCode>601</ErrorCode>"},
		{"POX by GET, unknown", "GET", autodiscover.POXPath, unknown, 404, ""},
		{"JSON, unknown", "GET", autodiscover.JSONPath, unknown, 404, `{"ErrorCode":"UserNotFound","ErrorMessage":"The given user is not found."}`},
		{"JSON, no address", "GET", autodiscover.JSONPath, &autodiscover.JSONError{Status: 400, ErrorCode: "InvalidEmail", ErrorMessage: "No."}, 400, `{"ErrorCode":"InvalidEmail","ErrorMessage":"No."}`},
		{"JSON, a mistake of ours", "GET", autodiscover.JSONPath, errors.New("x"), 0, ""},
		{"profile, unknown", "GET", mobileconfig.Paths[0], unknown, 404, ""},
		{"profile, OAuth2 alone", "GET", mobileconfig.Paths[0], oauth2, 422, ""},
		{"profile, no address", "GET", mobileconfig.Paths[0], address.ErrNoAt, 400, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := row(t, tc.method, tc.path).Refuse(tc.err, now)
			if got.Status != tc.status || !strings.Contains(string(got.Body), tc.body) || (tc.body == "") != (len(got.Body) == 0) || (got.ContentType == "") != (tc.body == "") {
				t.Errorf("%d, %s\n%s", got.Status, got.ContentType, got.Body)
			}
		})
	}
}
