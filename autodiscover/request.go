// Package autodiscover reads and answers Microsoft Autodiscover requests: plain
// old XML (MS-OXDSCLI) in the Outlook and MobileSync (MS-ASCMD) schemas, and the
// JSON form that newer clients ask first. Outlook, Outlook's mobile service,
// Thunderbird's Exchange look-up, Delta Chat, eM Client and others use it.
//
// SOAP, LegacyDN and Exchange's own protocols (EXCH, EXPR) are left out.
package autodiscover

import (
	"fmt"
	"strings"

	"milepost/address"
)

// The paths of the XML form, and of the JSON form with the address in the query
// or behind the path.
const (
	POXPath         = "/autodiscover/autodiscover.xml"
	JSONPath        = "/autodiscover/autodiscover.json"
	JSONAddressPath = JSONPath + "/v1.0/"
)

// CanonicalPath returns the path that is meant by one in another letter case, as
// Outlook and exchangelib write it, and whether it is one of ours. An address
// behind it stays as it is.
func CanonicalPath(path string) (string, bool) {
	for _, ours := range [...]string{POXPath, JSONPath} {
		if strings.EqualFold(path, ours) {
			return ours, true
		}
	}
	if n := len(JSONAddressPath); len(path) > n && strings.EqualFold(path[:n], JSONAddressPath) {
		return JSONAddressPath + path[n:], true
	}
	return path, false
}

// Schema is the form of answer that a client wants.
type Schema string

const (
	Outlook    Schema = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	MobileSync Schema = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
)

// The namespaces of requests, and the schema that each wants unless it says
// otherwise. Microsoft's pages misprint them with https.
var requestNamespaces = map[string]Schema{
	"": Outlook, // seen from clients that concatenate strings
	"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006":    Outlook,
	"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006": MobileSync,
	"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006":           Outlook,
}

// Code is an error code of MS-OXDSCLI §2.2.4.1.1.3.
type Code int

const (
	UnknownAddress Code = 500 // the address cannot be served
	InvalidRequest Code = 600 // not XML, or not of the right shape
	NotProvided    Code = 601 // the schema is not offered
)

// Error is an error that the client is told in a document of its own.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("autodiscover error %d: %s", e.Code, e.Message) }

func invalid(format string, args ...any) *Error {
	return &Error{InvalidRequest, fmt.Sprintf(format, args...)}
}

// Request is what a client asks.
type Request struct {
	Address address.Address
	Schema  Schema
}

// ParseGETRequest reads a GET of the XML form, as Delta Chat and MyMail send it:
// it says nothing but its Host, which names the domain.
func ParseGETRequest(host string) address.Domain { return address.ParseHost(host, "autodiscover") }
