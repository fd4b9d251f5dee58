package data_test

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
)

// Names that the Thunderbird ISP database has by a slip; docs/doubts.md says more.
var slips = map[string]bool{"coral.broba.ccv": true} // coral.broba.cc: there is no domain .ccv

// answered counts the domains that a provider serves, and names those that none does.
func answered(t *testing.T, c *catalogue.Catalogue, domains []string) int {
	t.Helper()
	n := 0
	for _, name := range domains {
		d, err := address.ParseDomain(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := c.LookupWithoutDefault(d); ok {
			n++
		} else if !slips[name] {
			t.Errorf("no provider serves %s", name)
		}
	}
	return n
}

// Every domain of the ISP database is served.
func TestISPDatabase(t *testing.T) {
	f, err := os.Open("../testdata/ispdb-domains.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var domains []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			domains = append(domains, line)
		}
	}
	if len(domains) != 962 {
		t.Errorf("the list has %d domains, want 962", len(domains))
	}
	n := answered(t, shipped(t), domains)
	t.Logf("%d of the %d domains of the ISP database are served", n, len(domains))
}

// The same for those of its documents that lie beside the repository, as they are
// read by this project's own parser.
func TestISPDatabaseDocuments(t *testing.T) {
	files, err := filepath.Glob("../../shared/ispdb/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no documents of the ISP database in ../shared/ispdb")
	}
	var domains []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := autoconfig.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(name), err)
			continue
		}
		for _, d := range p.Domains {
			domains = append(domains, d.String())
		}
	}
	n := answered(t, shipped(t), domains)
	t.Logf("%d of the %d domains in %d documents are served", n, len(domains), len(files))
}
