package zoneformat_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.yaml.in/yaml/v3"

	"milepost/internal/fixture"
	"milepost/internal/zoneformat"
	"milepost/zone"
)

// syntax is TXT data (as octets) with which one format or another would say
// something else, if it were written as it is.
var syntax = []string{
	`path=/a"b`,
	`path=/a\`,
	`path=/a;b`,
	`path=/a\;b`,
	`path=/a\"; b`,
	`path=/" "`,
	`"quoted"`,
	"path=/\nupdate delete hostile.example.\n",
	"path=/\r\n- x: y",
	`path=/${upper("x")}%{if true}$${x}%%{y}`,
	"path=/(\t) $INCLUDE /etc/passwd",
	"path=/\x00\x7f\xff\u00fc",
	"# no: comment",
	"yes",
	"1:20",
	" ",
	strings.Repeat(`;"`, 127),
}

// hostile makes a domain of that data: a TXT record each.
func hostile(t *testing.T) zoneformat.Domain {
	t.Helper()
	d := zoneformat.Domain{Domain: fixture.Domain(t, "hostile.example")}
	for i, octets := range syntax {
		d.Records = append(d.Records, &dns.TXT{
			Hdr: dns.RR_Header{Name: fmt.Sprintf("_t%02d._tcp.hostile.example.", i), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 3600},
			Txt: []string{escapeOctets(octets)},
		})
	}
	return d
}

// escapeOctets writes every octet by its number (RFC 1035 §5.1).
func escapeOctets(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, `\%03d`, s[i])
	}
	return b.String()
}

// same tells whether records are those that were put in, SOA and NS aside.
func same(t *testing.T, got, want []dns.RR) {
	t.Helper()
	left := slices.DeleteFunc(slices.Clone(got), func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeSOA || rr.Header().Rrtype == dns.TypeNS
	})
	for _, rr := range want {
		i := slices.IndexFunc(left, func(other dns.RR) bool { return wire(t, rr) == wire(t, other) })
		if i < 0 {
			t.Errorf("there is no %s", rr)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, rr := range left {
		t.Errorf("nobody asked for %s", rr)
	}
}

func wire(t *testing.T, rr dns.RR) string {
	t.Helper()
	buf := make([]byte, 1024)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%s: %v", rr, err)
	}
	return string(buf[:n])
}

func render(t *testing.T, f zoneformat.Format, domains ...zoneformat.Domain) string {
	t.Helper()
	body, err := zoneformat.Render(f, domains, zone.Authority{Serial: 1})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// No data becomes syntax: whoever reads a format gets the octets back.
func TestHostileText(t *testing.T) {
	d := hostile(t)
	t.Run("zone", func(t *testing.T) {
		var got []dns.RR
		p := dns.NewZoneParser(strings.NewReader(render(t, zoneformat.Zone, d)), "", "")
		for rr, ok := p.Next(); ok; rr, ok = p.Next() {
			got = append(got, rr)
		}
		if err := p.Err(); err != nil {
			t.Fatal(err)
		}
		same(t, got, d.Records)
	})
	t.Run("json", func(t *testing.T) {
		var records []struct{ Domain, Name, Type, Data string }
		if err := json.Unmarshal([]byte(render(t, zoneformat.JSON, d)), &records); err != nil {
			t.Fatal(err)
		}
		var got []dns.RR
		for _, r := range records {
			got = append(got, fixture.Record(t, r.Name+"."+r.Domain+". 3600 "+r.Type+" "+r.Data))
		}
		same(t, got, d.Records)
	})
	t.Run("nsupdate", func(t *testing.T) {
		var got []dns.RR
		for line := range strings.Lines(render(t, zoneformat.NSUpdate, d)) {
			if added, ok := strings.CutPrefix(line, "update add "); ok {
				got = append(got, fixture.Record(t, added))
			} else if !strings.HasPrefix(line, "update delete _t") && line != "; hostile.example\n" && line != "zone hostile.example.\n" && line != "send\n" {
				t.Errorf("%q", line)
			}
		}
		same(t, got, d.Records)
	})
	t.Run("terraform", func(t *testing.T) {
		var file struct {
			Resource map[string]map[string]struct {
				Zone, Name string
				TXT        []string
			}
		}
		if err := json.Unmarshal([]byte(render(t, zoneformat.Terraform, d)), &file); err != nil {
			t.Fatal(err)
		}
		var got []dns.RR
		for _, r := range file.Resource["dns_txt_record_set"] {
			txt := strings.NewReplacer("$${", "${", "%%{", "%{").Replace(r.TXT[0])
			if strings.Count(r.TXT[0], "${") != strings.Count(r.TXT[0], "$${") || strings.Count(r.TXT[0], "%{") != strings.Count(r.TXT[0], "%%{") {
				t.Errorf("%s has a template in it", r.TXT[0])
			}
			// As the provider does it: resource_dns_txt_record_set.go.
			got = append(got, fixture.Record(t, r.Name+"."+r.Zone+` 3600 TXT "`+txt+`"`))
		}
		same(t, got, d.Records)
	})
	t.Run("octodns", func(t *testing.T) {
		var file map[string]struct{ Values []string }
		if err := yaml.Unmarshal([]byte(render(t, zoneformat.OctoDNS, d)), &file); err != nil {
			t.Fatal(err)
		}
		var got []dns.RR
		for name, r := range file {
			value := r.Values[0]
			if strings.Contains(value, `\\;`) || strings.Count(value, ";") != strings.Count(value, `\;`) || strings.Contains(value, `"`) {
				t.Errorf("octoDNS refuses or changes %s", value)
			}
			got = append(got, fixture.Record(t, name+`.hostile.example. 3600 TXT "`+value+`"`))
		}
		same(t, got, d.Records)
	})
}

// An update deletes nothing at a name that it does not set: other servers' records
// stand there.
func TestUpdatesTouchTheirOwnNamesAlone(t *testing.T) {
	deleted := 0
	fixture.Pages(t, "testdata/*.txtar", func(t *testing.T, p *fixture.Page) {
		text := render(t, zoneformat.NSUpdate, read(t, p).domains...)
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, "update delete "); ok {
				deleted++
				if name, _, _ := strings.Cut(rest, " "); !strings.Contains(text, "update add "+name+" ") {
					t.Errorf("%s is deleted and not set", name)
				}
			}
		}
	})
	if strings.Contains(render(t, zoneformat.NSUpdate, domains(t, "family")...), "_carddav") { // which the family has not
		t.Error("the update speaks of CardDAV")
	}
	if deleted == 0 {
		t.Error("nothing is deleted")
	}
}

// A YAML document a domain.
func TestOctoDNSDocuments(t *testing.T) {
	all := domains(t, "hoster")
	n := 0
	for decoder := yaml.NewDecoder(strings.NewReader(render(t, zoneformat.OctoDNS, all...))); ; n++ {
		var doc yaml.Node
		if err := decoder.Decode(&doc); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		keys := doc.Content[0].Content
		if want := "# config/" + all[n].ASCII + ".yaml"; keys[0].HeadComment != want && doc.HeadComment != want {
			t.Errorf("no comment %s", want)
		}
		for i := 2; i < len(keys); i += 2 {
			if keys[i-2].Value >= keys[i].Value {
				t.Errorf("%s stands before %s", keys[i-2].Value, keys[i].Value)
			}
		}
	}
	if n != len(all) {
		t.Errorf("%d documents for %d domains", n, len(all))
	}
}

// Every resource of Terraform has a name of its own.
func TestTerraformNames(t *testing.T) {
	all := domains(t, "hoster")
	var file struct{ Resource map[string]map[string]any }
	if err := json.Unmarshal([]byte(render(t, zoneformat.Terraform, all...)), &file); err != nil {
		t.Fatal(err)
	}
	sets := make(map[string]bool)
	for _, d := range all {
		for _, rr := range d.Records {
			sets[rr.Header().Name+dns.Type(rr.Header().Rrtype).String()] = true
		}
	}
	n := 0
	for _, resources := range file.Resource {
		n += len(resources)
	}
	if n != len(sets) {
		t.Errorf("%d resources for %d record sets", n, len(sets))
	}
}

// What has no place in a format is an error, and nothing is written.
func TestUnsupported(t *testing.T) {
	d := hostile(t)
	d.Records = append(d.Records, fixture.Record(t, "hostile.example. 3600 MX 10 mail.hostile.example."))
	for _, f := range []zoneformat.Format{zoneformat.Terraform, zoneformat.OctoDNS} {
		body, err := zoneformat.Render(f, []zoneformat.Domain{d}, zone.Authority{})
		if body != nil || err == nil || !strings.HasPrefix(err.Error(), "hostile.example. MX: has no place in the format "+string(f)) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// A name server inside of the zone has no address there.
func TestNameServerInside(t *testing.T) {
	body, err := zoneformat.Render(zoneformat.Zone, []zoneformat.Domain{hostile(t)}, zone.Authority{NameServers: []string{"ns.hostile.example."}})
	if body != nil || err == nil || !strings.Contains(err.Error(), "ns.hostile.example") {
		t.Errorf("%s %v", body, err)
	}
}
