package zoneformat

import (
	"strings"

	"github.com/miekg/dns"
)

// terraformFile is a *.tf.json document. Which server takes the updates stands in
// the provider block of the reader's own files.
type terraformFile struct {
	Comment  string                             `json:"//"`
	Resource map[string]map[string]terraformSet `json:"resource"` // by resource type, by resource name
}

// terraformSet is a resource of the provider hashicorp/dns. TXT is in presentation
// form, because the provider puts it between quotes and parses that.
type terraformSet struct {
	Zone      literal        `json:"zone"`
	Name      literal        `json:"name,omitempty"`
	TTL       uint32         `json:"ttl"`
	Addresses []literal      `json:"addresses,omitempty"`
	CNAME     literal        `json:"cname,omitempty"`
	SRV       []terraformSRV `json:"srv,omitempty"`
	TXT       []literal      `json:"txt,omitempty"`
}

type terraformSRV struct {
	Priority uint16  `json:"priority"`
	Weight   uint16  `json:"weight"`
	Port     uint16  `json:"port"`
	Target   literal `json:"target"`
}

// literal is a string in which Terraform finds no template: in its JSON syntax,
// every string is one.
type literal string

var noTemplate = strings.NewReplacer("${", "$${", "%{", "%%{")

// MarshalText makes [json.Encoder] write the escaped form.
//
// [json.Encoder]: encoding/json
func (l literal) MarshalText() ([]byte, error) { return []byte(noTemplate.Replace(string(l))), nil }

var resourceTypes = map[uint16]string{
	dns.TypeA:     "dns_a_record_set",
	dns.TypeAAAA:  "dns_aaaa_record_set",
	dns.TypeCNAME: "dns_cname_record",
	dns.TypeSRV:   "dns_srv_record_set",
	dns.TypeTXT:   "dns_txt_record_set",
}

func renderTerraform(domains []Domain) ([]byte, error) {
	file := terraformFile{
		Comment:  "DNS records that lead mail programs to their settings, for the provider hashicorp/dns",
		Resource: make(map[string]map[string]terraformSet),
	}
	for _, d := range domains {
		for _, s := range d.sets() {
			resource := terraformSet{Zone: literal(d.origin()), Name: literal(d.relative(s.name)), TTL: s.ttl}
			for _, rr := range s.rrs {
				switch rr := rr.(type) {
				case *dns.A, *dns.AAAA:
					resource.Addresses = append(resource.Addresses, literal(rdata(rr)))
				case *dns.CNAME:
					resource.CNAME = literal(rr.Target)
				case *dns.SRV:
					resource.SRV = append(resource.SRV, terraformSRV{rr.Priority, rr.Weight, rr.Port, literal(rr.Target)})
				case *dns.TXT:
					resource.TXT = append(resource.TXT, literal(text(rr)))
				default:
					return nil, unsupported(Terraform, rr)
				}
			}
			resources := file.Resource[resourceTypes[s.rrtype]]
			if resources == nil {
				resources = make(map[string]terraformSet)
				file.Resource[resourceTypes[s.rrtype]] = resources
			}
			resources[resourceName(s.name)] = resource
		}
	}
	return encodeJSON(file)
}

// resourceName makes an identifier of a name: letters, digits, hyphens and
// underscores, no digit first. No two names have the same one, because labels have
// underscores only at their start, so that any other stands for a dot.
func resourceName(name string) string {
	return "milepost_" + strings.ReplaceAll(strings.TrimSuffix(name, "."), ".", "_")
}
