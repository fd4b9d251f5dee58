package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"milepost/settings"
)

// ID names what can be wrong.
type ID string

// Severity is how bad a finding is.
type Severity string

const (
	Error   Severity = "error"   // somebody cannot set an account up
	Warning Severity = "warning" // somebody has to do what a program could, or will soon fail
	Note    Severity = "note"    // worth knowing
)

// Finding is one thing that is wrong, for all whom it hits.
type Finding struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	Seen     string   `json:"seen"`
	Why      string   `json:"why"`
	Fix      string   `json:"fix"`

	hits int // people, by the orders of magnitude of Used
	near nearness
}

// cause makes one. The place is what the fix's line is about: a host, a name or a URL.
func (j *judge) cause(id ID, place string, near nearness, format string, args ...any) cause {
	return cause{id: id, near: near, seen: j.told(fmt.Sprintf(format, args...)), fix: j.fill(known(id).fix, place)}
}

// maxTold is longer than what servers that mean well have to say, in octets.
const maxTold = 1000

// told is what a stranger may have written, as one line that is not too long. The address
// goes first, so that none is cut in two.
func (j *judge) told(s string) string {
	s = strings.ReplaceAll(s, "\n", " ")
	if len(s) <= maxTold {
		return s
	}
	s = j.anonymous(s)
	return strings.ToValidUTF8(s[:min(len(s), maxTold)], "") + "…"
}

// fill writes a fix for a place.
func (j *judge) fill(fix, place string) string {
	if strings.Contains(place, "://") {
		place = withoutQuery(place)
	}
	host := place
	if h := hostOf(place); h != "" {
		host = h
	}
	place, host = j.told(place), j.told(host)
	name, _, _ := strings.Cut(host, ":")
	return strings.NewReplacer("{domain}", j.domain(), "{place}", place, "{host}", name, "{service}", j.service()).Replace(fix)
}

// service is the host that serves settings: what one of the names is an alias of, or else a
// word in its place.
func (j *judge) service() string {
	for _, label := range []string{"autoconfig", "autodiscover", "ua-auto-config"} {
		a := j.seen.DNS[Question{label + "." + j.domain(), dns.TypeA, ""}]
		for _, rr := range a.Records {
			if alias, ok := rr.(*dns.CNAME); ok {
				if target := strings.ToLower(strings.TrimSuffix(alias.Target, ".")); len(addressesOf(a)) > 0 {
					return target
				}
			}
		}
	}
	return "SERVICE-HOST"
}

// absent is the finding about a program for which there is nothing at all.
func (j *judge) absent(c *Client) cause {
	for _, g := range c.Steps {
		for _, s := range g.Steps {
			switch s.(type) {
			case Document:
				return j.cause(noAutoconfig, j.domain(), nothing, "no autoconfig document is there: neither at autoconfig.%s nor at https://%[1]s/.well-known/autoconfig/", j.domain())
			case Outlook, OutlookSRV, OutlookJSON:
				return j.cause(noAutodiscover, j.domain(), nothing, "no Autodiscover document is there: neither at autodiscover.%s nor at https://%[1]s/autodiscover/", j.domain())
			case PACC, Profile:
				return j.cause(noProfile, j.domain(), nothing, "neither a profile nor a PACC document is there")
			case Lookup:
				if len(c.Incoming) == 0 {
					return j.cause(noOutgoingSRV, j.domain(), nothing, "%s has no record _submissions._tcp or _submission._tcp", j.domain())
				}
				return j.cause(noIncomingSRV, j.domain(), nothing, "%s has no record for incoming mail that %s asks for", j.domain(), c.Name)
			}
		}
	}
	return j.cause(noAutoconfig, j.domain(), nothing, "nothing is there")
}

// clientResult is what became of one program.
type clientResult struct {
	client  *Client
	verdict Verdict
	found   *found
	causes  []cause
	passed  []cause // what it met, and got in all the same
}

// gather makes findings of what is in the programs' way, and of what is wrong anyhow.
func gather(results []clientResult, general []cause) []Finding {
	byID := make(map[ID]*Finding)
	var seen, fixes = make(map[ID][]string), make(map[ID][]string)
	add := func(c cause) *Finding {
		f := byID[c.id]
		if f == nil {
			k := known(c.id)
			f = &Finding{ID: c.id, Severity: Note, Why: k.why}
			byID[c.id] = f
		}
		f.near = max(f.near, c.near)
		for _, to := range []struct {
			list map[ID][]string
			text string
		}{{seen, c.seen}, {fixes, c.fix}} {
			if list := to.list[c.id]; len(list) < 6 && !slices.Contains(list, to.text) {
				to.list[c.id] = append(list, to.text)
			}
		}
		return f
	}
	for _, r := range results {
		hit := make(map[ID]bool)
		for _, c := range r.causes {
			f := add(c)
			switch {
			case r.verdict == Fails:
				f.Severity = Error
			case f.Severity == Note:
				f.Severity = Warning
			}
			if !hit[c.id] {
				hit[c.id] = true
				f.hits += int(r.client.Used)
			}
		}
	}
	for _, r := range results {
		for _, c := range r.passed {
			if f := add(c); f.Severity == Note {
				f.Severity = Warning
			}
		}
	}
	for _, c := range general {
		f := add(c)
		if severity := known(c.id).severity; f.Severity != Error {
			f.Severity = severity
		}
		if f.near == rooted { // it hits everybody, if only now and then
			f.hits += 100
		}
	}
	out := []Finding{} // in JSON, a list
	for id, f := range byID {
		f.Seen, f.Fix = strings.Join(seen[id], "\n"), strings.Join(fixes[id], "\n")
		out = append(out, *f)
	}
	order := map[Severity]int{Error: 0, Warning: 1, Note: 2}
	slices.SortFunc(out, func(a, b Finding) int {
		root := func(f Finding) int {
			if f.near == rooted {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(order[a.Severity], order[b.Severity]), cmp.Compare(root(a), root(b)), cmp.Compare(b.hits, a.hits),
			cmp.Compare(rank(a.ID), rank(b.ID)))
	})
	return out
}

// upToServers writes servers for a line.
func upToServers(servers []settings.Server) string {
	if len(servers) == 0 {
		return "none"
	}
	s := servers[0]
	return fmt.Sprintf("%s %s:%d %s", s.Protocol, s.Hostname, s.Port, s.SocketType)
}
