package zoneformat

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"
)

// octoRecord is the records of one type at a name. Its fields stand in the order of
// their keys, because YamlProvider refuses any other (enforce_order).
type octoRecord struct {
	TTL    uint32 `yaml:"ttl"`
	Type   string `yaml:"type"`
	Value  string `yaml:"value,omitempty"` // of a CNAME, which has one
	Values any    `yaml:"values,omitempty"`
}

type octoSRV struct {
	Port     uint16 `yaml:"port"`
	Priority uint16 `yaml:"priority"`
	Target   string `yaml:"target"`
	Weight   uint16 `yaml:"weight"`
}

// renderOctoDNS writes a YAML document a domain, which is a file of its own for
// octoDNS.
func renderOctoDNS(domains []Domain) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, d := range domains {
		doc, err := octoZone(d)
		if err != nil {
			return nil, err
		}
		if err := e.Encode(doc); err != nil {
			return nil, err
		}
	}
	err := e.Close()
	return b.Bytes(), err
}

// octoZone maps each name to its record, or to the list of them.
func octoZone(d Domain) (*yaml.Node, error) {
	zone := &yaml.Node{Kind: yaml.MappingNode, HeadComment: "config/" + d.ASCII + ".yaml"}
	sets := d.sets()
	for len(sets) > 0 {
		n := slices.IndexFunc(sets, func(s set) bool { return s.name != sets[0].name })
		if n < 0 {
			n = len(sets)
		}
		records := make([]octoRecord, n)
		for i, s := range sets[:n] {
			var err error
			if records[i], err = octoSet(s); err != nil {
				return nil, err
			}
		}
		var key, value yaml.Node
		key.SetString(d.relative(sets[0].name))
		var err error
		if n == 1 {
			err = value.Encode(records[0])
		} else {
			err = value.Encode(records)
		}
		if err != nil {
			return nil, err
		}
		zone.Content = append(zone.Content, &key, &value)
		sets = sets[n:]
	}
	return zone, nil
}

func octoSet(s set) (octoRecord, error) {
	r := octoRecord{TTL: s.ttl, Type: dns.Type(s.rrtype).String()}
	var texts []string
	var services []octoSRV
	for _, rr := range s.rrs {
		switch rr := rr.(type) {
		case *dns.A, *dns.AAAA:
			texts = append(texts, rdata(rr))
		case *dns.CNAME:
			r.Value = rr.Target
			return r, nil
		case *dns.SRV:
			services = append(services, octoSRV{rr.Port, rr.Priority, rr.Target, rr.Weight})
		case *dns.TXT:
			texts = append(texts, octoText.Replace(text(rr)))
		default:
			return r, unsupported(OctoDNS, rr)
		}
	}
	if r.Values = texts; s.rrtype == dns.TypeSRV {
		slices.SortFunc(services, func(a, b octoSRV) int {
			return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Port, b.Port), strings.Compare(a.Target, b.Target))
		})
		r.Values = services
	}
	slices.Sort(texts)
	return r, nil
}

// octoText turns presentation form into octoDNS's: it wants semicolons escaped,
// escapes quotes once more, and calls two backslashes before a semicolon a mistake.
var octoText = strings.NewReplacer(`;`, `\;`, `\"`, `\034`, `\\`, `\092`)
