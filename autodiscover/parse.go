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
	f, err := read(text)
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		// Thunderbird does not escape the address.
		if repaired := escapeBareAmpersands(text); repaired != text {
			f, err = read(repaired)
		}
	}
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			return Request{}, e
		}
		return Request{}, invalid("the request is not well-formed XML")
	}
	return f.request()
}

func read(text string) (fields, error) {
	var f fields
	if ok, err := f.readPlain(text); ok || err != nil {
		return f, err
	}
	f = fields{}
	err := f.readXML(text)
	return f, err
}

// fields are the parts of a request that matter, gathered while its elements go
// by: Autodiscover/Request/… by local names in any letter case, with any prefix
// and in any order.
type fields struct {
	namespace string
	requests  int
	addresses []string
	schemas   []string
	legacyDN  bool

	rooted bool     // the root has started
	path   []string // the elements that are open
	text   []byte   // behind the last tag
}

// readXML reads any request.
func (f *fields) readXML(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(charset string, input io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return input, nil
		}
		return nil, invalid("the request is in an encoding other than UTF-8")
	}
	for {
		token, err := d.Token()
		switch t := token.(type) {
		case xml.Directive:
			err = invalid("a document type declaration is not allowed")
		case xml.StartElement:
			err = f.start(t.Name.Space, t.Name.Local)
		case xml.CharData:
			err = f.chars(string(t))
		case xml.EndElement:
			f.end()
		}
		switch {
		case err == io.EOF && f.rooted:
			return nil
		case err == io.EOF:
			return invalid("the request is empty")
		case err != nil:
			return err
		}
	}
}

// readPlain reads what readXML reads, in a fraction of its time, if a request is
// as Outlook and Thunderbird send it: printable ASCII, elements and text, and no
// attribute but the root's xmlns. False: it is of another kind.
func (f *fields) readPlain(text string) (bool, error) {
	text = cutDeclaration(text)
	if !isPlain(text) {
		return false, nil
	}
	for namespace := ""; ; {
		chars, behind, more := strings.Cut(text, "<")
		if err := f.chars(chars); err != nil || !more {
			return err == nil && f.rooted && len(f.path) == 0, err
		}
		tag, rest, closed := strings.Cut(behind, ">")
		name, ends := strings.CutPrefix(tag, "/")
		if len(f.path) == 0 {
			name, namespace = cutNamespace(tag)
		}
		switch {
		case !closed || !isLetters(name) || ends && f.path[len(f.path)-1] != name:
			return false, nil
		case ends:
			f.end()
		default:
			if err := f.start(namespace, name); err != nil {
				return false, err
			}
		}
		text = rest
	}
}

// cutDeclaration cuts off an XML declaration as clients write it.
func cutDeclaration(text string) string {
	switch declaration, rest, _ := strings.Cut(text, "?>"); declaration {
	case `<?xml version="1.0" encoding="utf-8"`, `<?xml version="1.0" encoding="UTF-8"`, `<?xml version="1.0"`:
		return rest
	}
	return text
}

// isPlain tells whether XML has no way to mean more than it says: by an entity,
// the end of a CDATA section, a line end to be normalised or a character that it
// cannot hold.
func isPlain(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < ' ' || c > '~') && c != '\n' && c != '\t' || c == '&' || c == ']' {
			return false
		}
	}
	return true
}

// cutNamespace takes the root's start tag apart, if it has a namespace.
func cutNamespace(tag string) (name, namespace string) {
	name, value, _ := strings.Cut(tag, ` xmlns="`)
	if i := strings.IndexAny(value, `"<`); i >= 0 && value[i:] == `"` {
		return name, value[:i]
	}
	return tag, ""
}

func isLetters(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
}

func (f *fields) start(namespace, name string) error {
	switch depth := len(f.path); {
	case depth == 0 && f.rooted:
		return invalid("the request goes on behind its root")
	case depth == 0 && strings.EqualFold(name, "envelope"):
		return invalid("SOAP is not offered; plain XML in the outlook or mobilesync request schema is")
	case depth == 0 && !strings.EqualFold(name, "autodiscover"):
		return invalid("the root element must be Autodiscover")
	case depth == maxDepth:
		return invalid("elements nest too deep")
	case depth == 3 && strings.EqualFold(f.path[2], "emailaddress"):
		return invalid("EMailAddress must hold text alone")
	case depth == 0:
		f.rooted, f.namespace = true, namespace
	case depth == 1 && strings.EqualFold(name, "request"):
		f.requests++
		// The innermost says most; elements inherit what they do not say.
		if namespace != "" {
			f.namespace = namespace
		}
	}
	f.path, f.text = append(f.path, name), f.text[:0]
	return nil
}

func (f *fields) chars(text string) error {
	if len(f.path) == 0 && strings.TrimSpace(text) != "" {
		return invalid("the request is not XML, or has text outside of its root")
	}
	f.text = append(f.text, text...)
	return nil
}

func (f *fields) end() {
	if len(f.path) == 3 && strings.EqualFold(f.path[1], "request") {
		value := string(bytes.TrimSpace(f.text))
		switch strings.ToLower(f.path[2]) {
		case "emailaddress":
			f.addresses = append(f.addresses, value)
		case "acceptableresponseschema":
			f.schemas = append(f.schemas, value)
		case "legacydn":
			f.legacyDN = f.legacyDN || value != ""
		}
	}
	f.path, f.text = f.path[:len(f.path)-1], f.text[:0]
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

// escapeBareAmpersands escapes every & that starts none of XML's five entities
// and no character reference.
func escapeBareAmpersands(text string) string {
	var b strings.Builder
	for {
		before, behind, found := strings.Cut(text, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('&')
		if !startsEntity(behind) {
			b.WriteString("amp;")
		}
		text = behind
	}
}

// startsEntity tells whether text goes on as an entity does behind its &. What
// has a # was meant as one, right or wrong.
func startsEntity(text string) bool {
	return slices.ContainsFunc([]string{"#", "amp;", "lt;", "gt;", "quot;", "apos;"}, func(entity string) bool { return strings.HasPrefix(text, entity) })
}
