package autoconfig_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/address"
	"milepost/autoconfig"
	"milepost/internal/fixture"
	"milepost/settings"
)

const ispdb = "../../shared/ispdb/*.xml"

func TestParseReadsTheISPDatabase(t *testing.T) {
	files, _ := filepath.Glob(ispdb)
	if len(files) == 0 {
		t.Skip("the ISP database's files are not here: " + ispdb)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			p, err := autoconfig.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			// What the file says and how often we understood it.
			count := func(kind string) int {
				return strings.Count(string(text), `<incomingServer type="`+kind+`"`) + strings.Count(string(text), `<outgoingServer type="`+kind+`"`)
			}
			got := make(map[string]int)
			for _, s := range append(p.Incoming, p.Outgoing...) {
				got[string(s.Protocol)]++
			}
			for _, kind := range []string{"imap", "pop3", "smtp"} {
				if got[kind] != count(kind) {
					t.Errorf("%d of %d %s servers", got[kind], count(kind), kind)
				}
			}
			if p.ID == "" || p.DisplayName == "" || len(p.Domains) == 0 {
				t.Errorf("id %q, display name %q, %d domains", p.ID, p.DisplayName, len(p.Domains))
			}
			roundTrip(t, p)
		})
	}
}

// roundTrip holds that a provider survives being written and read.
func roundTrip(t *testing.T, p settings.Provider) {
	t.Helper()
	if len(p.Incoming) == 0 || len(p.Outgoing) == 0 {
		return // a document needs both
	}
	// The placeholders stay where they are: nothing is filled in by For.
	a := settings.Account{Address: address.Address{Domain: p.Domains[0].Domain}, Provider: &p}
	doc, err := autoconfig.RenderAll(a)
	if err != nil {
		t.Fatal(err)
	}
	again, err := autoconfig.Parse(doc)
	if err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	if diff := cmp.Diff(p, again); diff != "" {
		t.Errorf("all servers (-before +after):\n%s\n%s", diff, doc)
	}
	// The default document is a part of it, and a fixed point.
	short, err := autoconfig.Render(a)
	if err != nil {
		t.Fatal(err)
	}
	q, err := autoconfig.Parse(short)
	if err != nil {
		t.Fatalf("%v in\n%s", err, short)
	}
	shortAgain, err := autoconfig.Render(settings.Account{Address: a.Address, Provider: &q})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(short), string(shortAgain)); diff != "" {
		t.Errorf("default document (-before +after):\n%s", diff)
	}
}

func TestShippedProvidersSurvive(t *testing.T) {
	for _, p := range fixture.ShippedServers(t) {
		if p.Incoming[0].Hostname == settings.MXHost {
			continue // no document says that
		}
		q := *p
		// What the format does not carry.
		q.Kind, q.Country, q.Website, q.Source, q.Checked, q.Closed = "", "", "", "", "", false
		q.AppleName, q.GoogleName, q.Password, q.Notice = "", "", settings.Password{}, nil
		for _, list := range []*[]settings.Server{&q.Incoming, &q.Outgoing, &q.Setup} {
			*list = slices.Clone(*list)
			for i := range *list {
				(*list)[i].Devices = nil
			}
		}
		q.Enable = slices.Clone(q.Enable)
		for i := range q.Enable {
			q.Enable[i].Protocols = p.Protocols()
		}
		if len(q.Domains) == 0 {
			q.Domains = []settings.DomainPattern{{Domain: q.MX[0]}}
		}
		var exact []settings.DomainPattern
		for _, d := range q.Domains {
			if !d.Wildcard {
				exact = append(exact, d)
			}
		}
		if exact == nil {
			exact = []settings.DomainPattern{{Domain: q.Domains[0].Domain}}
		}
		q.Domains = exact
		t.Run(p.ID, func(t *testing.T) { roundTrip(t, q) })
	}
}

const minimal = `<clientConfig version="1.1"><emailProvider id="example.com"><domain>example.com</domain>` +
	`<displayName>Example</displayName><displayShortName>Ex</displayShortName>{}` +
	`<outgoingServer type="smtp"><hostname>smtp.example.com</hostname><port>465</port><socketType>SSL</socketType></outgoingServer>` +
	`</emailProvider></clientConfig>`

func TestParseSections(t *testing.T) {
	const imap = `<incomingServer type="imap"><hostname>imap.example.com</hostname><port>993</port>` +
		`<socketType>SSL</socketType><authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></incomingServer>`
	for name, tc := range map[string]struct{ replace, by, want string }{
		"as it is":               {"", "", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"blanks around text":     {">993<", ">\n 993 <", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"type in upper case":     {`"imap"`, `"IMAP"`, "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"hostname twice":         {"<port>", "<hostname>other.example.com</hostname><port>", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"hostname further down":  {"<hostname>", "<pop3><hostname>other.example.com</hostname></pop3><hostname>", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"no username":            {"<username>%EMAILADDRESS%</username>", "", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"username with a typo":   {"DDRESS%<", "DDRESS<", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS"},
		"no authentication":      {"<authentication>password-cleartext</authentication>", "", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"old name":               {"password-cleartext", "secure", "imap imap.example.com:993 SSL [password-encrypted] %EMAILADDRESS%"},
		"SASL name first":        {"<authentication>", `<authentication system="sasl">SCRAM-SHA-256</authentication><authentication>`, "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"unknown authentication": {"password-cleartext", "telepathy", ""},
		"unknown type":           {`"imap"`, `"exchange"`, ""},
		"unknown socket type":    {">SSL<", ">TLS<", ""},
		"port 0":                 {"993", "0", ""},
		"port 65536":             {"993", "65536", ""},
		"no hostname":            {"<hostname>imap.example.com</hostname>", "", ""},
		"hostname with a space":  {"imap.example", "imap example", ""},
		"domain in the hostname": {"imap.example.com", "imap.%EMAILDOMAIN%", "imap imap.%EMAILDOMAIN%:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"U-label hostname":       {"imap.example", "imap.bücher", "imap imap.xn--bcher-kva.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"comment inside":         {">993<", "><!-- x -->993<", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
		"CDATA":                  {">993<", "><![CDATA[993]]><", "imap imap.example.com:993 SSL [password-cleartext] %EMAILADDRESS%"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(minimal, "{}", strings.Replace(imap, tc.replace, tc.by, 1), 1)
			p, err := autoconfig.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, s := range p.Incoming {
				got += line(s)
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	ok := strings.Replace(minimal, "{}", "", 1)
	for name, tc := range map[string]struct{ in, want string }{
		"nothing":           {"", "document is empty"},
		"HTML":              {"<html><body/></html>", "document's root is html; clientConfig is allowed"},
		"text":              {"404 not found", "document has text outside of its root"},
		"cut short":         {ok[:len(ok)-20], "document is not well-formed: XML syntax error on line 1: unexpected EOF"},
		"garbage behind":    {ok + "<x/>", "document goes on behind its root, with x"},
		"no provider":       {`<clientConfig/>`, "document has no emailProvider element"},
		"no domain":         {strings.NewReplacer("<domain>example.com</domain>", "", ` id="example.com"`, "").Replace(ok), "document names no domain"},
		"no server":         {strings.ReplaceAll(ok, "465", "x"), "document has no server or service that can be used"},
		"Latin-1":           {`<?xml version="1.0" encoding="ISO-8859-1"?>` + ok, "document is in ISO-8859-1; UTF-8 is allowed"},
		"not UTF-8":         {strings.Replace(ok, "Example", "Ex\xe4mple", 1), "document is not well-formed: XML syntax error on line 1: invalid UTF-8"},
		"an entity bomb":    {`<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>` + strings.Replace(ok, "Example", "&b;", 1), "document is not well-formed: XML syntax error on line 1: invalid character entity &b;"},
		"an outside entity": {`<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + strings.Replace(ok, "Example", "&a;", 1), "document is not well-formed: XML syntax error on line 1: invalid character entity &a;"},
		"2 MiB":             {strings.Repeat(" ", 2<<20), "document has 2097152 octets; at most 1048576 are read"},
		"20,000 deep":       {`<clientConfig>` + strings.Repeat("<emailProvider>", 20_000), "document is not well-formed: XML syntax error on line 1: unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := autoconfig.Parse([]byte(tc.in))
			if err == nil || err.Error() != tc.want {
				t.Errorf("error: %v\nwant:  %s", err, tc.want)
			}
		})
	}
}

func line(s settings.Server) string {
	methods := make([]string, len(s.Authentication))
	for i, m := range s.Authentication {
		methods[i] = string(m)
	}
	return string(s.Protocol) + " " + string(s.Hostname) + ":" + strconv.Itoa(int(s.Port)) + " " + string(s.SocketType) + " [" + strings.Join(methods, " ") + "] " + string(s.Username)
}

// What Parse accepts is written and read again without a difference.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob(ispdb)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, p := range fixture.ShippedServers(f) {
		doc, err := autoconfig.Render(p.For(address.Address{Domain: exampleDomain(f, patterns(p)[0])}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := autoconfig.Parse(text)
		if err != nil {
			return
		}
		roundTrip(t, p)
	})
}
