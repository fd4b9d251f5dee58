package doctor

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/settings"
)

// md5Of is what Evolution sends beside the domain.
func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// fetched is what a request came to behind its redirects.
type fetched struct {
	Exchange
	request  Request // of the last exchange
	overHTTP bool    // at least one of them was in clear text
	causes   []cause
	demands  bool
}

// fetch follows a request as a client does. It returns an exchange with the status 200,
// or causes; false: more must be seen.
func (j *judge) fetch(c *Client, r Request, onlyHTTPS bool) (fetched, bool) {
	var f fetched
	been := []string{r.URL}
	for hop := 0; ; hop++ {
		u, err := url.Parse(r.URL)
		if err != nil || u.Hostname() == "" {
			return f.because(j.cause(redirectBroken, r.URL, there, "%s leads to %q, which is no URL", withoutQuery(been[0]), r.URL)), true
		}
		near := j.nearness(u.Hostname())
		x, ok := j.web(r)
		if !ok {
			return f, false
		}
		f.Exchange, f.request, f.overHTTP = x, r, f.overHTTP || u.Scheme == "http"
		if x.Failure != "" {
			return j.noExchange(f, u, near), true
		}
		if bad := j.certificate(u.Hostname(), nil, x.TLS, near); bad != nil {
			return f.because(bad...), true
		}
		switch {
		case x.Status == 200:
			return f, true
		case x.Status >= 300 && x.Status < 400 && len(x.Location) > 0:
			next, problem := location(c, u, x)
			switch {
			case problem == "" && slices.Contains(been, next):
				return f.because(j.cause(redirectLoop, r.URL, max(near, there), "%s", loop(next, r.URL))), true
			case problem == "" && hop >= c.Redirects.Most:
				return f.because(j.cause(redirectLoop, r.URL, max(near, there), "%s is followed by more than %d redirects", withoutQuery(been[0]), c.Redirects.Most)), true
			case problem == "" && onlyHTTPS && !strings.HasPrefix(next, "https:"):
				problem = fmt.Sprintf("%s leads to %s, which is not HTTPS", withoutQuery(r.URL), withoutQuery(next))
			}
			if problem != "" {
				return f.because(j.cause(redirectBroken, r.URL, max(near, there), "%s", problem)), true
			}
			r.URL = next
			been = append(been, next)
		default:
			return j.wrongStatus(f, u, near), true
		}
	}
}

// loop says how a redirect comes back to where it began.
func loop(to, from string) string {
	if to == from {
		return withoutQuery(to) + " redirects to itself"
	}
	return fmt.Sprintf("%s leads back to itself, by way of %s", withoutQuery(to), withoutQuery(from))
}

func (f fetched) because(causes ...cause) fetched {
	f.causes = causes
	return f
}

// location is where a redirect leads, as a client reads it.
func location(c *Client, from *url.URL, x Exchange) (next, problem string) {
	to := x.Location[0]
	if c.Redirects.Absolute {
		to = x.Location[len(x.Location)-1]
	}
	u, err := url.Parse(to)
	switch {
	case err != nil:
		return "", fmt.Sprintf("%s leads to %q, which is no URL", withoutQuery(from.String()), to)
	case c.Redirects.Absolute && !u.IsAbs():
		return "", fmt.Sprintf("%s leads to %q, which is relative", withoutQuery(from.String()), to)
	}
	u = from.ResolveReference(u)
	u.Fragment = ""
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return "", fmt.Sprintf("%s leads to %q, which is neither HTTP nor HTTPS", withoutQuery(from.String()), to)
	}
	return u.String(), ""
}

// nearness tells what it means that a host fails: whether the name is one for mail
// settings, or may be there for something else.
func (j *judge) nearness(host string) nearness {
	d := j.domain()
	switch {
	case host == d || host == "www."+d:
		return incidental
	case host == "autoconfig.thunderbird.net", host == "live.thunderbird.net":
		return nothing
	case host == d || strings.HasSuffix(host, "."+d):
		return there
	}
	return incidental
}

// noExchange says why nothing came.
func (j *judge) noExchange(f fetched, u *url.URL, near nearness) fetched {
	host := u.Hostname()
	switch f.Failure {
	case NoAddress:
		if alias := j.dangling(host); alias != "" && near >= there {
			return f.because(j.cause(danglingAlias, host, near, "%s is an alias of %s, which has no address", host, alias))
		}
		return f
	case BrokenDNS:
		return f.because(j.cause(dnsFails, host, max(near, incidental), "no name server answers for %s", host))
	case NotAsked, Forbidden:
		return f.because(j.cause(notSeen, host, incidental, "%s: %s", withoutQuery(u.String()), f.Failure))
	case NoTLS:
		return f.because(j.cause(webNoTLS, host, near, "%s: no TLS can be spoken: %s", host, f.Detail))
	case NotHTTP:
		return f.because(j.cause(webUnreachable, host, near, "%s: what answers does not speak HTTP: %s", withoutQuery(u.String()), f.Detail))
	}
	return f.because(j.cause(webUnreachable, host, near, "%s: %s", u.Scheme+"://"+u.Host, f.Failure))
}

// dangling is what a host without address is an alias of.
func (j *judge) dangling(host string) string {
	a, _ := j.dns(host, dns.TypeA)
	alias := ""
	for _, rr := range a.Records {
		switch rr := rr.(type) {
		case *dns.CNAME:
			alias = strings.TrimSuffix(rr.Target, ".")
		case *dns.A:
			return ""
		}
	}
	return alias
}

func (j *judge) wrongStatus(f fetched, u *url.URL, near nearness) fetched {
	place := withoutQuery(u.String())
	switch {
	case f.Status == 401:
		f.demands = true
		return f.because(j.cause(loginDemanded, place, max(near, incidental), "%s answers 401 and wants a login", place))
	case f.Status == 403:
		return f.because(j.cause(webRefuses, place, near, "%s answers 403", place))
	case f.Status >= 500:
		return f.because(j.cause(webError, place, near, "%s answers %d", place, f.Status))
	}
	// The names that milepost's records give have a document each; so 404 there is a sign.
	return f.because(j.cause(documentMissing, place, min(near, there), "%s answers %d", place, f.Status))
}

// certificate says why programs refuse the one of a host's web server or, at an endpoint,
// of its mail server.
func (j *judge) certificate(host string, mail *Endpoint, t *TLS, near nearness) (causes []cause) {
	if t == nil {
		return nil
	}
	of, connect := "web", host+":443"
	if mail != nil {
		of, connect = "mail", fmt.Sprintf("%s:%d", host, mail.Port)
		if mail.SocketType == settings.STARTTLS {
			connect += " -starttls " + string(mail.Protocol)
		}
	}
	for _, p := range t.Problems {
		seen := map[Certificate]string{
			Expired: fmt.Sprintf("%s: the certificate expired %s ago", host, days(-t.DaysLeft)), NotYet: host + ": the certificate is not valid yet",
			WrongName: fmt.Sprintf("%s: the certificate is for %s", host, list(t.Names)), SelfSigned: host + ": the certificate signs itself",
			Incomplete: fmt.Sprintf("%s: the server does not send the certificate of the issuer %q along", host, t.Issuer),
			Untrusted:  fmt.Sprintf("%s: nobody knows the issuer %q", host, t.Issuer), WeakKey: fmt.Sprintf("%s: the key (%s) is too weak", host, t.Key),
		}[p]
		c := j.cause(ID(of+"-certificate-"+string(p)), host, near, "%s", seen)
		c.fix = strings.ReplaceAll(c.fix, "{connect}", connect)
		causes = append(causes, c)
	}
	return causes
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// list writes some names, not all of a certificate for hundreds.
func list(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "no name at all"
	case n > 4:
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d others", n-4)
	}
	return strings.Join(names, ", ")
}

func (s Document) follow(j *judge, c *Client) outcome {
	u, ok := j.expand(s.URL)
	if !ok {
		return outcome{pending: true}
	}
	if u == "" {
		return outcome{}
	}
	return j.document(c, u)
}

// document asks for Mozilla's XML and reads it under a program's rules.
func (j *judge) document(c *Client, u string) outcome {
	f, ok := j.fetch(c, Request{"GET", u}, false)
	if !ok {
		return outcome{pending: true}
	}
	if f.causes != nil || f.Failure != "" {
		return outcome{causes: f.causes}
	}
	found, causes, shape := j.readAutoconfig(c, f)
	o := outcome{found: found, causes: causes, shape: shape}
	if found != nil {
		found.way = withoutQuery(u)
		if c.Redirects.Distrusts && f.overHTTP {
			found.flaws = append(found.flaws, j.cause(overHTTP, u, connected, "%s was the only place with settings, and HTTPS did not lead there", withoutQuery(u)))
		}
	}
	return o
}
