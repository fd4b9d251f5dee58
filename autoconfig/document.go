package autoconfig

import "milepost/settings"

// The elements as they are read. Leaves are lists because documents repeat
// them; the first counts, as in Thunderbird. Attributes and elements that are
// not here are passed over.

type document struct {
	Providers   []emailProvider `xml:"emailProvider"`
	Calendar    []section       `xml:"calendar"`
	AddressBook []section       `xml:"addressbook"`
	FileShare   []section       `xml:"fileShare"`
	Setup       []section       `xml:"setupServer"`
	OAuth2      oAuth2          `xml:"oAuth2"`
	Enable      []enable        `xml:"enable"`
	LoginPage   []loginPage     `xml:"webMail>loginPage"`
}

type emailProvider struct {
	ID               string          `xml:"id,attr"`
	Domain           []domain        `xml:"domain"`
	DisplayName      []string        `xml:"displayName"`
	DisplayShortName []string        `xml:"displayShortName"`
	Incoming         []section       `xml:"incomingServer"`
	Outgoing         []section       `xml:"outgoingServer"`
	Documentation    []documentation `xml:"documentation"`
	Enable           []enable        `xml:"enable"`
}

type domain struct {
	Purpose string `xml:"purpose,attr"`
	Name    string `xml:",chardata"`
}

type section struct {
	Type           string           `xml:"type,attr"`
	Hostname       []string         `xml:"hostname"`
	Port           []string         `xml:"port"`
	SocketType     []string         `xml:"socketType"`
	URL            []string         `xml:"url"`
	Authentication []authentication `xml:"authentication"`
	Username       []string         `xml:"username"`
}

type authentication struct {
	System string `xml:"system,attr"`
	Method string `xml:",chardata"`
}

type documentation struct {
	URL   string `xml:"url,attr"`
	Descr []text `xml:"descr"`
}

type enable struct {
	URL         string `xml:"visiturl,attr"`
	Instruction []text `xml:"instruction"`
}

type text struct {
	Lang  string `xml:"lang,attr"`
	Value string `xml:",chardata"`
}

type oAuth2 struct {
	AuthURL  []string `xml:"authURL"`
	TokenURL []string `xml:"tokenURL"`
	Issuer   []string `xml:"issuer"`
	Scope    []string `xml:"scope"`
	ClientID []string `xml:"clientID"`
}

type loginPage struct {
	URL string `xml:"url,attr"`
}

// sectionOf says where a service stands in a document and what its type is
// called there.
var sectionOf = map[settings.Protocol]struct{ element, kind string }{
	settings.JMAP:       {"incomingServer", "jmap"},
	settings.EWS:        {"incomingServer", "ews"},
	settings.ActiveSync: {"incomingServer", "activeSync"},
	settings.CalDAV:     {"calendar", "caldav"},
	settings.CardDAV:    {"addressbook", "carddav"},
	settings.WebDAV:     {"fileShare", "webdav"},
}
