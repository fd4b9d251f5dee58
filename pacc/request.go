// Package pacc writes and reads the JSON documents of Automatic Configuration of Email,
// Calendar, and Contact Server Settings (draft-ietf-mailmaint-pacc, "PACC"), and the TXT
// records that announce them.
//
// A document says little: servers with TLS from the first byte on their registered
// ports, services at an https URL, and one set of ways to log in, with the whole address,
// to all of them. [Render] leaves out what it cannot say, and says why if nothing is left
// to make a mail account of. Logos, the page for developers, contacts and ManageSieve,
// which has no port for TLS, are left out.
package pacc

import (
	"errors"
	"strings"

	"milepost/address"
)

// Path is where a document is asked for, at [HostLabel].DOMAIN.
const Path = "/.well-known/user-agent-configuration.json"

// The labels below a domain: of the host with the document, and of the TXT record.
const (
	HostLabel   = "ua-auto-config"
	RecordLabel = "_ua-auto-config"
)

// ContentType of a document.
const ContentType = "application/json"

// MaxAge is how long, in seconds, HTTP caches may keep a document. Its digest must stay
// in DNS as long.
const MaxAge = 3600

var (
	// ErrHost is the error for a request to another host.
	ErrHost = errors.New("the document is asked for at the host name " + HostLabel + ".DOMAIN (draft-ietf-mailmaint-pacc)")
	// ErrPlain is the error for a request over plain HTTP.
	ErrPlain = errors.New("the document is served over HTTPS alone (draft-ietf-mailmaint-pacc); a proxy that ends TLS has to say X-Forwarded-Proto: https")
)

// ParseRequest reads whose document a Host header asks for. A name without the label is
// another site's, though it be a mail domain.
func ParseRequest(host string, https bool) (address.Host, error) {
	if len(host) <= len(HostLabel) || !strings.EqualFold(host[:len(HostLabel)+1], HostLabel+".") {
		return address.Host{}, ErrHost
	}
	if !https {
		return address.Host{}, ErrPlain
	}
	return address.Host{Header: host, Label: HostLabel}, nil
}
