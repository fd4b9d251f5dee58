// Package autodiscover reads and answers Microsoft Autodiscover requests: plain
// old XML (MS-OXDSCLI) in the Outlook and MobileSync (MS-ASCMD) schemas, and the
// JSON form that newer clients ask first. Outlook, Outlook's mobile service,
// Thunderbird's Exchange look-up, Delta Chat, eM Client and others use it.
//
// SOAP, LegacyDN and Exchange's own protocols (EXCH, EXPR) are left out.
package autodiscover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"milepost/address"
)

// MaxRequest is the longest request in octets that is worth reading; real ones
// have some 400.
const MaxRequest = 64 << 10

// maxDepth is how deep a request's elements may nest; real ones nest 3 deep.
const maxDepth = 32

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

// ParseRequest reads the body of a POST. Every error is an [*Error].
func ParseRequest(body []byte) (Request, error) {
	if len(body) > MaxRequest {
		return Request{}, invalid("the request is longer than %d octets", MaxRequest)
	}
	fields, err := readFields(body)
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		// Thunderbird does not escape the address.
		if repaired := escapeBareAmpersands(body); len(repaired) != len(body) {
			fields, err = readFields(repaired)
		}
	}
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return Request{}, e
		}
		return Request{}, invalid("the request is not well-formed XML")
	}
	return fields.request()
}

// fields are the parts of a request that matter.
type fields struct {
	namespace string
	requests  int
	addresses []string
	schemas   []string
	legacyDN  bool
}

// readFields walks a request: Autodiscover/Request/… by local names in any
// letter case, with any prefix and in any order.
func readFields(body []byte) (fields, error) {
	var (
		f    fields
		path []string
		text strings.Builder
		d    = xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\ufeff"))))
		root = false
	)
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return input, nil
		}
		return nil, invalid("the request is in an encoding other than UTF-8")
	}
	for {
		token, err := d.Token()
		if err == io.EOF {
			if !root {
				return f, invalid("the request is empty")
			}
			return f, nil
		}
		if err != nil {
			return f, err
		}
		switch t := token.(type) {
		case xml.Directive:
			return f, invalid("a document type declaration is not allowed")
		case xml.StartElement:
			name := strings.ToLower(t.Name.Local)
			switch {
			case len(path) == 0 && root:
				return f, invalid("the request goes on behind its root")
			case len(path) == 0 && name == "envelope":
				return f, invalid("SOAP is not offered; plain XML in the outlook or mobilesync request schema is")
			case len(path) == 0 && name != "autodiscover":
				return f, invalid("the root element must be Autodiscover")
			case len(path) == maxDepth:
				return f, invalid("elements nest too deep")
			case len(path) == 3 && path[2] == "emailaddress":
				return f, invalid("EMailAddress must hold text alone")
			}
			if len(path) == 0 {
				root, f.namespace = true, t.Name.Space
			}
			path = append(path, name)
			text.Reset()
			if len(path) == 2 && name == "request" {
				f.requests++
				// The innermost says most; elements inherit what they do not say.
				if t.Name.Space != "" {
					f.namespace = t.Name.Space
				}
			}
		case xml.CharData:
			if len(path) == 0 && len(bytes.TrimSpace(t)) > 0 {
				return f, invalid("the request is not XML, or has text outside of its root")
			}
			text.Write(t)
		case xml.EndElement:
			if len(path) == 3 && path[1] == "request" {
				value := strings.TrimSpace(text.String())
				switch path[2] {
				case "emailaddress":
					f.addresses = append(f.addresses, value)
				case "acceptableresponseschema":
					f.schemas = append(f.schemas, value)
				case "legacydn":
					f.legacyDN = f.legacyDN || value != ""
				}
			}
			path = path[:len(path)-1]
			text.Reset()
		}
	}
}

func (f fields) request() (Request, error) {
	schema, known := requestNamespaces[withHTTP(f.namespace)]
	switch {
	case !known:
		return Request{}, invalid("the request's namespace is unknown")
	case f.requests != 1:
		return Request{}, invalid("one Request element is allowed; there are %d", f.requests)
	case f.legacyDN: // where both stand, it goes before the address (MS-OXDSCLI)
		return Request{}, &Error{UnknownAddress, "LegacyDN is unknown here; ask with EMailAddress"}
	case len(f.addresses) != 1:
		return Request{}, invalid("one EMailAddress element is allowed; there are %d", len(f.addresses))
	}
	a, err := address.Parse(f.addresses[0])
	if err != nil {
		return Request{}, invalid("EMailAddress: %s", err)
	}
	if len(f.schemas) > 0 {
		schema = ""
		for _, s := range f.schemas {
			if s := Schema(withHTTP(s)); s == Outlook || s == MobileSync {
				schema = s
				break
			}
		}
		if schema == "" {
			return Request{}, &Error{NotProvided, "AcceptableResponseSchema is not provided; the outlook 2006a and mobilesync 2006 response schemas are"}
		}
	}
	return Request{a, schema}, nil
}

func withHTTP(namespace string) string {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(namespace), "https://"); ok {
		return "http://" + rest
	}
	return strings.TrimSpace(namespace)
}

// escapeBareAmpersands escapes every & that starts none of XML's five entities
// and no character reference.
func escapeBareAmpersands(body []byte) []byte {
	out := make([]byte, 0, len(body)+64)
	for i, c := range body {
		out = append(out, c)
		if c == '&' && !startsEntity(body[i+1:]) {
			out = append(out, "amp;"...)
		}
	}
	return out
}

func startsEntity(b []byte) bool {
	if len(b) > 0 && b[0] == '#' {
		return true // right or wrong, it was meant as one
	}
	for _, name := range [...]string{"amp;", "lt;", "gt;", "quot;", "apos;"} {
		if len(b) >= len(name) && string(b[:len(name)]) == name {
			return true
		}
	}
	return false
}
