package providerfile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// What is written reads as the same provider, for every file that is shipped and for
// the keys that none of them has.
func TestWrite(t *testing.T) {
	all := fixture.Catalogue(t, "all.example.toml", `short_name = "All"
display_name = "All \"that\" \\ a file can say"
domains = ["example.com", "*.example.com", "*"]
mx = ["mx.example.net"]
kind = "mail-service"
country = "FR"
website = "http://example.com/"
webmail = "https://example.com/%EMAILADDRESS%"
apple_name = "Google"
google_name = "Outlook, Hotmail, and Live"
source = "https://example.com/source"
checked = 2026-03-05
closed = true
autodiscover_redirect_address = "%EMAILLOCALPART%@tenant.example.com"
[[incoming]]
protocol = "imap"
hostname = "imap.%EMAILDOMAIN%"
port = 10993
username = "%EMAILLOCALPART%"
authentication = ["OAuth2", "password-cleartext"]
devices = ["computer", "phone"]
[[incoming]]
protocol = "imap"
hostname = "odd.example.com"
port = 143
socket_type = "SSL"
[[incoming]]
protocol = "pop3"
hostname = "127.0.0.1"
[[outgoing]]
hostname = "mail.example.com"
socket_type = "plain"
authentication = ["none"]
[[outgoing]]
hostname = "mail.example.com"
port = 587
socket_type = "SSL"
[[setup]]
hostname = "sieve.example.com"
[[setup]]
hostname = "sieve2.example.com"
socket_type = "SSL"
[[service]]
protocol = "jmap"
url = "https://jmap.example.com/"
authentication = ["OAuth2"]
username = "fred"
[oauth2]
issuer = "https://login.example.com"
auth_url = "https://login.example.com/a"
token_url = "https://login.example.com/t"
scope = "a b"
client_id = "public"
[mta_sts]
mode = "enforce"
max_age = 86400
mx = ["*.example.com", "mx.example.net"]
[password]
kind = "bridge"
[[documentation]]
url = "https://example.com/help"
en = "Help"
pt-BR = "Ajuda"
[[enable]]
text.en = "Turn the key."
[[enable]]
protocols = ["imap"]
url = "https://example.com/imap"
text.fr = "Activez IMAP."
[notice]
en = "No\u00a0break"
`)
	for _, p := range append(fixture.Shipped(t).Providers(), all.Providers()...) {
		text := providerfile.Write(p, "from\nelsewhere\x00")
		e, _, mistakes := providerfile.Directory{}.Parse(p.ID+".toml", text)
		if len(mistakes) > 0 {
			t.Fatalf("%v\n%s", mistakes, text)
		}
		want := *p
		if p.Domains == nil {
			want.Domains = e.Provider.Domains
		}
		if diff := cmp.Diff(&want, e.Provider, cmp.Comparer(func(a, b settings.DomainPattern) bool { return a.String() == b.String() })); diff != "" {
			t.Errorf("%s (-want +got)\n%s\n%s", p.ID, diff, text)
		}
	}
}
