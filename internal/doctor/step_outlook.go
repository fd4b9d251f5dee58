package doctor

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/autodiscover"
	"milepost/settings"
)

func hostOf(u string) string {
	parsed, err := url.Parse(u)
	if err != nil {
		return ""
	}
	return parsed.Hostname()
}

func (s Outlook) follow(j *judge, c *Client) outcome {
	u, ok := j.expand(s.URL)
	if !ok {
		return outcome{pending: true}
	}
	return j.outlook(c, Request{s.Method, u}, 0)
}

// outlook asks for Microsoft's XML, and reads it under a program's rules.
func (j *judge) outlook(c *Client, r Request, redirects int) outcome {
	f, ok := j.fetch(c, r, true)
	if !ok {
		return outcome{pending: true}
	}
	if f.causes != nil || f.Failure != "" {
		return outcome{causes: f.causes, demands: f.demands}
	}
	place := withoutQuery(f.request.URL)
	near := j.nearness(hostOf(f.request.URL))
	refuse := func(id ID, near nearness, shape shape, format string, args ...any) outcome {
		return outcome{shape: shape, causes: []cause{j.cause(id, place, near, place+": "+format, args...)}}
	}
	switch {
	case looksLikeHTML(f.Exchange) && near == there && j.wildcard():
		return refuse(wildcardWebPage, near, success, "a web page comes where the document should be")
	case looksLikeHTML(f.Exchange):
		return refuse(webPage, near, success, "a web page comes where the document should be")
	case f.Cut:
		return refuse(documentEndless, read, success, "more than %d octets come", MaxBody)
	case c.Autodiscover.XMLType && !isXMLType(f.ContentType):
		return refuse(contentType, read, success, "the content type is %q", f.ContentType)
	}
	answer, err := parse(j.seen, f.request, "autodiscover", f.Body, autodiscover.ParseResponse)
	if err != nil {
		return refuse(notAutodiscover, max(near, there), success, "%s", err)
	}
	switch {
	case answer.Error != "":
		return refuse(autodiscoverError, read, document, "it is an error: %s", answer.Error)
	case answer.RedirectURL != "" && redirects < c.Autodiscover.Redirects:
		if !strings.HasPrefix(strings.ToLower(answer.RedirectURL), "https://") {
			return refuse(redirectBroken, read, document, "its RedirectUrl %q is not HTTPS", answer.RedirectURL)
		}
		return j.outlook(c, Request{"POST", answer.RedirectURL}, redirects+1)
	case answer.RedirectURL != "" || answer.RedirectAddress != "":
		return refuse(redirectBroken, read, document, "it only sends elsewhere")
	}
	return j.readAutodiscover(c, answer, place)
}

func (j *judge) readAutodiscover(c *Client, answer autodiscover.Response, place string) outcome {
	f := &found{way: place, suspects: make(map[Endpoint]cause)}
	var causes []cause
	for _, p := range answer.Protocols {
		protocol, ok := map[string]settings.Protocol{"IMAP": settings.IMAP, "POP3": settings.POP3, "SMTP": settings.SMTP}[p.Type]
		if !ok {
			if strings.EqualFold(p.Type, "POP") || slices.Contains([]string{"IMAP", "POP3", "SMTP"}, strings.ToUpper(p.Type)) {
				causes = append(causes, j.cause(autodiscoverType, place, read, "%s: the Type %q; IMAP, POP3 and SMTP are known", place, p.Type))
			}
			continue
		}
		s, bad := j.readProtocol(c.Autodiscover, p, protocol, place, f)
		if bad != nil {
			causes = append(causes, *bad)
			continue
		}
		if protocol == settings.SMTP {
			f.outgoing = append(f.outgoing, s)
		} else if slices.Contains(c.Incoming, protocol) {
			f.incoming = append(f.incoming, s)
		}
	}
	if answer.Accounts > 1 {
		f.flaws = append(f.flaws, j.cause(severalAccounts, place, read, "%s: there are %d Account elements", place, answer.Accounts))
	}
	if len(f.incoming) == 0 || len(f.outgoing) == 0 {
		if len(causes) == 0 {
			causes = []cause{j.cause(noSettings, place, read, "%s: it has no server for incoming mail, or none for outgoing", place)}
		}
		return outcome{shape: document, causes: causes}
	}
	return outcome{shape: usable, found: f}
}

// readProtocol reads a Protocol element.
func (j *judge) readProtocol(r *AutodiscoverRules, p autodiscover.Protocol, protocol settings.Protocol, place string, f *found) (settings.Server, *cause) {
	wrong := func(id ID, format string, args ...any) *cause {
		c := j.cause(id, place, read, "%s: %s: "+format, append([]any{place, p.Type}, args...)...)
		return &c
	}
	s := settings.Server{Protocol: protocol, Hostname: settings.Hostname(strings.ToLower(p.Server)), Authentication: []settings.Authentication{settings.PasswordCleartext}, Username: settings.EmailAddress}
	if !isHostname(p.Server) {
		return s, wrong(badHostname, "the Server %q is no host name", p.Server)
	}
	for _, v := range []string{p.SSL, p.SPA, p.Encryption} {
		if r.OnOff && (v == "true" || v == "false") {
			return s, wrong(trueOrFalse, "a value is %q", v)
		}
	}
	encryption := strings.ToLower(p.Encryption)
	tls := !strings.EqualFold(p.SSL, "off")
	switch {
	case !r.Encryption && (encryption == "none" || !tls):
		s.SocketType = settings.Plain
	case r.Encryption && encryption == "tls", !r.Encryption && slices.Contains([]uint16{143, 110, 25, 587}, p.Port):
		s.SocketType = settings.STARTTLS
	case r.Encryption && encryption == "none", r.Encryption && encryption == "" && !tls:
		s.SocketType = settings.Plain
	default:
		s.SocketType = settings.SSL
	}
	s.Port = p.Port
	if s.Port == 0 {
		if r.Port {
			return s, wrong(badPort, "there is no Port")
		}
		s.Port = settings.DefaultPort(protocol, s.SocketType)
	}
	if problem := atOdds(p, tls); problem != "" {
		f.suspects[endpointOf(s)] = *wrong(encryptionAtOdds, "%s", problem)
		if r.Encryption {
			f.flaws = append(f.flaws, *wrong(encryptionAtOdds, "%s", problem))
		}
	}
	if strings.EqualFold(p.SPA, "on") || p.SPA == "" && r.Encryption {
		f.flaws = append(f.flaws, *wrong(spaOn, "SPA is %q", p.SPA))
	}
	if strings.EqualFold(p.DomainRequired, "on") && r.Local {
		f.flaws = append(f.flaws, *wrong(domainRequired, "DomainRequired is on"))
	}
	if r.Local && p.LoginName == "" {
		f.flaws = append(f.flaws, *wrong(noLoginName, "there is no LoginName"))
	}
	if r.LoginName && p.LoginName != "" {
		s.Username = settings.Username(j.template(p.LoginName))
	}
	return s, nil
}

// atOdds tells what contradicts itself.
func atOdds(p autodiscover.Protocol, tls bool) string {
	implicit := p.Port == 993 || p.Port == 995 || p.Port == 465
	starts := p.Port == 143 || p.Port == 110 || p.Port == 587
	switch e := strings.ToLower(p.Encryption); {
	case e == "tls" && implicit:
		return fmt.Sprintf("Encryption is TLS, which is STARTTLS, at the port %d, where TLS begins at once", p.Port)
	case e == "ssl" && starts:
		return fmt.Sprintf("Encryption is SSL at the port %d, where STARTTLS is spoken", p.Port)
	case (e == "ssl" || e == "tls") && !tls:
		return "SSL is off and Encryption " + p.Encryption
	case e == "none" && tls:
		return "SSL is on and Encryption None"
	}
	return ""
}

// follow wants a redirect to HTTPS, and nothing else.
func (s OutlookRedirect) follow(j *judge, c *Client) outcome {
	u, _ := j.expand(s.URL)
	x, ok := j.web(Request{"GET", u})
	if !ok {
		return outcome{pending: true}
	}
	if x.Status < 300 || x.Status > 399 || len(x.Location) == 0 {
		return outcome{demands: x.Status == 401 && x.Authenticates,
			causes: []cause{j.cause(loginDemanded, u, incidental, "%s answers %d", withoutQuery(u), x.Status)}}
	}
	from, err := url.Parse(u)
	if err != nil {
		return outcome{}
	}
	next, problem := location(c, from, x)
	if problem == "" && !strings.HasPrefix(next, "https:") {
		problem = fmt.Sprintf("%s leads to %s, which is not HTTPS", withoutQuery(u), withoutQuery(next))
	}
	if problem != "" {
		return outcome{causes: []cause{j.cause(redirectBroken, u, incidental, "%s", problem)}}
	}
	return j.outlook(c, Request{"POST", next}, 0)
}

func (s OutlookSRV) follow(j *judge, c *Client) outcome {
	name := "_autodiscover._tcp." + j.domain()
	a, ok := j.dns(name, dns.TypeSRV)
	if !ok {
		return outcome{pending: true}
	}
	srv, causes := j.pick(a, s.Picks, name)
	if srv == nil {
		return outcome{causes: causes}
	}
	o := j.outlook(c, Request{"POST", "https://" + targetOf(srv) + "/autodiscover/autodiscover.xml"}, 0)
	for i := range o.causes { // the name was given for just this
		o.causes[i].near = max(o.causes[i].near, there)
	}
	return o
}

// follow reads where the JSON points to.
func (s OutlookJSON) follow(j *judge, c *Client) outcome {
	u, ok := j.expand(s.URL)
	if !ok {
		return outcome{pending: true}
	}
	f, ok := j.fetch(c, Request{"GET", u}, true)
	if !ok {
		return outcome{pending: true}
	}
	var answer struct{ Protocol, Url string }
	if f.causes != nil || f.Failure != "" || json.Unmarshal(f.Body, &answer) != nil || !strings.EqualFold(answer.Protocol, "AutodiscoverV1") || !strings.HasPrefix(answer.Url, "https://") {
		return outcome{} // it need not be there
	}
	return j.outlook(c, Request{"POST", answer.Url}, 0)
}
