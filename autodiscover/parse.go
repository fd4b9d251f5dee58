package autodiscover

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"milepost/address"
)

// MaxRequest is the longest request in octets that is worth reading; real ones
// have some 400.
const MaxRequest = 64 << 10

// maxDepth is how deep a request's elements may nest; real ones nest 3 deep.
const maxDepth = 32

// ParseRequest reads the body of a POST. Every error is an [*Error].
func ParseRequest(body []byte) (Request, error) {
	if len(body) > MaxRequest {
		return Request{}, invalid("the request is longer than %d octets", MaxRequest)
	}
	text := strings.TrimPrefix(string(bytes.TrimSpace(body)), "\ufeff")
	f, plain := readPlain(text)
	var err error
	if !plain {
		f, err = readXML(text)
	}
	if _, syntax := errors.AsType[*xml.SyntaxError](err); syntax {
		// Thunderbird does not escape the address. What would become too long is no address.
		if repaired := bareAmpersands.Replace(text); repaired != text && len(repaired) <= MaxRequest {
			f, err = readXML(repaired)
		}
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return Request{}, e
	}
	if err != nil {
		return Request{}, invalid("the request is not well-formed XML")
	}
	return f.request()
}

// fields are the parts of a request that matter.
type fields struct {
	namespace string
	requests  int
	addresses []string
	schemas   []string
	legacyDN  bool
}

// plainTags are the tags of a request as Outlook and Thunderbird send it.
var plainTags = [...]string{`<Autodiscover xmlns="`, `">`, "<Request>", "<EMailAddress>", "</EMailAddress>",
	"<AcceptableResponseSchema>", "</AcceptableResponseSchema>", "</Request>", "</Autodiscover>"}

// readPlain reads a request of these tags in this order as readXML does, in a
// fraction of its time. False: it is of another kind.
func readPlain(text string) (fields, bool) {
	var before [len(plainTags)]string
	text = strings.TrimPrefix(text, `<?xml version="1.0" encoding="utf-8"?>`)
	for i, tag := range plainTags {
		var found bool
		before[i], text, found = strings.Cut(text, tag)
		if !found || !isPlain(before[i]) {
			return fields{}, false
		}
	}
	namespace, address, schema := before[1], before[4], before[6]
	before[1], before[4], before[6] = "", "", ""
	if strings.Trim(strings.Join(before[:], ""), "\n\t ") != "" || text != "" {
		return fields{}, false
	}
	return fields{
		namespace: namespace, requests: 1,
		addresses: []string{strings.TrimSpace(address)}, schemas: []string{strings.TrimSpace(schema)},
	}, true
}

// isPlain tells whether text means in XML what it says: it has no markup, no line
// end to be normalised and no character that XML cannot hold.
func isPlain(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c == '<' || c == '&' || c == '"' || c == ']' || c > '~' || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// readXML reads any request: Autodiscover/Request/… by local names in any letter
// case, with any prefix and in any order.
func readXML(text string) (fields, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return input, nil
		}
		return nil, invalid("the request is in an encoding other than UTF-8")
	}
	var r reader
	for {
		token, err := d.Token()
		switch t := token.(type) {
		case xml.Directive:
			err = invalid("a document type declaration is not allowed")
		case xml.StartElement:
			err = r.start(t.Name)
		case xml.CharData:
			err = r.chars(t)
		case xml.EndElement:
			r.end()
		}
		switch {
		case err == io.EOF && r.rooted:
			return r.fields, nil
		case err == io.EOF:
			return fields{}, invalid("the request is empty")
		case err != nil:
			return fields{}, err
		}
	}
}

// reader gathers the fields while the elements go by.
type reader struct {
	fields
	rooted bool     // the root has started
	path   []string // the elements that are open
	text   []byte   // behind the last tag
}

func (r *reader) start(name xml.Name) error {
	switch depth := len(r.path); {
	case depth == 0 && r.rooted:
		return invalid("the request goes on behind its root")
	case depth == 0 && strings.EqualFold(name.Local, "envelope"):
		return invalid("SOAP is not offered; plain XML in the outlook or mobilesync request schema is")
	case depth == 0 && !strings.EqualFold(name.Local, "autodiscover"):
		return invalid("the root element must be Autodiscover")
	case depth == maxDepth:
		return invalid("elements nest too deep")
	case depth == 3 && strings.EqualFold(r.path[2], "emailaddress"):
		return invalid("EMailAddress must hold text alone")
	case depth == 0:
		r.rooted, r.namespace = true, name.Space
	case depth == 1 && strings.EqualFold(name.Local, "request"):
		r.requests++
		// The innermost says most; elements inherit what they do not say.
		if name.Space != "" {
			r.namespace = name.Space
		}
	}
	r.path, r.text = append(r.path, name.Local), r.text[:0]
	return nil
}

func (r *reader) chars(text xml.CharData) error {
	if len(r.path) == 0 && len(bytes.TrimSpace(text)) > 0 {
		return invalid("the request is not XML, or has text outside of its root")
	}
	r.text = append(r.text, text...)
	return nil
}

func (r *reader) end() {
	if len(r.path) == 3 && strings.EqualFold(r.path[1], "request") {
		value := string(bytes.TrimSpace(r.text))
		switch strings.ToLower(r.path[2]) {
		case "emailaddress":
			r.addresses = append(r.addresses, value)
		case "acceptableresponseschema":
			r.schemas = append(r.schemas, value)
		case "legacydn":
			r.legacyDN = r.legacyDN || value != ""
		}
	}
	r.path, r.text = r.path[:len(r.path)-1], r.text[:0]
}

func (f *fields) request() (Request, error) {
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
		i := slices.IndexFunc(f.schemas, func(s string) bool { return withHTTP(s) == string(Outlook) || withHTTP(s) == string(MobileSync) })
		if i < 0 {
			return Request{}, &Error{NotProvided, "AcceptableResponseSchema is not provided; the outlook 2006a and mobilesync 2006 response schemas are"}
		}
		schema = Schema(withHTTP(f.schemas[i]))
	}
	return Request{a, schema}, nil
}

func withHTTP(namespace string) string {
	if rest, ok := strings.CutPrefix(strings.TrimSpace(namespace), "https://"); ok {
		return "http://" + rest
	}
	return strings.TrimSpace(namespace)
}

// bareAmpersands escapes every & that starts none of XML's five entities. What has
// a # was meant as a character reference, right or wrong.
var bareAmpersands = strings.NewReplacer("&#", "&#", "&amp;", "&amp;", "&lt;", "&lt;", "&gt;", "&gt;",
	"&quot;", "&quot;", "&apos;", "&apos;", "&", "&amp;")
