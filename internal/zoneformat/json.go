package zoneformat

import (
	"bytes"
	"cmp"
	"encoding/json"

	"github.com/miekg/dns"
)

// jsonRecord is one record. Name is relative to the domain, and data is what
// stands in a master file.
type jsonRecord struct {
	Domain string `json:"domain"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	TTL    uint32 `json:"ttl"`
	Data   string `json:"data"`
	*jsonSRV
}

// jsonSRV is the parts of an SRV record's data (RFC 2782).
type jsonSRV struct {
	Priority uint16 `json:"priority"`
	Weight   uint16 `json:"weight"`
	Port     uint16 `json:"port"`
	Target   string `json:"target"`
}

func renderJSON(domains []Domain) ([]byte, error) {
	records := []jsonRecord{} // never null
	for _, d := range domains {
		for _, s := range d.sets() {
			for _, rr := range s.rrs {
				r := jsonRecord{Domain: d.ASCII, Name: cmp.Or(d.relative(s.name), "@"), Type: typeName(rr), TTL: s.ttl, Data: rdata(rr)}
				if srv, ok := rr.(*dns.SRV); ok {
					r.jsonSRV = &jsonSRV{srv.Priority, srv.Weight, srv.Port, srv.Target}
				}
				records = append(records, r)
			}
		}
	}
	return encodeJSON(records)
}

// encodeJSON writes JSON for people and programs, not for a page of HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
