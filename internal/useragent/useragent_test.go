package useragent_test

import (
	"slices"
	"strings"
	"testing"

	"milepost/internal/useragent"
)

// What real clients send, each with where it was seen.
var seen = []struct{ name, header, want string }{
	{"Delta Chat and Geary, seen on the wire", "", "none"},
	{"Thunderbird: nsHttpHandler, as its mails have it", "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.4.2", "thunderbird"},
	{"Thunderbird on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:115.0) Gecko/20100101 Thunderbird/115.6.0", "thunderbird"},
	{"K-9: ThunderbirdAutoconfigFetcher sets none, so OkHttp's", "okhttp/4.12.0", "thunderbird-android"},
	{"Evolution: every SoupMessage of it", "Evolution/3.46.4", "evolution"},
	{"KDE: KIO's default", "Mozilla/5.0 (X11; Linux x86_64) KHTML/5.37.0 (like Gecko) Konqueror/5 KIO/5.37", "kmail"},
	{"Outlook, BlueMind's manual: access.log", "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.11601; Pro)", "outlook"},
	{"Outlook on macOS, as its mails have it", "Microsoft-MacOutlook/16.38.20061401", "outlook"},
	{"the new Outlook, access.log of an admin's notes on autodiscover", "OutlookMobileCloudService-Autodetect/1.0.0", "outlook-mobile"},
	{"Outlook's app, log of an Exchange server", "Outlook-iOS-Android/1.0", "outlook-mobile"},
	{"iOS, log of a CalDAV server", "iOS/26.5 (23F77) dataaccessd/1.0", "apple"},
	{"iOS, subscribing", "iOS/14.0 (18A373) accountsd/1.0", "apple"},
	{"macOS", "macOS/13.4 (22F66) dataaccessd/1.0", "apple"},
	{"Gmail's app with an Exchange account: its DeviceInformation", "Android-Mail/2020.11.29.346182102.Release", "android-mail"},
	{"EWS Managed API, the trace in Microsoft's own manual", "ExchangeServicesClient/15.00.0516.014", "ews"},
	{"FairEmail sends what WebView does", "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/119.0.0.0 Mobile Safari/537.36", "browser"},
	{"Firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "browser"},
	{"curl", "curl/7.88.1", "script"},
	{"net/http", "Go-http-client/1.1", "script"},
	{"the blackbox exporter, access.log", "Blackbox Exporter/0.25.0", "monitoring"},
	{"Nagios, access.log", "check_http/v2.3.1 (monitoring-plugins 2.3.1)", "monitoring"},
	{"Kubernetes", "kube-probe/1.29", "monitoring"},
	{"Uptime Kuma", "Uptime-Kuma/1.23.16", "monitoring"},
	{"anything else", "fred@example.com", "other"},
	{"a class's name that is no product", "thunderbird", "other"},
	{"a letter of no product", "\xff", "other"},
	{"a name too far behind", "Mozilla/5.0 " + strings.Repeat("x", 300) + " Thunderbird/1", "browser"},
}

func TestClassOf(t *testing.T) {
	met := make(map[string]bool)
	for _, tc := range seen {
		if got := useragent.ClassOf(tc.header).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		met[tc.want] = true
	}
	for _, name := range useragent.Names() {
		if name == "" || !met[name] {
			t.Errorf("nothing here is %q", name)
		}
	}
}

// Whatever a stranger writes is one of the list.
func FuzzClassOf(f *testing.F) {
	for _, tc := range seen {
		f.Add(tc.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if got := useragent.ClassOf(header).String(); !slices.Contains(useragent.Names(), got) {
			t.Error(got)
		}
	})
}

func BenchmarkClassOf(b *testing.B) {
	for _, name := range []int{0, 1, 6, 16, 19} {
		b.Run(seen[name].want, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				useragent.ClassOf(seen[name].header)
			}
		})
	}
}
