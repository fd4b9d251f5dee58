package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"milepost/autoconfig"
	"milepost/settings"
)

// provider puts together what all ways find: servers that work, best first, and what the
// documents say beside them.
func (j *judge) provider(results []clientResult, published []autoconfigDocument) (*settings.Provider, []string) {
	p := &settings.Provider{ID: j.domain(), DisplayName: j.domain(), Domains: []settings.DomainPattern{{Domain: j.asked.Address.Domain}}}
	var left []string
	seen := make(map[Endpoint]bool)
	add := func(s settings.Server, to *[]settings.Server, c *Client) {
		e := endpointOf(s)
		if seen[e] {
			return
		}
		seen[e] = true
		if bad := j.greeted(e, j.seen.Mail[e], s, c); len(bad) > 0 {
			left = append(left, j.anonymous(fmt.Sprintf("left out: %s: %s", e, bad[0].seen)))
			return
		}
		*to = append(*to, s)
	}
	for _, guessed := range []bool{false, true} {
		if guessed && len(p.Incoming)+len(p.Outgoing) > 0 {
			break // what is published says more
		}
		for _, r := range results {
			if r.found == nil || r.found.guessed != guessed {
				continue
			}
			for _, s := range r.found.incoming {
				if _, looked := j.seen.Mail[endpointOf(s)]; looked {
					add(s, &p.Incoming, r.client)
				}
			}
			for _, s := range r.found.outgoing {
				if _, looked := j.seen.Mail[endpointOf(s)]; looked {
					add(s, &p.Outgoing, r.client)
				}
			}
		}
		if guessed && len(p.Incoming)+len(p.Outgoing) > 0 {
			left = append(left, "guessed: nobody publishes these servers")
		}
	}
	fill(p, published)
	if len(p.Incoming)+len(p.Outgoing)+len(p.Services) == 0 {
		return nil, left
	}
	for _, servers := range [][]settings.Server{p.Incoming, p.Outgoing} {
		slices.SortStableFunc(servers, func(a, b settings.Server) int {
			return cmp.Or(cmp.Compare(slices.Index(settings.IncomingProtocols, a.Protocol), slices.Index(settings.IncomingProtocols, b.Protocol)),
				cmp.Compare(slices.Index(settings.SocketTypes, a.SocketType), slices.Index(settings.SocketTypes, b.SocketType)))
		})
	}
	return p, left
}

// autoconfigDocument is one of Mozilla's form, as the format itself reads it.
type autoconfigDocument struct {
	url      string
	provider settings.Provider
	notes    autoconfig.Notes
}

// published are the documents that programs may use, in the order of their URLs; one that
// several URLs have is there once.
func (j *judge) published() (out []autoconfigDocument) {
	requests := slices.SortedFunc(maps.Keys(j.seen.Web), func(a, b Request) int { return strings.Compare(a.URL, b.URL) })
	seen := make(map[string]bool)
	for _, r := range requests {
		x := j.seen.Web[r]
		if x.Status != 200 || x.TLS != nil && len(x.TLS.Problems) > 0 || !strings.Contains(r.URL, "config-v1.1.xml") || seen[string(x.Body)] {
			continue
		}
		seen[string(x.Body)] = true
		if p, notes, err := autoconfig.ParseNoting(x.Body); err == nil {
			out = append(out, autoconfigDocument{withoutQuery(r.URL), p, notes})
		}
	}
	return out
}

// fill takes names, services and the like from the documents.
func fill(p *settings.Provider, published []autoconfigDocument) {
	for _, d := range published {
		read := d.provider
		if p.DisplayName == p.ID && read.DisplayName != "" && !strings.Contains(read.DisplayName, "%") {
			p.DisplayName, p.ShortName = read.DisplayName, read.ShortName
		}
		for _, s := range read.Services {
			if !slices.ContainsFunc(p.Services, func(t settings.Service) bool { return t.Protocol == s.Protocol && t.URL == s.URL }) {
				p.Services = append(p.Services, s)
			}
		}
		if p.OAuth2 == nil {
			p.OAuth2 = read.OAuth2
		}
		if p.Documentation == nil {
			p.Documentation = read.Documentation
		}
		p.Webmail = cmp.Or(p.Webmail, read.Webmail)
	}
}

// notes tells what the draft's own reader passes over in documents.
func (j *judge) notes(published []autoconfigDocument) (causes []cause) {
	for _, d := range published {
		if j.nearness(hostOf(d.url)) == nothing {
			continue // the ISP database's
		}
		for _, n := range d.notes.Passed[:min(len(d.notes.Passed), 6)] {
			causes = append(causes, j.cause(documentNotes, d.url, incidental, "%s: line %d: %s", d.url, n.Line, n.Text))
		}
	}
	return causes
}

// compare tells where programs find another server than the catalogue names.
func (j *judge) compare(results []clientResult) (causes []cause) {
	if j.asked.Catalogue == nil {
		return nil
	}
	p := j.asked.Catalogue
	ours := slices.Concat(p.Incoming, p.Outgoing)
	for _, r := range results {
		if r.found == nil || r.found.guessed {
			continue
		}
		for _, servers := range [][]settings.Server{r.found.incoming, r.found.outgoing} {
			if len(servers) == 0 || slices.ContainsFunc(ours, func(s settings.Server) bool { return endpointOf(s) == endpointOf(servers[0]) }) {
				continue
			}
			s := servers[0]
			var says []string
			for _, o := range ours {
				if o.Protocol == s.Protocol {
					says = append(says, fmt.Sprintf("%s:%d %s", o.Hostname, o.Port, o.SocketType))
				}
			}
			causes = append(causes, j.cause(catalogueDiffers, r.found.way, connected, "%s: the catalogue says %s, %s says %s:%d %s",
				s.Protocol, list(says), r.found.way, s.Hostname, s.Port, s.SocketType))
		}
	}
	return causes
}
