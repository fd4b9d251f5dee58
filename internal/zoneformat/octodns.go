package zoneformat

import (
	"bytes"
	"cmp"
	"maps"
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

// octoName has the records of one name: a list, or one record by itself.
type octoName []octoRecord

// MarshalYAML implements [yaml.Marshaler].
func (n octoName) MarshalYAML() (any, error) {
	if len(n) == 1 {
		return n[0], nil
	}
	return []octoRecord(n), nil
}

// renderOctoDNS writes a YAML document a domain, which is a file of its own for
// octoDNS.
func renderOctoDNS(domains []Domain) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	for _, d := range domains {
		names := make(map[string]octoName)
		for _, s := range d.sets() {
			r, err := octoSet(s)
			if err != nil {
				return nil, err
			}
			name := d.relative(s.name)
			names[name] = append(names[name], r)
		}
		doc := &yaml.Node{Kind: yaml.MappingNode, HeadComment: "config/" + d.ASCII + ".yaml"}
		for _, name := range slices.Sorted(maps.Keys(names)) { // the encoder has _pop3s before _pop3
			var key, value yaml.Node
			key.SetString(name)
			if err := value.Encode(names[name]); err != nil {
				return nil, err
			}
			doc.Content = append(doc.Content, &key, &value)
		}
		if err := e.Encode(doc); err != nil {
			return nil, err
		}
	}
	err := e.Close()
	return b.Bytes(), err
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
