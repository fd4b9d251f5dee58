package zone_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"milepost/catalogue"
	"milepost/internal/fixture"
	"milepost/zone"
)

// Each page of testdata has providers' files, options, and last the records of every
// domain.
func TestRecords(t *testing.T) {
	fixture.Pages(t, "testdata/*.txtar", func(t *testing.T, p *fixture.Page) {
		var o zone.Options
		if options, ok := p.Text("options.json"); ok {
			if err := json.Unmarshal([]byte(options), &o); err != nil {
				t.Fatal(err)
			}
		}
		p.Expect(t, "records", records(fixture.Catalogue(t, p.List()...), o))
	})
}

func records(c *catalogue.Catalogue, o zone.Options) string {
	var b strings.Builder
	for _, p := range c.Providers() {
		for _, d := range p.Domains {
			for _, rr := range zone.Records(p, d.Domain, o) {
				fmt.Fprintln(&b, strings.ReplaceAll(rr.String(), "\t", " "))
			}
		}
	}
	return b.String()
}
