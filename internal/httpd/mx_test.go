package httpd_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/fixture"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/snapshot"
)

// dnsOf has the MX host of each domain.
type dnsOf map[string]address.Domain

func (dns dnsOf) MX(_ context.Context, d address.Domain) []address.Domain {
	if host, ok := dns[d.ASCII]; ok {
		return []address.Domain{host}
	}
	return nil
}

// A domain that is looked up by its MX host is answered to those for whom the
// configuration wants it; the answer says so, and nobody keeps it.
func TestByMX(t *testing.T) {
	c := fixture.Catalogue(t, "hoster.toml", `display_name = "Hoster & Sons"
short_name = "Hoster"
domains = ["hoster.example"]
mx = ["mx.hoster.example"]
[[incoming]]
protocol = "imap"
hostname = "imap.hoster.example"
[[outgoing]]
hostname = "smtp.hoster.example"
`)
	const query = "?emailaddress=fred@customer.example"
	const pox = "<Autodiscover><Request><EMailAddress>fred@customer.example</EMailAddress></Request></Autodiscover>"
	requests := map[string]string{
		"page":         "GET /setup" + query + " HTTP/1.1\nHost: x\n\n",
		"JSON":         "GET /api/v1/settings" + query + " HTTP/1.1\nHost: x\n\n",
		"profile":      "GET /mobileconfig" + query + " HTTP/1.1\nHost: x\n\n",
		"autoconfig":   "GET /mail/config-v1.1.xml" + query + " HTTP/1.1\nHost: x\n\n",
		"autodiscover": fmt.Sprintf("POST /autodiscover/autodiscover.xml HTTP/1.1\nHost: x\nContent-Length: %d\n\n%s", len(pox), pox),
	}
	for _, tc := range []struct {
		name     string
		mx       config.MX
		resolver bool
		answered string
	}{
		{"for people", config.MXPages, true, "page JSON profile"},
		{"for all", config.MXAll, true, "page JSON profile autoconfig autodiscover"},
		{"for nobody", config.MXOff, true, ""},
		{"no resolver", config.MXAll, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := snapshot.New(c, pages.Branding{}, "")
			if err != nil {
				t.Fatal(err)
			}
			s.Config.Lookup.MX = tc.mx
			o := httpd.Options{Current: func() *snapshot.Snapshot { return s }}
			dns := dnsOf{"customer.example": fixture.Domain(t, "in.mx.hoster.example")}
			if tc.resolver {
				o.Resolver = dns
			}
			addr := startOptions(t, o, io.Discard)
			for name, request := range requests {
				resp, body := ask(t, addr, request)
				got := resp.StatusCode == http.StatusOK && strings.Contains(body, "imap.hoster.example")
				if want := strings.Contains(tc.answered, name); got != want {
					t.Errorf("%s: answered %t\n%s", name, got, body)
				}
				if cache := resp.Header.Get("Cache-Control"); got && !strings.Contains(cache, "no-store") {
					t.Errorf("%s: %s", name, cache)
				}
				for form, said := range map[string]string{
					"page":       "<p class=\"quiet\">The mail of <bdi>customer.example</bdi> goes to <bdi>in.mx.hoster.example</bdi>, a server of <b><bdi>Hoster</bdi></b>: so these are the settings of <bdi>Hoster</bdi>.</p>",
					"JSON":       `"mx_host": "in.mx.hoster.example"`,
					"autoconfig": "<domain>customer.example</domain>\n    <domain purpose=\"mx\">mx.hoster.example</domain>\n    <displayName>Hoster &amp; Sons</displayName>",
				} {
					if got && form == name && !strings.Contains(body, said) {
						t.Errorf("%s does not say %s\n%s", name, said, body)
					}
				}
			}
			delete(dns, "customer.example") // the customer has left
			for name, request := range requests {
				if _, body := ask(t, addr, request); strings.Contains(body, "imap.hoster.example") {
					t.Errorf("%s is answered from what was kept", name)
				}
			}
		})
	}
}
