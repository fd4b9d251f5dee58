package data_test

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/catalogue"
	"milepost/data"
	"milepost/settings"
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

// readCopy is the copy of the ISP database whose files are compared; a correction that
// waits there has another commit.
const readCopy = "https://github.com/thunderbird/autoconfig/blob/c6ad79659b5fc321d1593ec4c277815b83e5dec5/ispdb/"

// documents reads those files of the ISP database that lie beside the repository, with
// this project's own parser.
func documents(t *testing.T) map[string]settings.Provider {
	t.Helper()
	files, err := filepath.Glob("../../shared/ispdb/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("no documents of the ISP database in ../shared/ispdb")
	}
	read := make(map[string]settings.Provider)
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
		read[filepath.Base(name)] = p
	}
	return read
}

// Every domain of these documents is served, and with the servers that they name. Of
// a server that is not, docs/doubts.md says why; of one that they do not name, the
// file that was made of them does.
func TestISPDatabaseDocuments(t *testing.T) {
	doubts, err := os.ReadFile("../docs/doubts.md")
	if err != nil {
		t.Fatal(err)
	}
	docs, c := documents(t), shipped(t)
	var domains []string
	servers, other := 0, 0
	for name, doc := range docs {
		for _, pattern := range doc.Domains {
			domains = append(domains, pattern.Domain.String())
		}
		theirs := slices.Concat(doc.Incoming, doc.Outgoing)
		servers += len(theirs)
		missing := make(map[settings.Hostname]bool)
		for _, p := range serving(c, doc.Domains) {
			ours := slices.Concat(p.Incoming, p.Outgoing)
			for _, s := range theirs {
				if offers(ours, s) {
					continue
				}
				missing[s.Hostname] = true
				if !strings.Contains(string(doubts), "`"+string(s.Hostname)+"`") {
					t.Errorf("%s: %s %s port %d %s, username %s: %s does not have it, and docs/doubts.md does not say why", name, s.Protocol, s.Hostname, s.Port, s.SocketType, s.Username, p.ID)
				}
			}
			if p.Source == readCopy+name {
				for _, s := range unexplained(t, p) {
					if !offers(theirs, s) {
						t.Errorf("%s.toml: no comment says why %s port %d %s is there; %s does not have it", p.ID, s.Hostname, s.Port, s.SocketType, name)
					}
				}
			}
		}
		other += len(missing)
	}
	n := answered(t, c, domains)
	t.Logf("%d of the %d domains in %d documents are served; of their %d servers, %d hosts otherwise", n, len(domains), len(docs), servers, other)
}

// serving returns the providers that serve domains, each once.
func serving(c *catalogue.Catalogue, domains []settings.DomainPattern) []*settings.Provider {
	var list []*settings.Provider
	for _, pattern := range domains {
		if p, ok := c.LookupWithoutDefault(pattern.Domain); ok && !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// offers tells whether a list has a server, or one of the same host and protocol that
// is better: with TLS from the first byte.
func offers(list []settings.Server, want settings.Server) bool {
	return slices.ContainsFunc(list, func(s settings.Server) bool {
		if s.Protocol != want.Protocol || s.Hostname != want.Hostname || s.Username != want.Username {
			return false
		}
		return s.Port == want.Port && s.SocketType == want.SocketType || s.SocketType == settings.SSL && want.SocketType != settings.SSL
	})
}

// unexplained returns the servers of a shipped provider above which its file has no
// comment.
func unexplained(t *testing.T, p *settings.Provider) []settings.Server {
	t.Helper()
	text, err := fs.ReadFile(data.Providers(), p.ID+".toml")
	if err != nil {
		t.Fatal(err)
	}
	var list []settings.Server
	incoming, outgoing := p.Incoming, p.Outgoing
	for table := range strings.SplitSeq(string(text), "\n\n") {
		var s settings.Server
		switch {
		case strings.Contains(table, "[[incoming]]"):
			s, incoming = incoming[0], incoming[1:]
		case strings.Contains(table, "[[outgoing]]"):
			s, outgoing = outgoing[0], outgoing[1:]
		default:
			continue
		}
		if !strings.Contains(table, "# ") {
			list = append(list, s)
		}
	}
	return list
}
