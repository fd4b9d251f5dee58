package data_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/providerfile"
	"milepost/settings"
)

func shipped(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	c, warnings, err := providerfile.Load(providerfile.Directory{Name: "providers", FS: data.Providers()})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return c
}

// The seed's names of providers, and their ids here.
var seedProviders = map[string]string{
	"Alice":                           "alice.fr",
	"Bouygues":                        "bbox.fr",
	"Dartybox":                        "dartybox.com",
	"Free":                            "free.fr",
	"Noos / Numericable":              "numericable.fr",
	"Orange / Wanadoo":                "orange.fr",
	"OVH":                             "ovh.net",
	"SFR / Neuf / 9 Online / Cegetel": "sfr.fr",
	"AOL":                             "aol.com",
	"Apple (iCloud / Me / Mac)":       "icloud.com",
	"Club-Internet":                   "club-internet.fr",
	"Gmail":                           "gmail.com",
	"GMX (Caramail)":                  "gmx.com",
	"Laposte":                         "laposte.net",
	"Opera Mail":                      "myopera.com",
	"Outlook / Microsoft 365 / Live / Hotmail": "outlook.com",
	"Yahoo Mail": "yahoo.com",
}

// Every row of testdata/seed.tsv is in the catalogue: protocol, host, port and
// whether it is encrypted. A row without a word on security is clear text; TLS
// of any name on port 587 is STARTTLS.
func TestSeed(t *testing.T) {
	text, err := os.ReadFile("../testdata/seed.tsv")
	if err != nil {
		t.Fatal(err)
	}
	providers := make(map[string]*settings.Provider)
	for _, p := range shipped(t).Providers() {
		providers[p.ID] = p
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if fields[0] == "table" {
			continue
		}
		rows++
		table, name, protocol, hostname, port, security := fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]
		t.Run(strings.Join(fields[1:5], " "), func(t *testing.T) {
			p := providers[seedProviders[name]]
			if p == nil {
				t.Fatalf("no provider for %s", name)
			}
			if want := map[string]settings.Kind{"isp": settings.InternetProvider, "service": settings.MailService}[table]; p.Kind != want {
				t.Errorf("kind %s, want %s", p.Kind, want)
			}
			want := settings.SSL
			switch {
			case security == "-" || security == "none":
				want = settings.Plain
			case port == "587":
				want = settings.STARTTLS
			}
			for _, s := range append(p.Incoming[:len(p.Incoming):len(p.Incoming)], p.Outgoing...) {
				if string(s.Protocol) == protocol && string(s.Hostname) == hostname && port == portOf(s) {
					if s.SocketType != want {
						t.Errorf("socket type %s, want %s", s.SocketType, want)
					}
					return
				}
			}
			t.Error("not in the catalogue")
		})
	}
	if rows != 61 {
		t.Errorf("%d rows, want 61", rows)
	}
}

func portOf(s settings.Server) string { return strconv.Itoa(int(s.Port)) }

// What the file format leaves open and the shipped files must have.
func TestShippedFiles(t *testing.T) {
	seeds := make(map[string]bool)
	for _, id := range seedProviders {
		seeds[id] = true
	}
	others, providers := 0, shipped(t).Providers()
	if len(providers) < 200 {
		t.Errorf("%d providers, want 200", len(providers))
	}
	for _, p := range providers {
		if !seeds[p.ID] {
			others++
			if p.Source == "" {
				t.Errorf("%s: no source", p.ID)
			}
		}
		if p.Kind == "" || p.Country == "" {
			t.Errorf("%s: kind %q, country %q", p.ID, p.Kind, p.Country)
		}
		if utf8.RuneCountInString(p.ShortName) > 20 || len(p.Domains)+len(p.MX) == 0 {
			t.Errorf("%s: short name %q, %d domains", p.ID, p.ShortName, len(p.Domains))
		}
		for _, d := range p.Domains {
			if d.Wildcard && d.Domain.IsZero() {
				t.Errorf("%s: the default provider is the admin's choice", p.ID)
			}
		}
		for _, list := range [][]settings.Server{p.Incoming, p.Outgoing} {
			if len(list) > 0 && !list[0].SocketType.Encrypted() && slices.ContainsFunc(list, func(s settings.Server) bool { return s.SocketType.Encrypted() }) {
				t.Errorf("%s: clear text stands before TLS", p.ID)
			}
		}
	}
	if others < 25 {
		t.Errorf("%d providers beside the seed's", others)
	}
}

// A notice is what people must know first, so it is in every language of the
// pages, in their order; others may follow.
func TestNoticeLanguages(t *testing.T) {
	want := []string{"en", "fr", "de", "es", "it", "nl", "pt"}
	files, err := os.ReadDir("../internal/pages/messages")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if lang := strings.TrimSuffix(f.Name(), ".toml"); !slices.Contains(want, lang) {
			t.Errorf("the pages are in %s too", lang)
		}
	}
	for _, p := range shipped(t).Providers() {
		if p.Notice == nil {
			continue
		}
		var got []string
		for _, text := range p.Notice.Text {
			got = append(got, text.Lang)
		}
		if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: the notice is in %v, want %v first", p.ID, got, want)
		}
	}
}
