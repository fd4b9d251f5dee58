package autoconfig

import "milepost/settings"

// The elements as they are read. Leaves are lists because documents repeat
// them; the first counts, as in Thunderbird. Attributes that are not here are
// passed over, and so are elements, with a note.

type document struct {
	Providers   []emailProvider `xml:"emailProvider"`
	Calendar    []section       `xml:"calendar"`
	AddressBook []section       `xml:"addressbook"`
	FileShare   []section       `xml:"fileShare"`
	Setup       []section       `xml:"setupServer"`
	OAuth2      oAuth2          `xml:"oAuth2"`
	Enable      []enable        `xml:"enable"`
	WebMail     []webMail       `xml:"webMail"`
	Others      []element       `xml:",any"`
}

type emailProvider struct {
	line             int
	ID               string          `xml:"id,attr"`
	Domain           []domain        `xml:"domain"`
	DisplayName      []string        `xml:"displayName"`
	DisplayShortName []string        `xml:"displayShortName"`
	Incoming         []section       `xml:"incomingServer"`
	Outgoing         []section       `xml:"outgoingServer"`
	Documentation    []documentation `xml:"documentation"`
	Enable           []enable        `xml:"enable"`
	Others           []element       `xml:",any"`
}

type domain struct {
	line    int
	Purpose string `xml:"purpose,attr"`
	Name    string `xml:",chardata"`
}

type section struct {
	line           int
	Type           string           `xml:"type,attr"`
	Hostname       []string         `xml:"hostname"`
	Port           []string         `xml:"port"`
	SocketType     []string         `xml:"socketType"`
	URL            []string         `xml:"url"`
	Authentication []authentication `xml:"authentication"`
	Username       []string         `xml:"username"`
	Others         []element        `xml:",any"`
}

type authentication struct {
	System string `xml:"system,attr"`
	Method string `xml:",chardata"`
}

type documentation struct {
	line   int
	URL    string    `xml:"url,attr"`
	Descr  []text    `xml:"descr"`
	Others []element `xml:",any"`
}

type enable struct {
	line        int
	URL         string    `xml:"visiturl,attr"`
	Instruction []text    `xml:"instruction"`
	Others      []element `xml:",any"`
}

type text struct {
	Lang  string `xml:"lang,attr"`
	Value string `xml:",chardata"`
}

type oAuth2 struct {
	line     int
	AuthURL  []string  `xml:"authURL"`
	TokenURL []string  `xml:"tokenURL"`
	Issuer   []string  `xml:"issuer"`
	Scope    []string  `xml:"scope"`
	ClientID []string  `xml:"clientID"`
	Others   []element `xml:",any"`
}

type webMail struct {
	LoginPage []loginPage `xml:"loginPage"`
	Others    []element   `xml:",any"`
}

type loginPage struct {
	line int
	URL  string `xml:"url,attr"`
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
