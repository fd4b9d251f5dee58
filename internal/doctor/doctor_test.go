package doctor

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"milepost/address"
	"milepost/settings"
)

func asked(t *testing.T, s string) Asked {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return Asked{Address: a}
}

// Every ID is explained, once, and with a line of what to do.
func TestKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "known.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[ID]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && len(spec.Values) == 1 {
			if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "ID" {
				id, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				named[ID(id)] = true
			}
		}
		return true
	})
	if len(named) < 50 {
		t.Fatalf("%d were found", len(named))
	}
	for id := range named {
		if rank(id) < 0 {
			t.Errorf("%s is not explained", id)
		}
	}
	seen := make(map[ID]bool)
	for _, k := range kinds {
		if seen[k.id] {
			t.Errorf("%s is there twice", k.id)
		}
		seen[k.id] = true
		if !named[k.id] && !strings.Contains(string(k.id), "-certificate-") {
			t.Errorf("%s has no name", k.id)
		}
		if k.severity == "" || !strings.HasSuffix(k.why, ".") || k.fix == "" {
			t.Errorf("%s: %+v", k.id, k)
		}
	}
}

func TestClients(t *testing.T) {
	names := make(map[string]bool)
	j := &judge{asked: asked(t, "fred@example.com"), seen: NewObservations(), wanted: make(map[Want]bool)}
	for _, c := range Clients() {
		if names[c.Name] || c.Used == 0 || len(c.Steps) == 0 {
			t.Errorf("%+v", c)
		}
		names[c.Name] = true
		for _, g := range c.Steps {
			for _, s := range g.Steps {
				switch s := s.(type) {
				case Document:
					if c.Autoconfig == nil {
						t.Errorf("%s has no rules for %s", c.Name, s.URL)
					}
					if u, ok := j.expand(s.URL); ok && strings.ContainsAny(u, "{}") {
						t.Errorf("%s: %s", c.Name, u)
					}
				case Outlook, OutlookRedirect, OutlookSRV, OutlookJSON:
					if c.Autodiscover == nil {
						t.Errorf("%s has no rules for %+v", c.Name, s)
					}
				}
				if _, first := g.Steps[0].(Guess); first != g.Guesses {
					t.Errorf("%s: a group of guesses does not say so", c.Name)
				}
			}
		}
	}
	for _, name := range []string{"Thunderbird", "Thunderbird for Android", "K-9 Mail", "Evolution", "KMail", "Geary", "Delta Chat", "FairEmail", "Nextcloud Mail", "aerc",
		"Himalaya", "msmtp", "mpop", "Outlook (classic)", "Outlook (new)", "Outlook (mobile)", "eM Client", "Apple Mail", "MyMail"} {
		if !names[name] {
			t.Errorf("%s is not there", name)
		}
	}
}

const documentText = `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="example.com">
    <domain>example.com</domain>
    <incomingServer type="imap">
      <hostname>imap.example.com</hostname><port>993</port><socketType>SSL</socketType>
      <authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>smtp.example.com</hostname><port>465</port><socketType>SSL</socketType>
      <authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>
    </outgoingServer>
  </emailProvider>
</clientConfig>
`

// What each program refuses is what was seen of it, or stands in its source.
func TestReadAutoconfig(t *testing.T) {
	second := func(host, socketType string) string {
		return `<outgoingServer type="smtp"><hostname>` + host + `</hostname><port>587</port><socketType>` + socketType +
			`</socketType><authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></outgoingServer></emailProvider>`
	}
	const all = "Thunderbird Thunderbird-for-Android K-9-Mail Evolution KMail Geary Delta-Chat FairEmail Nextcloud-Mail aerc Himalaya"
	for _, tc := range []struct {
		name, from, to string
		id             ID     // why they refuse it
		refuse         string // who does
		flaw           ID     // what is wrong for those who take it
		flawed         string
		last           string // who takes the second of two outgoing servers
	}{
		{name: "as it should be"},
		{name: "byte order mark", from: "<?xml", to: "\ufeff<?xml", id: byteOrderMark, refuse: "Thunderbird-for-Android K-9-Mail Evolution"},
		{name: "ISO-8859-1", from: "UTF-8", to: "ISO-8859-1", id: notUTF8, refuse: "Thunderbird-for-Android K-9-Mail Evolution aerc Himalaya"},
		{name: "not well-formed", from: "</clientConfig>", to: "", id: notXML, refuse: all},
		{name: "an entity of HTML", from: "imap.example.com", to: "imap&nbsp;", id: notXML, refuse: all},
		{name: "another root", from: "clientConfig", to: "config", id: notAutoconfig, refuse: all},
		{name: "no provider", from: "emailProvider", to: "provider", id: noSettings, refuse: all},
		{name: "no id", from: ` id="example.com"`, to: "", id: noDomain, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail"},
		{name: "an attribute of the only domain", from: "<domain>", to: `<domain purpose="mx">`, id: noDomain, refuse: "Thunderbird"},
		{name: "line ends in a host name", from: "imap.example.com", to: "\n imap.example.com\n", id: whiteSpace, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail KMail Geary FairEmail Nextcloud-Mail aerc"},
		{name: "spaces around a socket type", from: "SSL", to: " SSL ", id: whiteSpace, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail Evolution KMail Geary FairEmail Nextcloud-Mail aerc"},
		{name: "an attribute of a host name", from: "<hostname>imap", to: `<hostname x="y">imap`, id: leafAttribute, refuse: "Thunderbird"},
		{name: "an attribute of a server", from: `type="imap"`, to: `type="imap" x="y"`, id: sectionAttribute, refuse: "Evolution"},
		{name: "no username", from: "<username>%EMAILADDRESS%</username>\n    </outgoing", to: "</outgoing", id: noUsername, refuse: "Thunderbird-for-Android K-9-Mail Delta-Chat", flaw: noUsername, flawed: "Thunderbird"},
		{name: "JMAP first", from: "<incomingServer", to: `<incomingServer type="jmap"><url>https://example.com/jmap</url><authentication>OAuth2</authentication></incomingServer><incomingServer`, id: noHostFirst, refuse: "Geary"},
		{name: "an old name of authentication", from: "password-cleartext", to: "plain", id: noAuthentication, refuse: "Thunderbird-for-Android K-9-Mail"},
		{name: "no authentication", from: "<authentication>password-cleartext</authentication>", to: "", id: noAuthentication, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail"},
		{name: "OAuth2 alone", from: "password-cleartext", to: "OAuth2", id: oauthAlone, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail"},
		{name: "OAuth2 alone, of one that they know", from: "<hostname>imap.example.com</hostname><port>993</port><socketType>SSL</socketType>\n      <authentication>password-cleartext", to: "<hostname>imap.gmail.com</hostname><port>993</port><socketType>SSL</socketType>\n      <authentication>OAuth2"},
		{name: "a socket type in lower case", from: "SSL", to: "ssl", id: badSocketType, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail KMail Himalaya"},
		{name: "no port", from: "993", to: "", id: badPort, refuse: all},
		{name: "a placeholder in a host name", from: "imap.example.com", to: "imap.%EMAILDOMAIN%", id: badHostname, refuse: "FairEmail Nextcloud-Mail"},
		{name: "POP3 alone", from: `type="imap"`, to: `type="pop3"`, id: noSettings, refuse: "Thunderbird-for-Android K-9-Mail Geary Delta-Chat FairEmail Nextcloud-Mail aerc Himalaya"},
		{name: "a type in upper case", from: `type="imap"`, to: `type="IMAP"`, id: noSettings, refuse: "Thunderbird Thunderbird-for-Android K-9-Mail Evolution KMail Geary FairEmail Nextcloud-Mail Himalaya"},
		{name: "the local part", from: "%EMAILADDRESS%", to: "%EMAILLOCALPART%", flaw: placeholderLeft, flawed: "aerc Nextcloud-Mail"},
		{name: "an entity in a username", from: "%EMAILADDRESS%", to: "a&amp;b", flaw: entity, flawed: "Delta-Chat"},
		{name: "a second server", from: "</emailProvider>", to: second("second.example.com", "STARTTLS"), last: "Evolution aerc FairEmail"},
		{name: "a second server in clear text", from: "</emailProvider>", to: second("second.example.com", "plain"), id: clearText, refuse: "Thunderbird-for-Android K-9-Mail", last: "Evolution aerc FairEmail"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := strings.ReplaceAll(documentText, tc.from, tc.to)
			if tc.from == "" {
				text = documentText
			}
			for _, c := range Clients() {
				if c.Autoconfig == nil {
					continue
				}
				j := &judge{asked: asked(t, "fred@example.com"), seen: NewObservations(), wanted: make(map[Want]bool)}
				f := fetched{Exchange: Exchange{Status: 200, ContentType: "text/xml", Body: []byte(text)}, request: Request{"GET", "https://autoconfig.example.com/mail/config-v1.1.xml"}}
				found, causes, _ := j.readAutoconfig(&c, f)
				is := func(list string) bool {
					return slices.Contains(strings.Fields(list), strings.ReplaceAll(c.Name, " ", "-"))
				}
				switch {
				case is(tc.refuse) != (found == nil):
					t.Errorf("%s: found %+v, %+v", c.Name, found, causes)
				case found == nil && causes[0].id != tc.id:
					t.Errorf("%s: %+v", c.Name, causes)
				case found != nil && is(tc.flawed) != (len(found.flaws) > 0):
					t.Errorf("%s: %+v", c.Name, found.flaws)
				case found != nil && is(tc.last) != (found.outgoing[0].Hostname == "second.example.com"):
					t.Errorf("%s: %+v", c.Name, found.outgoing)
				}
				if found != nil && len(found.flaws) > 0 && found.flaws[0].id != tc.flaw {
					t.Errorf("%s: %+v", c.Name, found.flaws)
				}
			}
		})
	}
}

func TestReadAutodiscover(t *testing.T) {
	protocol := func(kind, more string) string {
		return "<Protocol><Type>" + kind + "</Type><Server>mail.example.com</Server>" + more + "</Protocol>"
	}
	for _, tc := range []struct {
		name, imap string
		want       map[string]settings.SocketType // of IMAP; empty: refused
	}{
		{"TLS", "<Port>993</Port><SSL>on</SSL><Encryption>SSL</Encryption>", map[string]settings.SocketType{"Outlook (classic)": "SSL", "Thunderbird": "SSL", "Delta Chat": "SSL"}},
		{"STARTTLS", "<Port>143</Port><SSL>on</SSL><Encryption>TLS</Encryption>", map[string]settings.SocketType{"Outlook (classic)": "STARTTLS", "Thunderbird": "STARTTLS", "Delta Chat": "STARTTLS"}},
		{"at odds", "<Port>993</Port><SSL>on</SSL><Encryption>TLS</Encryption>", map[string]settings.SocketType{"Outlook (classic)": "STARTTLS", "Thunderbird": "SSL", "Delta Chat": "SSL"}},
		{"clear text", "<Port>143</Port><SSL>off</SSL>", map[string]settings.SocketType{"Outlook (classic)": "plain", "Thunderbird": "plain", "Delta Chat": "plain"}},
		{"true", "<Port>993</Port><SSL>true</SSL>", map[string]settings.SocketType{"Outlook (classic)": "SSL", "Thunderbird": "", "Delta Chat": "SSL"}},
		{"no port", "<SSL>on</SSL>", map[string]settings.SocketType{"Outlook (classic)": "SSL", "Thunderbird": "", "Delta Chat": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := "<Autodiscover><Response><Account><Action>settings</Action>" + protocol("IMAP", tc.imap) + protocol("SMTP", "<Port>465</Port><SSL>on</SSL>") + "</Account></Response></Autodiscover>"
			u := "https://autodiscover.example.com/autodiscover/autodiscover.xml"
			for _, c := range Clients() {
				want, ok := tc.want[c.Name]
				if !ok {
					continue
				}
				seen := NewObservations()
				seen.Web[Request{"POST", u}] = Exchange{Status: 200, ContentType: "text/xml", Body: []byte(body)}
				j := &judge{asked: asked(t, "fred@example.com"), seen: seen, wanted: make(map[Want]bool)}
				o := Outlook{"POST", discoverHost}.follow(j, &c)
				if (o.found == nil) != (want == "") || o.found != nil && o.found.incoming[0].SocketType != want {
					t.Errorf("%s: %+v", c.Name, o)
				}
			}
		})
	}
}

// Whatever a zone holds, the wants end.
func TestBounded(t *testing.T) {
	seen := NewObservations()
	var records []dns.RR
	for i := range 3000 {
		rr, err := dns.NewRR(fmt.Sprintf("_imaps._tcp.example.com. 300 IN SRV 0 0 993 h%d.example.com.", i))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	a := asked(t, "fred@example.com")
	rounds := 0
	for {
		report, wants := Judge(a, seen)
		if len(wants) == 0 {
			if len(report.Clients) == 0 || len(report.Findings) == 0 {
				t.Errorf("%+v", report)
			}
			break
		}
		if rounds++; rounds > 50 {
			t.Fatal("it never ends")
		}
		for _, w := range wants {
			switch w := w.(type) {
			case Question:
				seen.DNS[w] = Answer{Records: records}
			case Request: // leads on and on
				seen.Web[w] = Exchange{Status: 302, Location: []string{w.URL + "x"}}
			default:
				seen.NotAsked(w)
			}
		}
	}
	if n := len(seen.DNS) + len(seen.Web) + len(seen.Mail); n > maxWants {
		t.Errorf("%d were asked", n)
	}
}

// Nothing of what a stranger writes can become markup, or move a cursor, and the address
// is in no report.
func TestHostile(t *testing.T) {
	seen := NewObservations()
	a := asked(t, "fred@example.com")
	for {
		report, wants := Judge(a, seen)
		if len(wants) == 0 {
			for _, write := range []func() ([]byte, error){report.JSON, report.HTML, report.JUnit, func() ([]byte, error) { return report.Text(), nil }} {
				b, err := write()
				text := string(b)
				if err != nil || strings.Contains(text, "fred") || strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "<script") && !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "example.com") {
					t.Errorf("%v: %s", err, text)
				}
			}
			if !strings.Contains(string(report.Text()), "<script>") {
				t.Errorf("what was seen is not told: %s", report.Text())
			}
			return
		}
		for _, w := range wants {
			switch w := w.(type) {
			case Request:
				seen.Web[w] = Exchange{Status: 200, ContentType: "text/xml\x1b[2J<script>\u202e fred@example.com", Body: []byte(documentText)}
			case Question:
				seen.DNS[w] = Answer{}
			case Endpoint:
				seen.Mail[w] = Greeting{Failure: NotMail, Detail: "\x1b]0;<script>fred@example.com"}
			}
		}
	}
}

func TestMethods(t *testing.T) {
	for _, tc := range []struct {
		name         string
		protocol     settings.Protocol
		capabilities []string
		want         string
	}{
		{"IMAP", settings.IMAP, []string{"IMAP4rev1", "AUTH=PLAIN", "auth=xoauth2"}, "LOGIN PLAIN XOAUTH2"},
		{"IMAP without login", settings.IMAP, []string{"LOGINDISABLED"}, ""},
		{"IMAP with the command alone", settings.IMAP, []string{"IMAP4rev1"}, "LOGIN"},
		{"POP3", settings.POP3, []string{"TOP", "SASL PLAIN CRAM-MD5"}, "CRAM-MD5 PLAIN"},
		{"POP3 with USER", settings.POP3, []string{"USER"}, "LOGIN"},
		{"POP3 without CAPA", settings.POP3, nil, "LOGIN"},
		{"submission", settings.SMTP, []string{"SIZE 1", "AUTH PLAIN LOGIN"}, "LOGIN PLAIN"},
		{"submission of old", settings.SMTP, []string{"AUTH=LOGIN"}, "LOGIN"},
		{"submission without", settings.SMTP, []string{"SIZE 1"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			set := make(map[string]bool)
			for _, m := range methodsOf(tc.protocol, tc.capabilities) {
				set[m] = true
			}
			if got := strings.Join(slices.Sorted(maps.Keys(set)), " "); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	if n := sizeOf(Greeting{Capabilities: []string{"PIPELINING", "size 52428800"}}); n != 52428800 {
		t.Error(n)
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add([]byte(documentText))
	f.Add([]byte("\ufeff<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a>\xe9&amp;</a>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if tree, err := parseTree(body); err == nil && tree.root == nil {
			t.Errorf("%q is read as nothing", body)
		}
	})
}

// docs/doctor.md has every program and every finding; UPDATE=1 writes the findings.
func TestManual(t *testing.T) {
	const path = "../../docs/doctor.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(text), "## The findings\n")
	if !ok {
		t.Fatal("there is no place for the findings")
	}
	for _, c := range Clients() {
		if !strings.Contains(head, c.Name) {
			t.Errorf("%s is not there", c.Name)
		}
	}
	var b strings.Builder
	b.WriteString(head + "## The findings\n\n| ID | Severity | Why it matters |\n|---|---|---|\n")
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", k.id, k.severity, strings.NewReplacer("<", "`<", ">", ">`").Replace(k.why))
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if b.String() != string(text) {
		t.Error("the findings are not those of known.go; UPDATE=1 writes them")
	}
}

// An A record without an address can be sent, and is none.
func TestAddressesOf(t *testing.T) {
	a := Answer{Records: []dns.RR{&dns.A{}, &dns.AAAA{}, &dns.A{A: []byte{192, 0, 2, 1}}, &dns.AAAA{AAAA: make([]byte, 16)}}}
	if got := addressesOf(a); !slices.Equal(got, []string{"192.0.2.1", "::"}) {
		t.Errorf("%q", got)
	}
}

// An expired certificate is looked at where it was seen: at the port, and by the protocol, of
// the mail server.
func TestLookAtCertificate(t *testing.T) {
	j := &judge{asked: asked(t, "fred@example.com"), seen: NewObservations(), wanted: make(map[Want]bool)}
	for _, tc := range []struct {
		name string
		mail *Endpoint
		want string
	}{
		{"web", nil, "-connect h.example:443 -servername h.example'"},
		{"TLS", &Endpoint{settings.IMAP, "h.example", 993, settings.SSL}, "-connect h.example:993 -servername h.example'"},
		{"STARTTLS", &Endpoint{settings.SMTP, "h.example", 587, settings.STARTTLS}, "-connect h.example:587 -starttls smtp -servername h.example'"},
		{"STARTTLS for POP", &Endpoint{settings.POP3, "h.example", 110, settings.STARTTLS}, "-connect h.example:110 -starttls pop3 -servername h.example'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if fix := j.certificate("h.example", tc.mail, &TLS{Problems: []Certificate{Expired}}, there)[0].fix; !strings.Contains(fix, tc.want) {
				t.Error(fix)
			}
		})
	}
}

// What strangers write stays in its line, and is not of any length; the address is not cut
// in two.
func TestTold(t *testing.T) {
	j := &judge{asked: asked(t, "fred@example.com"), seen: NewObservations(), wanted: make(map[Want]bool)}
	shown := &TLS{Names: []string{"example.net\n   fix   run this"}, Problems: []Certificate{WrongName}}
	if seen := j.certificate("example.com", nil, shown, there)[0].seen; strings.Contains(seen, "\n") {
		t.Errorf("%q", seen)
	}
	for _, before := range []int{980, 990, 995, 100_000} {
		seen := j.cause(contentType, "https://example.com/"+strings.Repeat("a", before), there, "%sfred@example.com", strings.Repeat("ü", before/2))
		if len(seen.seen) > maxTold+8 || len(seen.fix) > maxTold+200 || strings.Contains(seen.seen, "fred") && !strings.Contains(seen.seen, "fred@example.com") {
			t.Errorf("%d and %d octets, which end in %q", len(seen.seen), len(seen.fix), seen.seen[len(seen.seen)-30:])
		}
	}
}

func TestDNSSEC(t *testing.T) {
	for _, tc := range []struct {
		name string
		soa  Answer
		want string
	}{
		{"validated", Answer{Authentic: true}, "DNSSEC: the resolver has validated the zone."},
		{"not", Answer{}, "DNSSEC: not validated; the zone is not signed, or the resolver does not validate."},
		{"bogus, which is a finding", Answer{Bogus: true}, ""},
		{"no answer", Answer{Failure: TimedOut}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Report{Domain: "example.com", Grade: "A", Because: "every program works", DNSSEC: validated(tc.soa)}
			first, rest, _ := strings.Cut(string(r.Text()), "\n")
			if line, _, _ := strings.Cut(rest, "\n"); first != "example.com: grade A, every program works" || line != tc.want {
				t.Errorf("%q %q", first, line)
			}
		})
	}
}
