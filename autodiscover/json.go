package autodiscover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"milepost/address"
	"milepost/internal/query"
	"milepost/settings"
)

// JSONError is an error of the JSON form: its HTTP status and its two fields.
type JSONError struct {
	Status       int    `json:"-"` // 400 or 404
	ErrorCode    string `json:"ErrorCode"`
	ErrorMessage string `json:"ErrorMessage"`
}

func (e *JSONError) Error() string { return e.ErrorCode + ": " + e.ErrorMessage }

// JSONRequest is what a client asks in the JSON form.
type JSONRequest struct {
	Address  address.Address
	Protocol string // in the client's own letter case
}

// ParseJSONRequest reads the path and query of a GET, parameter names in any
// letter case. Every error is a [*JSONError].
func ParseJSONRequest(path, rawQuery string) (JSONRequest, error) {
	email, given := strings.CutPrefix(path, JSONAddressPath)
	protocol := ""
	for p := range query.Parameters(rawQuery) {
		switch {
		case p.Name == "email" && !given:
			email, given = p.Value(), true
		case p.Name == "protocol" && protocol == "":
			protocol = p.Value()
		}
	}
	if !given || email == "" {
		return JSONRequest{}, &JSONError{400, "MandatoryParameterMissing", "The parameter 'Email' is missing."}
	}
	if protocol == "" {
		return JSONRequest{}, &JSONError{400, "MandatoryParameterMissing", "The parameter 'Protocol' is missing."}
	}
	a, err := address.Parse(email)
	if err != nil { // said without the stranger's words
		return JSONRequest{}, &JSONError{400, "InvalidEmail", "The given email is not a valid address."}
	}
	return JSONRequest{a, protocol}, nil
}

// ErrUserNotFound is the answer for a domain that is not served. It says
// nothing about mailboxes.
var ErrUserNotFound = &JSONError{404, "UserNotFound", "The given user is not found."}

// POXURL is where the XML form is found: at the server's public address (as
// https://mail.example.com), or if that is not known at the autodiscover host of
// a domain that is served.
func POXURL(publicURL string, served address.Domain) string {
	if publicURL == "" {
		publicURL = "https://autodiscover." + served.ASCII
	}
	return publicURL + POXPath
}

// RenderJSON makes the answer for a protocol in any letter case: AutodiscoverV1
// always, with the address poxURL of the XML form; ActiveSync and Ews only where
// the provider has them, because clients will use them. The error is a
// [*JSONError].
func RenderJSON(a settings.Account, protocol, poxURL string) ([]byte, error) {
	var supported []string
	for _, offer := range []struct{ name, url string }{
		{"AutodiscoverV1", poxURL},
		{"ActiveSync", string(a.Provider.Service(settings.ActiveSync).URL)},
		{"Ews", string(a.Provider.Service(settings.EWS).URL)},
	} {
		switch {
		case offer.url == "":
		case strings.EqualFold(protocol, offer.name):
			return marshal(struct{ Protocol, Url string }{offer.name, offer.url})
		default:
			supported = append(supported, offer.name)
		}
	}
	return nil, &JSONError{400, "InvalidProtocol", fmt.Sprintf("The given protocol value '%s' is invalid. Supported values are '%s'",
		alphanumeric(protocol), strings.Join(supported, ","))}
}

// RenderJSONError makes the body of an error.
func RenderJSONError(e *JSONError) ([]byte, error) { return marshal(e) }

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// alphanumeric keeps the letters and digits of a stranger's word: they do no harm
// in any client or log.
func alphanumeric(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}
