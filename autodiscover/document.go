package autodiscover

import (
	"milepost/internal/xmlwriter"
	"milepost/settings"
)

// ContentType of the XML documents: Thunderbird wants one that it knows for XML.
const ContentType = "text/xml; charset=utf-8"

// JSONContentType of the JSON documents.
const JSONContentType = "application/json; charset=utf-8"

const envelope = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"

// timeToLive is how many hours a client keeps the settings.
const timeToLive = "24"

func xmlns(uri string) xmlwriter.Attr { return xmlwriter.Attr{Name: "xmlns", Value: uri} }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// typeOf names the protocols. Upper case exactly: Thunderbird passes over others.
var typeOf = map[settings.Protocol]string{
	settings.IMAP:    "IMAP",
	settings.POP3:    "POP3",
	settings.SMTP:    "SMTP",
	settings.CalDAV:  "CalDAV", // as eM Client reads it
	settings.CardDAV: "CardDAV",
}

// encryptionOf is the Encryption of MS-OXDSCLI §2.2.4.1.1.2.6.22; it overrides
// SSL, which older clients read alone. SSL stays on for STARTTLS: with off,
// Thunderbird and Delta Chat connect in clear text.
var encryptionOf = map[settings.SocketType]string{
	settings.SSL:      "SSL",
	settings.STARTTLS: "TLS",
	settings.Plain:    "None",
}
