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
// microsoft365 is the other half of what the seed takes for one provider.
const microsoft365 = "office365.com"

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
	"Outlook / Microsoft 365 / Live / Hotmail": "outlook.com", // and microsoft365
	"Yahoo Mail": "yahoo.com",
}

// Every row of testdata/seed.tsv is in the catalogue: protocol, host, port and
// whether it is encrypted. A row without a word on security is clear text. TLS of
// any name on port 587 is STARTTLS, unless the file has a source that was read and
// says otherwise.
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
			servers := slices.Concat(p.Incoming, p.Outgoing)
			if p.ID == seedProviders["Outlook / Microsoft 365 / Live / Hotmail"] {
				servers = append(servers, providers[microsoft365].Outgoing...)
			}
			for _, s := range servers {
				if string(s.Protocol) == protocol && string(s.Hostname) == hostname && port == portOf(s) {
					if s.SocketType != want && !(oddSubmission(s) && security == "SSL" && p.Checked != "") {
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

// oddSubmission tells whether a server speaks TLS from the first byte on the port of
// STARTTLS (RFC 8314 §3.3, RFC 6409 §3.1).
func oddSubmission(s settings.Server) bool { return s.Port == 587 && s.SocketType == settings.SSL }

func portOf(s settings.Server) string { return strconv.Itoa(int(s.Port)) }

// What the file format leaves open and the shipped files must have.
func TestShippedFiles(t *testing.T) {
	providers := shipped(t).Providers()
	checked := 0
	for _, p := range providers {
		servers := slices.Concat(p.Incoming, p.Outgoing, p.Setup)
		for name, wrong := range map[string]bool{
			"no source":              p.Source == "",
			"no kind":                p.Kind == "",
			"no country":             p.Country == "",
			"short name is too long": utf8.RuneCountInString(p.ShortName) > 20,
			"no domain":              len(p.Domains)+len(p.MX) == 0,
			"is the default provider, an admin's choice":      slices.ContainsFunc(p.Domains, func(d settings.DomainPattern) bool { return d.Wildcard && d.Domain.IsZero() }),
			"clear text stands before TLS":                    clearTextFirst(p.Incoming) || clearTextFirst(p.Outgoing),
			"prefers OAuth2 and has no [oauth2]":              p.OAuth2 == nil && slices.ContainsFunc(servers, func(s settings.Server) bool { return s.Authentication[0] == settings.OAuth2 }),
			"has TLS on port 587 and no source that was read": p.Checked == "" && slices.ContainsFunc(servers, oddSubmission),
			"has a bridge's password and servers for other devices": p.Password.Kind == settings.BridgePassword &&
				slices.ContainsFunc(servers, func(s settings.Server) bool { return !slices.Equal(s.Devices, []settings.Device{settings.Computer}) }),
			"has servers and takes no mail program":   p.NoMailPrograms && len(servers) > 0,
			"has no servers":                          !p.NoMailPrograms && (len(p.Incoming) == 0 || len(p.Outgoing) == 0),
			"a link for a password that nobody makes": p.Password.URL != "" && p.Password.Kind == settings.AccountPassword,
		} {
			if wrong {
				t.Errorf("%s: %s", p.ID, name)
			}
		}
		if p.Checked != "" {
			checked++
		}
	}
	t.Logf("%d providers; of %d the source was read, of %d it was not", len(providers), checked, len(providers)-checked)
	if len(providers) < 200 {
		t.Errorf("%d providers, want 200", len(providers))
	}
}

func clearTextFirst(list []settings.Server) bool {
	return len(list) > 0 && !list[0].SocketType.Encrypted() && slices.ContainsFunc(list, func(s settings.Server) bool { return s.SocketType.Encrypted() })
}

// A notice, or what must be switched on, is what people must know first, so it is in
// every language of the pages, in their order; others may follow.
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
		for _, n := range p.Notices() {
			var got []string
			for _, text := range n.Text {
				got = append(got, text.Lang)
			}
			if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
				t.Errorf("%s: %q is in %v, want %v first", p.ID, n.Text[0].Value, got, want)
			}
		}
	}
}
