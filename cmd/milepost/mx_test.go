package main

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/internal/fixture"
)

// A company's domain is found by its MX host, with show -mx and on the pages.
func TestMX(t *testing.T) {
	resolver := fixture.NameServer(t, fixture.FreePort(t, "127.0.0.1"), func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Name == "company.example." {
			m.Answer = append(m.Answer, fixture.Record(t, "company.example. 300 IN MX 1 aspmx.l.google.com."))
		}
		w.WriteMsg(m)
	})
	set := []string{"-set", "lookup.resolver=" + resolver}
	const said = "mail of company.example goes to aspmx.l.google.com, so these are the settings of "
	for _, tc := range []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"autoconfig", []string{"-mx", "fred@company.example"}, 0, "<domain>company.example</domain>", "milepost: " + said},
		{"text", []string{"-mx", "-format", "text", "fred@company.example"}, 0, "\n" + said, ""},
		{"json", []string{"-mx", "-format", "json", "fred@company.example"}, 0, `"id": "gmail.com"`, said},
		{"all servers", []string{"-mx", "-all-servers", "company.example"}, 0, "<domain>gmail.com</domain>", said},
		{"no MX", []string{"-mx", "fred@family.example"}, 1, "", "no provider is known for the domain family.example"},
		{"not asked", []string{"fred@company.example"}, 1, "", "with -mx, DNS is asked which provider has its mail"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := milepost(t, append(append([]string{"show"}, set...), tc.args...)...)
			if code != tc.code || !strings.Contains(stdout, tc.stdout) || !strings.Contains(stderr, tc.stderr) || tc.stderr == "" && stderr != "" {
				t.Errorf("%d\n%s\n%s", code, stdout, stderr)
			}
		})
	}

	p := startProcess(t, set...)
	if status, body := get(t, "http://"+p.addr+"/setup?emailaddress=fred@company.example"); status != 200 || !strings.Contains(body, "aspmx.l.google.com") {
		t.Errorf("the page: %d", status)
	}
	if status, _ := get(t, "http://"+p.addr+"/mail/config-v1.1.xml?emailaddress=fred@company.example"); status != 404 {
		t.Errorf("autoconfig: %d", status)
	}
}
