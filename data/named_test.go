package data_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"milepost/address"
)

// The domains beyond the ISP database that most people use, and the hosters' MX
// domains, are served, or docs/doubts.md says why not.
func TestNamedDomains(t *testing.T) {
	text, err := os.ReadFile("../docs/doubts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, missing, ok := strings.Cut(string(text), "\n## What is not shipped\n")
	if !ok {
		t.Fatal("docs/doubts.md has no section “What is not shipped”")
	}
	c := shipped(t)
	for name, names := range map[string][]string{
		"Americas": {
			"bol.com.br", "frontier.com", "globo.com", "ig.com.br", "juno.com", "optonline.net", "rogers.com", "shaw.ca",
			"telus.net", "terra.com.br", "videotron.ca", "windstream.net",
		},
		"Asia": {
			"139.com", "189.cn", "aliyun.com", "au.com", "docomo.ne.jp", "ezweb.ne.jp", "hinet.net", "i.softbank.jp",
			"kakao.com", "mynet.com", "nate.com", "sina.com", "softbank.ne.jp", "sohu.com", "walla.co.il",
		},
		"Australia": {"iinet.net.au", "optusnet.com.au", "tpg.com.au"},
		"Europe": {
			"abv.bg", "atlas.cz", "azet.sk", "blueyonder.co.uk", "centrum.cz", "chello.at", "freemail.hu", "hispeed.ch",
			"i.ua", "inbox.lv", "ntlworld.com", "family.plus.com", "scarlet.be", "talktalk.net", "telia.com", "terra.es",
			"tin.it", "ukr.net", "virgin.net", "vodafone.de", "volny.cz",
		},
		"hosters": {
			"agenturserver.de", "inbound-smtp.eu-west-1.amazonaws.com", "kasserver.com", "mail.hostpoint.ch", "mail.register.it",
			"mxe80f.netcup.net", "privateemail.com",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var left []string
			for _, name := range names {
				d, err := address.ParseDomain(name)
				if err != nil {
					t.Fatal(err)
				}
				_, served := c.LookupWithoutDefault(d)
				switch explained := strings.Contains(missing, "`"+name+"`"); {
				case !served && !explained:
					t.Errorf("%s is not served, and docs/doubts.md does not say why", name)
				case served && explained && name != "i.softbank.jp": // where its other name leads
					t.Errorf("%s is served, and docs/doubts.md says that it is not", name)
				case !served:
					left = append(left, name)
				}
			}
			slices.Sort(left)
			t.Logf("%d of %d are served; not %v", len(names)-len(left), len(names), left)
		})
	}
}
