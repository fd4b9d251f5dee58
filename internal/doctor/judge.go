package doctor

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"milepost/settings"
)

// maxWants is how much is asked for one diagnosis. Whatever a stranger's zone or
// documents lead to, the rest is left out.
const maxWants = 600

// Judge follows every step of every program with what has been seen. It returns what
// would have to be seen beside that; if that is nothing, the report is final.
func Judge(asked Asked, seen *Observations) (Report, []Want) {
	j := &judge{asked: asked, seen: seen, wanted: make(map[Want]bool)}
	r := j.report()
	return r, j.wants
}

// judge is one run of Judge.
type judge struct {
	asked  Asked
	seen   *Observations
	wants  []Want
	wanted map[Want]bool
}

// want puts down what must be seen; false: there is too much of it.
func (j *judge) want(w Want) bool {
	if j.wanted[w] {
		return true
	}
	if len(j.seen.DNS)+len(j.seen.Web)+len(j.seen.Mail)+len(j.wants) >= maxWants {
		return false
	}
	j.wanted[w] = true
	j.wants = append(j.wants, w)
	return true
}

// dns returns an answer; false: it must be asked for first.
func (j *judge) dns(name string, kind uint16) (Answer, bool) {
	return j.dnsAt("", name, kind)
}

// dnsAt is dns, asked of one name server.
func (j *judge) dnsAt(server, name string, kind uint16) (Answer, bool) {
	q := Question{strings.ToLower(strings.TrimSuffix(name, ".")), kind, server}
	if _, ok := dns.IsDomainName(q.Name); !ok {
		return Answer{Rcode: dns.RcodeNameError}, true
	}
	if a, ok := j.seen.DNS[q]; ok {
		return a, true
	}
	if j.want(q) {
		return Answer{}, false
	}
	return Answer{Failure: NotAsked}, true
}

func (j *judge) web(r Request) (Exchange, bool) {
	if x, ok := j.seen.Web[r]; ok {
		return x, true
	}
	if j.want(r) {
		return Exchange{}, false
	}
	return Exchange{Failure: NotAsked}, true
}

func (j *judge) mail(e Endpoint) (Greeting, bool) {
	if g, ok := j.seen.Mail[e]; ok {
		return g, true
	}
	if j.want(e) {
		return Greeting{}, false
	}
	return Greeting{Failure: NotAsked}, true
}

// outcome is what a step came to.
type outcome struct {
	pending bool
	shape   shape // of what came
	found   *found
	causes  []cause // why nothing was found
	demands bool    // a login was demanded, with 401
}

// shape is how much of a document came.
type shape int

const (
	noAnswer   shape = iota
	success          // an answer with the status 200
	wellFormed       // and well-formed XML in it
	document         // of the format that was asked for
	usable           // with settings in it
)

// shape is the least that ends the search.
func (e Ends) shape() shape {
	return map[Ends]shape{OnSuccess: success, OnWellFormed: wellFormed, OnDocument: document, OnSettings: usable}[e]
}

// found is what a program would set an account up with.
type found struct {
	way                string // where
	incoming, outgoing []settings.Server
	profile            bool    // servers are Apple's to read; they stand in incoming and outgoing too
	flaws              []cause // why a person must do something, or something will not work
	suspects           map[Endpoint]cause
	guessed            bool
}

// cause is something in a program's way.
type cause struct {
	id   ID
	near nearness
	seen string
	fix  string
}

// nearness is how far a program got before the cause stopped it. Of all its steps those
// explain most that got furthest.
type nearness int

const (
	nothing    nearness = iota // nothing is there, nor need it be
	incidental                 // something is there that need not have to do with mail: the domain's web site
	there                      // the host is there, and has no document that can be had
	read                       // the document came, and is refused
	connected                  // servers were found, and do not work
	rooted                     // DNS itself: all else follows from it
)

// domain is the one that is asked about.
func (j *judge) domain() string { return j.asked.domain() }

// expand fills a template in. What is empty is left out; false: more must be seen.
func (j *judge) expand(template string) (string, bool) {
	a := j.asked.address()
	values := []string{
		"{domain}", a.Domain.ASCII,
		"{address}", strings.ReplaceAll(url.QueryEscape(a.String()), "+", "%20"),
		"{rawaddress}", a.String(),
		"{md5}", md5Of(strings.ToLower(a.String())),
	}
	if strings.Contains(template, "{mx") {
		host, ok := j.mxHost()
		if !ok {
			return "", false
		}
		_, full, _ := strings.Cut(host, ".")
		base, err := publicsuffix.EffectiveTLDPlusOne(host)
		if host == "" || err != nil || base == j.domain() {
			return "", true
		}
		if strings.Contains(template, "{mxfull}") && len(full) <= len(base) {
			return "", true
		}
		values = append(values, "{mx}", host, "{mxfull}", full, "{mxbase}", base)
	}
	return strings.NewReplacer(values...).Replace(template), true
}

// mxHost is the MX host of the lowest preference; empty: there is none.
func (j *judge) mxHost() (string, bool) {
	a, ok := j.dns(j.domain(), dns.TypeMX)
	best, preference := "", 1<<16
	for _, rr := range a.Records {
		if mx, is := rr.(*dns.MX); is && (int(mx.Preference) < preference || int(mx.Preference) == preference && mx.Mx < best) {
			best, preference = mx.Mx, int(mx.Preference)
		}
	}
	return strings.ToLower(strings.TrimSuffix(best, ".")), ok
}

// verdict is what becomes of a program.
func (j *judge) verdict(c *Client) (clientResult, bool) {
	outcomes := make([][]outcome, len(c.Steps))
	pending := false
	for i, g := range c.Steps {
		if g.Guesses && (pending || slices.ContainsFunc(outcomes[:i], anyFound)) {
			continue // nobody is bothered with guesses that are not needed
		}
		for _, s := range g.Steps { // all of them, so that they are asked at once
			o := s.follow(j, c)
			pending = pending || o.pending
			outcomes[i] = append(outcomes[i], o)
		}
	}
	if pending {
		return clientResult{}, false
	}
	var causes []cause
	var f *found
	for i, g := range c.Steps {
		ended := false
		for _, o := range outcomes[i] {
			causes = append(causes, o.causes...)
			if f, ended = o.found, o.shape >= g.Ends.shape(); f != nil || ended {
				break
			}
		}
		if f != nil {
			f.guessed = g.Guesses
		}
		if f != nil || ended && g.Whole {
			break
		}
	}
	r := clientResult{client: c, found: f}
	if demanded, ok := demand(outcomes); ok && c.Spoilt401 && (f == nil || f.guessed) && !slices.ContainsFunc(slices.Concat(outcomes...), isAutodiscover) {
		demanded.near = connected
		r.found, r.verdict, r.causes = nil, Fails, []cause{demanded}
		return r, true
	}
	if f == nil {
		return j.nothingFound(r, causes), true
	}
	return j.servers(r, causes)
}

func anyFound(outcomes []outcome) bool {
	return slices.ContainsFunc(outcomes, func(o outcome) bool { return o.found != nil })
}

// demand is the first demand for a login.
func demand(outcomes [][]outcome) (cause, bool) {
	for _, o := range slices.Concat(outcomes...) {
		if o.demands {
			return o.causes[0], true
		}
	}
	return cause{}, false
}

// isAutodiscover tells whether settings were found in one of Microsoft's documents.
func isAutodiscover(o outcome) bool {
	return o.found != nil && strings.HasSuffix(strings.ToLower(o.found.way), "/autodiscover.xml")
}

// nothingFound explains why.
func (j *judge) nothingFound(r clientResult, causes []cause) clientResult {
	r.verdict = Fails
	nearest := nothing
	for _, c := range causes {
		nearest = max(nearest, c.near)
	}
	if nearest <= incidental {
		r.causes = []cause{j.absent(r.client)}
		return r
	}
	for _, c := range causes {
		if c.near == nearest {
			r.causes = append(r.causes, c)
		}
	}
	return r
}

// servers looks at those that were found; false: more must be seen.
func (j *judge) servers(r clientResult, before []cause) (clientResult, bool) {
	f, c := r.found, r.client
	complete := true
	look := func(servers []settings.Server) (bad []cause) {
		if len(servers) == 0 {
			return nil
		}
		s := servers[0]
		e := endpointOf(s)
		g, ok := j.mail(e)
		if !ok {
			complete = false
			return nil
		}
		bad = j.greeted(e, g, s, c)
		if suspect, ok := f.suspects[e]; ok && len(bad) > 0 {
			return []cause{suspect}
		}
		return bad
	}
	in, out := look(f.incoming), look(f.outgoing)
	if !complete {
		return r, false
	}
	lacking := c.Incoming != nil && len(f.incoming) == 0 || !c.OnlyReceives && len(f.outgoing) == 0
	switch {
	case len(in) > 0, len(out) > 0, lacking:
		r.verdict = Fails
	case f.guessed, len(f.flaws) > 0:
		r.verdict = Partly
	default:
		r.verdict = Works
	}
	r.causes = slices.Concat(in, out, f.flaws)
	if !f.guessed {
		r.passed = slices.DeleteFunc(before, func(c cause) bool { return c.near < there || c.id == documentMissing })
	}
	if f.guessed && len(in)+len(out) == 0 {
		nearest := slices.MaxFunc(append(before, cause{}), func(a, b cause) int { return cmp.Compare(a.near, b.near) })
		if nearest.near > incidental {
			r.causes = append(r.causes, nearest)
		} else {
			r.causes = append(r.causes, j.absent(c))
		}
	}
	return r, true
}

func endpointOf(s settings.Server) Endpoint {
	return Endpoint{s.Protocol, strings.ToLower(string(s.Hostname)), s.Port, s.SocketType}
}
