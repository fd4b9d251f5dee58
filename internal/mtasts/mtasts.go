// Package mtasts writes policies of SMTP MTA Strict Transport Security (RFC 8461), by
// which a domain tells other mail servers that its own have TLS with valid certificates,
// and the TXT records that announce them.
//
// Asking for policies, obeying them, and reports (RFC 8460) are left out.
package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"milepost/address"
	"milepost/settings"
)

// Path is where a policy is asked for, at [HostLabel].DOMAIN (§3.3).
const Path = "/.well-known/mta-sts.txt"

// The labels below a domain: of the host with the policy (§3.3), and of the TXT record
// (§3.1).
const (
	HostLabel   = "mta-sts"
	RecordLabel = "_mta-sts"
)

// ContentType of a policy (§3.2).
const ContentType = "text/plain; charset=utf-8"

// ErrHost is the error for a request to another host.
var ErrHost = errors.New("a policy is asked for at the host name " + HostLabel + ".DOMAIN (RFC 8461 §3.3)")

// ErrNoPolicy is the error about a provider without one.
var ErrNoPolicy = errors.New("the provider of the domain has no MTA-STS policy; [mta_sts] in its file makes one")

// ParseRequest reads whose policy a Host header asks for. A name without the label is
// another site's, though it be a mail domain.
func ParseRequest(host string) (address.Host, error) {
	if len(host) <= len(HostLabel) || !strings.EqualFold(host[:len(HostLabel)+1], HostLabel+".") {
		return address.Host{}, ErrHost
	}
	return address.Host{Header: host, Label: HostLabel}, nil
}

// Render writes a policy (§3.2: CRLF may end a line, as LF may; all known senders read
// both). The error is [ErrNoPolicy] for nil.
func Render(p *settings.MTASTS) ([]byte, error) {
	if p == nil {
		return nil, ErrNoPolicy
	}
	b := []byte("version: STSv1\r\nmode: " + string(p.Mode) + "\r\n")
	for _, mx := range p.MX {
		b = append(b, "mx: "+mx.String()+"\r\n"...)
	}
	b = append(b, "max_age: "...)
	b = strconv.AppendUint(b, uint64(p.MaxAge), 10)
	return append(b, "\r\n"...), nil
}

// Record is the text of the TXT record that announces a policy (§3.1). Its id is made of
// the policy, so that it changes when that does, and only then.
func Record(p *settings.MTASTS) (string, error) {
	policy, err := Render(p)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(policy)
	return "v=STSv1; id=" + hex.EncodeToString(sum[:16]) + ";", nil // 32 letters and digits at most
}
