package autodiscover_test

import (
	"testing"

	"milepost/autodiscover"
)

func TestCanonicalPath(t *testing.T) {
	for _, tc := range []struct {
		name, path, want string
		ours             bool
	}{
		{"as it is", "/autodiscover/autodiscover.xml", autodiscover.POXPath, true},
		{"exchangelib", "/Autodiscover/Autodiscover.xml", autodiscover.POXPath, true},
		{"JSON", "/AutoDiscover/AutoDiscover.JSON", autodiscover.JSONPath, true},
		{"an address behind it", "/AUTODISCOVER/autodiscover.json/V1.0/Fred@Example.com", autodiscover.JSONAddressPath + "Fred@Example.com", true},
		{"no address behind it", "/autodiscover/autodiscover.json/v1.0/", "/autodiscover/autodiscover.json/v1.0/", false},
		{"SOAP", "/autodiscover/Autodiscover.svc", "/autodiscover/Autodiscover.svc", false},
		{"another format's", "/mail/config-v1.1.xml", "/mail/config-v1.1.xml", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, ours := autodiscover.CanonicalPath(tc.path); got != tc.want || ours != tc.ours {
				t.Errorf("%s, %t", got, ours)
			}
		})
	}
}
