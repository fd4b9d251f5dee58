package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"milepost/settings"
)

// xmlTypes are the content types that Thunderbird takes for XML.
var xmlTypes = []string{"text/xml", "application/xml", "text/rdf"}

func isXMLType(contentType string) bool {
	return slices.ContainsFunc(xmlTypes, func(t string) bool { return strings.HasPrefix(contentType, t) })
}

// readAutoconfig reads a document as a program does.
func (j *judge) readAutoconfig(c *Client, f fetched) (*found, []cause, shape) {
	r, place := c.Autoconfig, withoutQuery(f.request.URL)
	refuse := func(id ID, shape shape, format string, args ...any) (*found, []cause, shape) {
		near := read
		if id == webPage {
			near = j.nearness(hostOf(f.request.URL))
		}
		return nil, []cause{j.cause(id, place, near, place+": "+format, args...)}, shape
	}
	if looksLikeHTML(f.Exchange) {
		id := webPage
		if j.nearness(hostOf(f.request.URL)) == there && j.wildcard() {
			id = wildcardWebPage
		}
		if _, err := j.tree(f); err == nil {
			return refuse(id, wellFormed, "a web page comes where the document should be")
		}
		return refuse(id, success, "a web page comes where the document should be")
	}
	if f.Cut {
		return refuse(documentEndless, success, "more than %d octets come", MaxBody)
	}
	if r.XMLType && !isXMLType(f.ContentType) {
		return refuse(contentType, success, "the content type is %q", f.ContentType)
	}
	t, err := j.tree(f)
	switch {
	case err != nil:
		return refuse(notXML, success, "%s", err)
	case t.root.name != "clientConfig":
		return refuse(notAutoconfig, wellFormed, "the root is <%s>", t.root.name)
	case t.bom && !r.BOM:
		return refuse(byteOrderMark, success, "a byte order mark stands at its head")
	case t.latin1 && !r.Latin1:
		return refuse(notUTF8, success, "it is not in UTF-8")
	}
	providers := t.root.all("emailProvider", r.FoldsCase)
	if len(providers) == 0 {
		return refuse(noSettings, document, "it has no <emailProvider>")
	}
	d := reading{judge: j, rules: r, place: place, found: &found{suspects: make(map[Endpoint]cause)}}
	d.provider(providers[0])
	if d.fatal != nil {
		return nil, []cause{*d.fatal}, document
	}
	d.found.incoming = slices.DeleteFunc(d.found.incoming, func(s settings.Server) bool { return !slices.Contains(c.Incoming, s.Protocol) })
	if len(d.found.incoming) == 0 || len(d.found.outgoing) == 0 {
		if len(d.causes) == 0 {
			return refuse(noSettings, document, "it has no server for incoming mail, or none for outgoing, that programs can use")
		}
		return nil, d.causes, document
	}
	return d.found, nil, usable
}

// tree is the answer as a tree.
func (j *judge) tree(f fetched) (tree, error) {
	return parse(j.seen, f.request, "tree", f.Body, parseTree)
}

// reading is one document under the rules of one program.
type reading struct {
	*judge
	rules  *AutoconfigRules
	place  string
	found  *found
	causes []cause // why sections are dropped
	fatal  *cause  // why the whole document is
}

func (d *reading) spoil(id ID, format string, args ...any) {
	if d.fatal == nil {
		c := d.cause(id, d.place, read, d.place+": "+format, args...)
		d.fatal = &c
	}
}

// maxChildren is how many elements of a provider are looked at; real ones have 10 to 30.
const maxChildren = 100

func (d *reading) provider(p *element) {
	if d.rules.Domain {
		id, _ := p.attribute("id")
		if !isHostname(id) {
			d.spoil(noDomain, "the id %q of <emailProvider> is no host name", id)
		}
		if !slices.ContainsFunc(p.all("domain", false), func(e *element) bool {
			return isHostname(d.placeholders(e.text)) && (d.rules.Attributes || len(e.attributes) == 0)
		}) {
			d.spoil(noDomain, "no <domain> is a host name")
		}
	}
	if in := p.all("incomingServer", d.rules.FoldsCase); d.rules.HostFirst && len(in) > 0 && len(in[0].all("hostname", false)) == 0 {
		d.spoil(noHostFirst, "line %d: the first <incomingServer> has no <hostname>", in[0].line)
	}
	for _, e := range p.children[:min(len(p.children), maxChildren)] {
		name := e.name
		if d.rules.FoldsCase {
			name = strings.ToLower(name)
		}
		switch {
		case strings.EqualFold(name, "incomingServer") && (name == "incomingServer" || d.rules.FoldsCase):
			d.section(e, []settings.Protocol{settings.IMAP, settings.POP3}, &d.found.incoming, d.rules.Section)
		case strings.EqualFold(name, "outgoingServer") && (name == "outgoingServer" || d.rules.FoldsCase):
			d.section(e, []settings.Protocol{settings.SMTP}, &d.found.outgoing, d.rules.Outgoing)
		}
	}
}

// section reads a server.
func (d *reading) section(e *element, protocols []settings.Protocol, into *[]settings.Server, which Which) {
	kind, _ := e.attribute("type")
	if d.rules.FoldsCase {
		kind = strings.ToLower(kind)
	}
	if !slices.Contains(protocols, settings.Protocol(kind)) {
		return
	}
	if !d.rules.SectionAttributes && len(e.attributes) > 1 {
		d.spoil(sectionAttribute, "line %d: <%s> has an attribute beside its type", e.line, e.name)
		return
	}
	s, id, reason := d.server(e, settings.Protocol(kind))
	if id != "" {
		c := d.cause(id, d.place, read, "%s: line %d: <%s type=%q>: %s", d.place, e.line, e.name, kind, reason)
		d.causes = append(d.causes, c)
		if d.rules.Strict && kind != string(settings.POP3) && d.fatal == nil {
			d.fatal = &c
		}
		return
	}
	if which == Last { // IMAP stays before POP
		*into = slices.DeleteFunc(*into, func(before settings.Server) bool { return before.Protocol == s.Protocol })
		if s.Protocol == settings.IMAP {
			*into = slices.Insert(*into, 0, s)
			return
		}
	}
	*into = append(*into, s)
}

// server reads a section; the reason says why it is none.
func (d *reading) server(e *element, protocol settings.Protocol) (s settings.Server, id ID, reason string) {
	r := d.rules
	s.Protocol = protocol
	var host, port, socket, user string
	var there bool
	for _, leaf := range []struct {
		name string
		to   *string
	}{{"hostname", &host}, {"port", &port}, {"socketType", &socket}, {"username", &user}} {
		var id ID
		*leaf.to, id, there = d.leaf(e, leaf.name)
		switch {
		case id != "":
			return s, id, fmt.Sprintf("<%s> is written %q", leaf.name, *leaf.to)
		case leaf.name == "username" && (!there || user == ""):
			if r.Username {
				return s, noUsername, "<username> is missing"
			}
			if r.Undefined {
				d.found.flaws = append(d.found.flaws, d.cause(noUsername, d.place, connected, "%s: line %d: <username> is missing", d.place, e.line))
			}
			user = settings.EmailAddress
		}
	}
	host = d.placeholders(host)
	bad := !isHostname(host)
	if bad && (r.Unfilled == Dropped || !isHostname(strings.ReplaceAll(host, settings.EmailDomain, d.domain()))) {
		return s, badHostname, fmt.Sprintf("%q is no host name", host)
	}
	written := host
	if bad && r.Unfilled == WithoutLabel {
		host = strings.ReplaceAll(host, settings.EmailDomain, "")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return s, badPort, fmt.Sprintf("%q is no port", port)
	}
	s.Hostname, s.Port, s.SocketType = settings.Hostname(host), uint16(n), settings.SocketType(socket)
	if !slices.Contains(r.SocketTypes, s.SocketType) {
		switch {
		case r.Unknown != "":
			s.SocketType = r.Unknown
		case s.SocketType == settings.Plain:
			return s, clearText, "without encryption"
		default:
			return s, badSocketType, fmt.Sprintf("%q is no socketType", socket)
		}
	}
	if id, reason := d.authentication(e, &s); id != "" {
		return s, id, reason
	}
	d.username(user, &s)
	if bad { // the program goes by it, and finds nobody there
		d.found.suspects[endpointOf(s)] = d.cause(badHostname, d.place, connected, "%s: line %d: <%s type=%q>: %q is no host name", d.place, e.line, e.name, protocol, written)
	}
	return s, "", ""
}

func (d *reading) authentication(e *element, s *settings.Server) (ID, string) {
	s.Authentication = []settings.Authentication{settings.PasswordCleartext}
	if d.rules.Methods == nil {
		return "", ""
	}
	known := d.rules.Methods
	if s.Protocol == settings.SMTP && slices.Contains(known, "NTLM") { // only Thunderbird's list has it
		known = append([]string{"none", "client-IP-address", "smtp-after-pop"}, known...)
	}
	oauth2 := slices.ContainsFunc(d.rules.OAuth2, func(host string) bool {
		return string(s.Hostname) == host || strings.HasSuffix(string(s.Hostname), "."+host)
	})
	var seen []string
	for _, a := range e.all("authentication", false) {
		if a.text == string(settings.OAuth2) && oauth2 {
			s.Authentication = []settings.Authentication{settings.OAuth2}
			return "", ""
		}
		if seen = append(seen, a.text); slices.Contains(known, a.text) {
			method := settings.Authentication(a.text)
			switch method { // names of older drafts
			case "plain":
				method = settings.PasswordCleartext
			case "secure":
				method = settings.PasswordEncrypted
			}
			s.Authentication = []settings.Authentication{method}
			return "", ""
		}
	}
	if slices.Contains(seen, string(settings.OAuth2)) {
		return oauthAlone, "OAuth2 is the only way in, and programs know it for a few large providers alone"
	}
	if seen == nil {
		return noAuthentication, "<authentication> is missing"
	}
	return noAuthentication, fmt.Sprintf("no authentication is known among %s", strings.Join(seen, ", "))
}

// username puts down what a program would log in with, and whether it is wrong.
func (d *reading) username(s string, to *settings.Server) {
	r := d.rules
	s = strings.ReplaceAll(d.template(s), "EVOLUTIONUSER", settings.EmailLocalPart)
	if s == settings.EmailLocalPart+"@"+d.domain() {
		s = settings.EmailAddress
	}
	to.Username = settings.Username(s)
	if slices.Contains(r.ExactUsernames, s) {
		return
	}
	rest := s
	for _, p := range r.Placeholders {
		rest = strings.ReplaceAll(rest, p, "")
	}
	if strings.Contains(rest, "%EMAIL") {
		// A program that does not know them at all asks the person for the name.
		if len(r.Placeholders)+len(r.ExactUsernames) > 0 {
			d.found.flaws = append(d.found.flaws, d.cause(placeholderLeft, d.place, connected, "%s: the username %s", d.place, s))
		}
	}
}

// template takes the address out of a username that a server has filled in.
func (j *judge) template(s string) string {
	own := j.asked.address()
	switch {
	case strings.EqualFold(s, own.String()):
		return settings.EmailAddress
	case strings.Contains(s, "%"):
		return s
	}
	return strings.ReplaceAll(s, own.Local, settings.EmailLocalPart)
}

// leaf reads the text of an element, as the rules say; an ID says why there is none.
func (d *reading) leaf(e *element, name string) (text string, id ID, there bool) {
	all := e.all(name, d.rules.FoldsCase)
	if len(all) == 0 {
		return "", "", false
	}
	l := all[0]
	if d.rules.Leaf == Last {
		l = all[len(all)-1]
	}
	text = l.text
	if trimmed := strings.TrimSpace(text); trimmed != text {
		if !d.rules.Spaces && !(d.rules.NameSpaces && slices.Contains([]string{"hostname", "port", "username"}, name)) {
			return text, whiteSpace, true
		}
		text = trimmed
	}
	switch {
	case !d.rules.Attributes && len(l.attributes) > 0:
		return text, leafAttribute, true
	case len(l.children) > 0:
		return text, leafAttribute, true
	case !d.rules.Entities && l.entity:
		d.found.flaws = append(d.found.flaws, d.cause(entity, d.place, connected, "%s: line %d: an entity stands in <%s>", d.place, l.line, name))
	}
	return text, "", true
}

// placeholders fills the domain into a host name, if the program does.
func (d *reading) placeholders(s string) string {
	if d.rules.Hostnames {
		s = strings.ReplaceAll(s, settings.EmailDomain, d.domain())
	}
	return s
}

func isHostname(s string) bool {
	h, err := settings.ParseHostname(s)
	return err == nil && !strings.Contains(string(h), "%") && h != settings.MXHost
}
