package doctor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"milepost/pacc"
	"milepost/settings"
)

func (PACC) follow(j *judge, c *Client) outcome {
	host := pacc.HostLabel + "." + j.domain()
	name := pacc.RecordLabel + "." + j.domain()
	a, known := j.dns(name, dns.TypeTXT)
	f, ok := j.fetch(c, Request{"GET", "https://" + host + pacc.Path}, true)
	if !known || !ok {
		return outcome{pending: true}
	}
	var digests []string
	for _, rr := range a.Records {
		if txt, is := rr.(*dns.TXT); is {
			if d, is := digestOf(strings.Join(txt.Txt, "")); is {
				digests = append(digests, d)
			}
		}
	}
	if f.causes != nil || f.Failure != "" {
		if len(digests) == 0 {
			return outcome{} // nobody has said that it is there
		}
		if f.Failure == NoAddress {
			return outcome{causes: []cause{j.cause(paccMissing, host, there, "%s has a digest, and %s no address", name, host)}}
		}
		return outcome{causes: f.causes}
	}
	place := withoutQuery(f.request.URL)
	refuse := func(id ID, format string, args ...any) outcome {
		return outcome{causes: []cause{j.cause(id, place, read, format, args...)}}
	}
	sum := sha256.Sum256(f.Body)
	provider, err := parse(j.seen, f.request, "pacc", f.Body, pacc.Parse)
	switch {
	case looksLikeHTML(f.Exchange):
		return outcome{} // a wildcard's web page
	case len(digests) == 0:
		return refuse(paccNoDigest, "%s has a document, and %s no digest of it", place, name)
	case !slices.Contains(digests, base64.StdEncoding.EncodeToString(sum[:])):
		return refuse(paccDigest, "the digest at %s is not that of %s", name, place)
	case err != nil:
		return refuse(paccRefused, "%s: %s", place, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	found := &found{way: place, incoming: provider.Incoming, outgoing: provider.Outgoing}
	found.incoming = slices.DeleteFunc(found.incoming, func(s settings.Server) bool { return !slices.Contains(c.Incoming, s.Protocol) })
	if len(found.incoming) == 0 || len(found.outgoing) == 0 {
		return outcome{}
	}
	return outcome{shape: usable, found: found}
}

// digestOf reads a TXT record: tags in any order, of which d is the digest.
func digestOf(txt string) (digest string, ok bool) {
	tags := make(map[string]string)
	for tag := range strings.SplitSeq(txt, ";") {
		k, v, _ := strings.Cut(tag, "=")
		tags[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	return tags["d"], tags["v"] == "UAAC1" && tags["a"] == "sha256"
}

func (s Profile) follow(j *judge, c *Client) outcome {
	var o outcome
	for _, u := range s.URLs {
		u, ok := j.expand(u)
		if !ok {
			return outcome{pending: true}
		}
		f, ok := j.fetch(c, Request{"GET", u}, true)
		switch {
		case !ok:
			o.pending = true
		case f.causes != nil || f.Failure != "" || looksLikeHTML(f.Exchange) || o.found != nil:
			// The names are only customary. What stops a person there is the
			// certificate of a host that is meant for mail.
			if f.Failure == "" && f.TLS != nil && len(f.TLS.Problems) > 0 {
				o.causes = append(o.causes, f.causes...)
			}
		default:
			found, bad := j.readProfile(f)
			if bad != nil {
				o.causes = append(o.causes, *bad)
			}
			if o.found = found; found != nil {
				o.shape = usable
			}
		}
	}
	return o
}

// readProfile reads the servers of a profile, signed or not.
func (j *judge) readProfile(f fetched) (*found, *cause) {
	place := withoutQuery(f.request.URL)
	refuse := func(format string, args ...any) (*found, *cause) {
		c := j.cause(profileRefused, place, read, place+": "+format, args...)
		return nil, &c
	}
	t, err := parse(j.seen, f.request, "plist", f.Body, parseList)
	if err != nil || len(t.root.children) != 1 {
		return refuse("it is no property list")
	}
	if !strings.HasPrefix(f.ContentType, "application/x-apple-aspen-config") {
		return refuse("the content type is %q; application/x-apple-aspen-config is needed", f.ContentType)
	}
	payloads := valueOf(t.root.children[0], "PayloadContent")
	if payloads == nil {
		return refuse("it has no PayloadContent")
	}
	for _, p := range payloads.children {
		if textOf(valueOf(p, "PayloadType")) != "com.apple.mail.managed" {
			continue
		}
		protocol := settings.IMAP
		if textOf(valueOf(p, "EmailAccountType")) == "EmailTypePOP" {
			protocol = settings.POP3
		}
		in, err := j.profileServer(p, "Incoming", protocol)
		if err != "" {
			return refuse("%s", err)
		}
		out, err := j.profileServer(p, "Outgoing", settings.SMTP)
		if err != "" {
			return refuse("%s", err)
		}
		return &found{way: place, profile: true, incoming: []settings.Server{in}, outgoing: []settings.Server{out}}, nil
	}
	return refuse("it has no mail account")
}

// parseList parses a property list. A signature stands around the text, which is in one
// piece.
func parseList(body []byte) (tree, error) {
	start, end := bytes.Index(body, []byte("<?xml")), bytes.LastIndex(body, []byte("</plist>"))
	if start < 0 || end < start {
		return tree{}, errors.New("it is no property list")
	}
	return parseTree(body[start : end+len("</plist>")])
}

func (j *judge) profileServer(p *element, which string, protocol settings.Protocol) (s settings.Server, problem string) {
	s = settings.Server{Protocol: protocol, SocketType: settings.Plain, Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.EmailAddress}
	host := textOf(valueOf(p, which+"MailServerHostName"))
	if !isHostname(host) {
		return s, fmt.Sprintf("%sMailServerHostName %q is no host name", which, host)
	}
	s.Hostname = settings.Hostname(host)
	tls := valueOf(p, which+"MailServerUseSSL")
	port := valueOf(p, which+"MailServerPortNumber")
	if port != nil && port.name != "integer" {
		return s, fmt.Sprintf("%sMailServerPortNumber is a %s; an integer is needed", which, port.name)
	}
	n, _ := strconv.ParseUint(textOf(port), 10, 16)
	s.Port = uint16(n)
	if tls != nil && tls.name == "true" {
		s.SocketType = settings.SSL
		if s.Port == 143 || s.Port == 110 || s.Port == 587 || s.Port == 25 { // Apple goes by the port
			s.SocketType = settings.STARTTLS
		}
	}
	if s.Port == 0 {
		s.Port = settings.DefaultPort(protocol, s.SocketType)
	}
	if user := textOf(valueOf(p, which+"MailServerUsername")); user != "" {
		s.Username = settings.Username(j.template(user))
	}
	return s, ""
}

// valueOf is a value of a plist's dict; nil: it has none.
func valueOf(dict *element, key string) *element {
	for i := 0; i+1 < len(dict.children); i++ {
		if dict.children[i].name == "key" && dict.children[i].text == key {
			return dict.children[i+1]
		}
	}
	return nil
}

func textOf(e *element) string {
	if e == nil {
		return ""
	}
	return strings.TrimSpace(e.text)
}
