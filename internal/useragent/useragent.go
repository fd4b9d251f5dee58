// Package useragent tells which kind of client sent a request, by its User-Agent
// header (RFC 9110 §10.1.5). The header itself is a stranger's text: it goes into no
// log and no metric.
//
// Several clients cannot be told apart: Geary and Delta Chat send no such header,
// and FairEmail sends that of the phone's browser.
package useragent

import "strings"

// Class is one of a closed list of clients.
type Class uint8

const (
	Other              Class = iota
	None                     // no header, or an empty one
	Thunderbird              // on a desktop
	ThunderbirdAndroid       // and K-9 Mail: they send what OkHttp sends by itself
	Evolution
	KMail         // and whatever else fetches with KDE's KIO
	Outlook       // and other programs of Microsoft Office, on Windows and macOS
	OutlookMobile // its cloud service, and the app
	Apple         // the daemons of iOS and macOS that set accounts up
	AndroidMail   // Exchange accounts of Gmail's app
	EWS           // libraries for Exchange Web Services
	Browser
	Script     // curl, and the libraries of programming languages
	Monitoring // probes and scrapers

	classes // how many there are
)

var names = [classes]string{
	"other", "none", "thunderbird", "thunderbird-android", "evolution", "kmail", "outlook", "outlook-mobile", "apple",
	"android-mail", "ews", "browser", "script", "monitoring",
}

func (c Class) String() string { return names[c] }

// Names are the names of all classes, in their order.
func Names() []string { return names[:] }

// longest is how much of a header is looked at. A browser names itself within it.
const longest = 256 // octets

type prefix struct {
	text  string
	class Class
}

// prefixes are how the products name themselves, by the first octet.
var prefixes = func() (by [256][]prefix) {
	for _, p := range []prefix{
		{"okhttp/", ThunderbirdAndroid},
		{"Evolution/", Evolution},
		{"Microsoft Office/", Outlook},
		{"Microsoft Outlook", Outlook},
		{"MacOutlook/", Outlook},
		{"Microsoft-MacOutlook/", Outlook},
		{"OutlookMobileCloudService", OutlookMobile},
		{"Outlook-iOS", OutlookMobile}, // also Outlook-iOS-Android
		{"iOS/", Apple},
		{"macOS/", Apple},
		{"Mac OS X/", Apple},
		{"Apple-", Apple}, // Apple-iPhone14C5/…: ActiveSync
		{"Android-Mail/", AndroidMail},
		{"ExchangeServicesClient/", EWS},
		{"curl/", Script},
		{"Wget/", Script},
		{"python-requests/", Script},
		{"Python-urllib/", Script},
		{"Go-http-client/", Script},
		{"Java/", Script},
		{"axios/", Script},
		{"node", Script},
		{"Blackbox Exporter/", Monitoring},
		{"Prometheus/", Monitoring},
		{"kube-probe/", Monitoring},
		{"check_http/", Monitoring},
		{"Uptime-Kuma/", Monitoring},
		{"UptimeRobot/", Monitoring},
		{"Zabbix", Monitoring},
		{"ELB-HealthChecker/", Monitoring},
		{"GoogleHC/", Monitoring},
	} {
		by[p.text[0]] = append(by[p.text[0]], p)
	}
	return by
}()

// ClassOf finds the class of a User-Agent header.
func ClassOf(header string) Class {
	if header == "" {
		return None
	}
	header = header[:min(len(header), longest)]
	if strings.HasPrefix(header, "Mozilla/") {
		switch {
		case strings.Contains(header, "Thunderbird/"):
			return Thunderbird
		case strings.Contains(header, " KIO/"):
			return KMail
		case strings.Contains(header, "UptimeRobot/"):
			return Monitoring
		}
		return Browser
	}
	for _, p := range prefixes[header[0]] {
		if strings.HasPrefix(header, p.text) {
			return p.class
		}
	}
	return Other
}
