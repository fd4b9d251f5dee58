package providerfile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"milepost/address"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/settings"
)

// ascii passes over the letters in which a domain was written.
var ascii = cmp.Comparer(func(a, b address.Domain) bool { return a.ASCII == b.ASCII })

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
		if diff := cmp.Diff(p, e.Provider, ascii, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got)\n%s\n%s", p.ID, diff, text)
		}
	}
}

// Whatever the layout of a file, what is added is read, and the rest stays.
func TestAdd(t *testing.T) {
	example := func(name string) settings.DomainPattern {
		return settings.DomainPattern{Domain: fixture.Domain(t, name)}
	}
	many := &settings.Provider{}
	for i := range 40 {
		many.Domains = append(many.Domains, example(fmt.Sprintf("customer-%d.example", i)))
	}
	one := &settings.Provider{Domains: []settings.DomainPattern{example("new.example")}}
	rest := strings.SplitAfter(fixture.Family, "domains = [\"example.com\"]\n")[1]
	for name, tc := range map[string]struct {
		file string
		more *settings.Provider
		want string // the file's start; empty: an error
	}{
		"one line":          {"domains = [\"example.com\"]\n" + rest, one, "domains = [\"example.com\",\n  \"new.example\",\n]\n[[incoming]]"},
		"no space":          {"domains=['example.com']\n" + rest, one, "domains=['example.com',\n  \"new.example\",\n]\n"},
		"comma at the end":  {"domains = [\n\t\"example.com\", # a ] \"quote\n\t]\n" + rest, one, "domains = [\n\t\"example.com\", # a ] \"quote\n  \"new.example\",\n\t]\n"},
		"empty":             {"mx = [\"mx.example\"]\ndomains = []\n" + rest, one, "mx = [\"mx.example\"]\ndomains = [\n  \"new.example\",\n]\n"},
		"no domains":        {"mx = [\"mx.example\"]\n\n# Servers\n" + rest, one, "mx = [\"mx.example\"]\ndomains = [\"new.example\"]\n\n# Servers\n[[incoming]]"},
		"in the same line":  {"domains = [\"example.com\"] # ours\n" + rest, one, "domains = [\"example.com\",\n  \"new.example\",\n] # ours\n"},
		"carriage returns":  {"domains = [\r\n  \"example.com\"\r\n]\r\n" + rest, one, "domains = [\r\n  \"example.com\",\r\n  \"new.example\",\n]\r\n"},
		"many":              {"domains = [\"example.com\"]\n" + rest, many, "domains = [\"example.com\",\n  \"customer-0.example\", \"customer-1.example\", "},
		"no array":          {"domains = 1\nmx = []\n" + rest, one, ""},
		"a key, no newline": {"domains = [\"example.com\"]\n" + strings.TrimSpace(rest), &settings.Provider{Webmail: "https://example.com/"}, "domains = [\"example.com\"]\nwebmail = \"https://example.com/\"\n[[incoming]]"},
	} {
		t.Run(name, func(t *testing.T) {
			file := "display_name = \"Example\"\n" + tc.file
			got, err := providerfile.Add([]byte(file), tc.more)
			text, ok := strings.CutPrefix(string(got), "display_name = \"Example\"\n")
			e, _, mistakes := providerfile.Directory{}.Parse("a.toml", got)
			if tc.want == "" {
				if err == nil && len(mistakes) == 0 {
					t.Errorf("taken:\n%s", got)
				}
				return
			}
			if err != nil || !ok || !strings.HasPrefix(text, tc.want) || len(mistakes) > 0 {
				t.Fatalf("%v %v\n%s", err, mistakes, got)
			}
			for _, d := range tc.more.Domains {
				if !slices.Contains(e.Provider.Domains, d) {
					t.Errorf("%s is missing in\n%s", d, got)
				}
			}
		})
	}
}
