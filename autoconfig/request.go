// Package autoconfig renders and reads Mozilla autoconfig documents
// (draft-ietf-mailmaint-autoconfig, file format version 1.1), which Thunderbird,
// K-9, Evolution, KMail, Delta Chat and others fetch to set an account up.
//
// Where the draft leaves a choice, documents are what every known client
// accepts. Chat and video sections are left out.
package autoconfig

import (
	"slices"
	"strings"

	"milepost/address"
	"milepost/internal/query"
)

// ContentType of a document. Thunderbird reads nothing but XML types, and
// compares in lower case.
const ContentType = "text/xml; charset=utf-8"

// Request is what a client's request says about the account.
type Request struct {
	// Address is the one whose settings are asked for. Its Local is empty if only
	// the domain could be read, or if the client hid it.
	Address address.Address
	// Host is the domain that the host name stands for, or zero: the mail domain
	// itself, or that of its MX host.
	Host address.Domain
	// Err says why the address that was sent could not be read. The Host may
	// answer all the same.
	Err error
}

// evolutionUser is what Evolution sends for the local part. It fills
// placeholders in the answer itself.
const evolutionUser = "EVOLUTIONUSER"

// Paths are where a document is asked for.
var Paths = []string{
	"/mail/config-v1.1.xml",                        // at autoconfig.DOMAIN
	"/.well-known/autoconfig/mail/config-v1.1.xml", // at DOMAIN
	"/v1.1/mail/config-v1.1.xml",                   // Nine asks here
}

// ISPDBPaths are the folders under which an ISP database keeps one document a
// domain.
var ISPDBPaths = []string{"/v1.1/", "/autoconfig/v1.1/"}

// ParseRequest reads what a request says, in every way in which clients ask:
// with and without emailaddress, escaped or not, to autoconfig.DOMAIN, to DOMAIN
// itself, to the domain of the MX host (with a port or a trailing dot, in any
// letter case), and to an ISP database, where the path names the domain.
func ParseRequest(host, path, rawQuery string) Request {
	if domain, ok := ispdbDomain(path); ok {
		// The host is the database's own and says nothing.
		d, err := address.ParseDomain(domain)
		return Request{Address: address.Address{Domain: d}, Err: err}
	}
	r := Request{Host: address.ParseHost(host, "autoconfig")}
	text, ok := query.Get(rawQuery, "emailaddress")
	if !ok {
		return r
	}
	r.Address, r.Err = address.Parse(text)
	if r.Err != nil {
		// The domain alone is enough for an answer.
		if at := strings.LastIndexByte(text, '@'); at >= 0 {
			r.Address.Domain, _ = address.ParseDomain(text[at+1:])
		}
	}
	if r.Address.Local == evolutionUser {
		r.Address.Local = ""
	}
	return r
}

func ispdbDomain(path string) (string, bool) {
	if slices.Contains(Paths, path) {
		return "", false
	}
	for _, folder := range ISPDBPaths {
		if domain, ok := strings.CutPrefix(path, folder); ok {
			return domain, true
		}
	}
	return "", false
}
