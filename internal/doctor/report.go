package doctor

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/miekg/dns"

	"milepost/settings"
)

// Verdict is what becomes of a program.
type Verdict string

const (
	Works  Verdict = "works"  // an account is set up
	Partly Verdict = "partly" // one is, if the person approves, guesses or corrects something
	Fails  Verdict = "fails"  // none is, or it does not work
)

// Report is the whole answer. It holds no local part.
type Report struct {
	Domain   string         `json:"-"`
	Clients  []ClientReport `json:"clients"`
	Findings []Finding      `json:"findings"`
	Grade    Grade          `json:"grade"`
	Because  string         `json:"-"` // why it is that grade
	DNSSEC   string         `json:"-"` // whether the domain's zone was validated; empty: nobody knows

	// Provider is what all ways together find, as a provider's file to begin with; nil:
	// nothing. Left are the servers that were found and do not work.
	Provider *settings.Provider `json:"-"`
	Left     []string           `json:"-"`
}

// validated says what an answer tells of DNSSEC (RFC 4035 §3.2.3). A resolver that does
// not validate tells the same as an unsigned zone.
func validated(soa Answer) string {
	switch {
	case soa.Failure != "", soa.Bogus:
		return ""
	case soa.Authentic:
		return "DNSSEC: the resolver has validated the zone."
	}
	return "DNSSEC: not validated; the zone is not signed, or the resolver does not validate."
}

// ClientReport is what one program would find.
type ClientReport struct {
	Name    string   `json:"name"`
	Verdict Verdict  `json:"verdict"`
	Found   []Server `json:"found"`
	Because []ID     `json:"because"`
}

// Server is one that a program found.
type Server struct {
	Protocol   settings.Protocol   `json:"protocol"`
	Hostname   settings.Hostname   `json:"hostname"`
	Port       uint16              `json:"port"`
	SocketType settings.SocketType `json:"socket_type"`
	Username   settings.Username   `json:"username"`
	Where      string              `json:"where"` // the URL without its query, or the names of the records
}

// Grade is the whole in one letter, from A to F.
type Grade string

func (j *judge) report() Report {
	r := Report{Domain: j.domain(), Clients: []ClientReport{}, Findings: []Finding{}}
	general, complete := j.general()
	if more, done := j.addresses(); done {
		general = append(general, more...)
	} else {
		complete = false
	}
	var results []clientResult
	rootCause := slices.IndexFunc(general, func(c cause) bool {
		return c.id == domainMissing || c.id == dnssecBogus || c.id == dnsFails && c.near == rooted
	})
	for _, c := range Clients() {
		if !j.concerns(&c) {
			continue
		}
		result, done := clientResult{client: &c, verdict: Fails}, true
		if rootCause >= 0 {
			result.causes = general[rootCause : rootCause+1]
		} else if result, done = j.verdict(&c); !done {
			complete = false
			continue
		}
		results = append(results, result)
	}
	if more, done := j.serverAddresses(results); !done {
		complete = false
	} else {
		general = append(general, more...)
	}
	if !complete {
		return r
	}
	if rootCause >= 0 {
		general = general[rootCause : rootCause+1]
	}
	published := j.published()
	general = slices.Concat(general, j.differences(results), j.compare(results), j.notes(published))
	r.DNSSEC = validated(j.seen.DNS[Question{j.domain(), dns.TypeSOA, ""}])
	r.Findings = gather(results, general)
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Seen, f.Fix = j.anonymous(f.Seen), j.anonymous(f.Fix)
	}
	for _, result := range results {
		r.Clients = append(r.Clients, j.clientReport(result))
	}
	r.Provider, r.Left = j.provider(results, published)
	r.Grade, r.Because = grade(results, r.Findings)
	return r
}

// concerns tells whether a program is one for what the domain offers: what is decidedly
// not offered, nobody misses.
func (j *judge) concerns(c *Client) bool {
	if len(c.Incoming) != 1 || c.Incoming[0] != settings.POP3 {
		return true
	}
	a, _ := j.dns("_pop3s._tcp."+j.domain(), dns.TypeSRV)
	b, _ := j.dns("_pop3._tcp."+j.domain(), dns.TypeSRV)
	return !notOffered(a) || !notOffered(b)
}

// anonymous takes the address out of what was seen, and what could move a terminal's
// cursor: strangers wrote it.
func (j *judge) anonymous(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) {
			return utf8.RuneError
		}
		return r
	}, s)
	a := j.asked.address()
	escaped, _ := j.expand("{address}")
	return strings.NewReplacer(a.String(), settings.EmailAddress, escaped, settings.EmailAddress).Replace(s)
}

func (j *judge) clientReport(r clientResult) ClientReport {
	out := ClientReport{Name: r.client.Name, Verdict: r.verdict, Found: []Server{}, Because: []ID{}}
	if r.found != nil {
		for _, servers := range [][]settings.Server{r.found.incoming, r.found.outgoing} {
			if len(servers) > 0 {
				s := servers[0]
				out.Found = append(out.Found, Server{s.Protocol, s.Hostname, s.Port, s.SocketType, settings.Username(j.anonymous(j.told(string(s.Username)))), j.anonymous(j.told(r.found.way))})
			}
		}
	}
	for _, c := range r.causes {
		if !slices.Contains(out.Because, c.id) {
			out.Because = append(out.Because, c.id)
		}
	}
	return out
}

// differences tells which programs find other servers than the rest.
func (j *judge) differences(results []clientResult) []cause {
	var out []cause
	for _, p := range []settings.Protocol{settings.IMAP, settings.POP3, settings.SMTP} {
		groups := make(map[string][]string)
		for _, r := range results {
			if r.found == nil || r.found.guessed {
				continue
			}
			for _, servers := range [][]settings.Server{r.found.incoming, r.found.outgoing} {
				if len(servers) > 0 && servers[0].Protocol == p {
					key := upToServers(servers)
					groups[key] = append(groups[key], r.client.Name)
				}
			}
		}
		if len(groups) < 2 {
			continue
		}
		var parts []string
		hosts := make(map[string]bool)
		for key, names := range groups {
			parts = append(parts, fmt.Sprintf("%s: %s", key, strings.Join(names, ", ")))
			host, _, _ := strings.Cut(strings.TrimPrefix(key, string(p)+" "), ":")
			hosts[host] = true
		}
		if len(hosts) < 2 { // only TLS and STARTTLS of one server: both are meant to work
			continue
		}
		slices.Sort(parts)
		out = append(out, j.cause(clientsDiffer, j.domain(), connected, "%s", strings.Join(parts, "; ")))
	}
	return out
}

// grade is A if every program works and nothing is to be said, B if every one does; each
// tenth of the people that something hits costs a letter from there.
func grade(results []clientResult, findings []Finding) (Grade, string) {
	all, failed, partly := 0, 0, 0
	var names []string
	for _, r := range results {
		all += int(r.client.Used)
		switch r.verdict {
		case Fails:
			failed += int(r.client.Used)
			names = append(names, r.client.Name)
		case Partly:
			partly += int(r.client.Used)
			names = append(names, r.client.Name)
		}
	}
	worst := slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Error })
	minded := slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity != Note })
	short := 10 * (2*failed + partly) / max(2*all, 1)
	switch {
	case len(names) == 0 && !minded:
		return "A", "every program works"
	case len(names) == 0 && !worst:
		return "B", "every program works; something should be seen to"
	case len(names) == 0:
		return "C", "every program works now, but not always"
	case short < 1:
		return "C", "few people" + byHand(names)
	case short < 4:
		return "D", "many people" + byHand(names)
	case short < 7:
		return "E", "about half of all people" + byHand(names)
	}
	return "F", "nearly all people" + byHand(names)
}

// byHand says of people what their programs do not do.
func byHand(programs []string) string {
	return " use a program that does not set the account up by itself: " + list(programs)
}

// AllWork tells whether every program does.
func (r Report) AllWork() bool {
	return !slices.ContainsFunc(r.Clients, func(c ClientReport) bool { return c.Verdict != Works })
}
