// Package formats is the table of the formats: how each is asked for over HTTP,
// parsed, rendered and refused. internal/httpd answers from it, and milepost show
// prints from it. A new format is a room of its own and a row here.
package formats

import (
	"slices"
	"time"

	"milepost/autodiscover"
	"milepost/internal/lookup"
	"milepost/mobileconfig"
	"milepost/settings"
)

// Format is one row of the table.
type Format struct {
	Name        string   // as show -format has it; empty: show does not print it
	Paths       []string // that ask for it; empty: it is printed alone
	Methods     []string
	MaxBody     int64 // octets; 0: it has none
	ContentType string
	Cached      bool   // caches may keep a document: it depends on nothing but the request
	OfDomain    bool   // a document is about a domain: of an address, nothing else is read
	Announced   bool   // clients use a document only if DNS has its digest
	Attachment  bool   // browsers save it as DOMAIN.mobileconfig
	Signed      bool   // if there is something to sign with
	Vary        string // a header of the request that decides too

	// Parse reads whom a request asks about, and how to render the answer.
	Parse func(Request) (lookup.Question, Options, error)
	// Render makes the document, of the first account alone unless the format holds
	// several.
	Render func([]settings.Account, Options) ([]byte, error)
	// Refuse says no to a request. Status 0: the error is a mistake of ours.
	Refuse func(err error, now time.Time) Refusal
}

// Request is what formats read of an HTTP request.
type Request struct {
	Host, Path, RawQuery string
	Languages            string // the Accept-Language header
	Body                 []byte
	HTTPS                bool   // it came encrypted, to us or to a proxy before us
	PublicURL            string // as in Options
}

// Options are what a document depends on beside the account.
type Options struct {
	PublicURL string // the HTTPS address of this server, as https://mail.example.com; empty: not known
	Schema    autodiscover.Schema
	Protocol  string // that the JSON form of Autodiscover is asked for
	Profile   mobileconfig.Options
}

// Refusal is an answer that says no.
type Refusal struct {
	Status      int
	ContentType string
	Body        []byte // empty: the error itself, in plain text
}

// Redirect is the error that sends a client elsewhere.
type Redirect struct{ URL string }

func (r *Redirect) Error() string { return "the answer is at " + r.URL }

// Table returns all rows.
func Table() []Format { return slices.Clone(table) }

// Named finds a format by the name that show -format has for it.
func Named(name string) (Format, bool) {
	i := slices.IndexFunc(table, func(f Format) bool { return f.Name == name && name != "" })
	if i < 0 {
		return Format{}, false
	}
	return table[i], true
}

// Names lists the formats that have a name.
func Names() []string {
	var names []string
	for _, f := range table {
		if f.Name != "" {
			names = append(names, f.Name)
		}
	}
	return names
}
