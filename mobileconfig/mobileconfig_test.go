package mobileconfig_test

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"milepost/internal/fixture"
	"milepost/mobileconfig"
	"milepost/settings"
)

// value is a plist value: its type, and for a dict or an array what is inside.
type value struct {
	kind string
	text string
	dict map[string]value
	list []value
}

func parsePlist(t testing.TB, doc []byte) value {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local != "plist" {
			v := parseValue(t, d, start)
			return v
		}
	}
}

func parseValue(t testing.TB, d *xml.Decoder, start xml.StartElement) value {
	v := value{kind: start.Name.Local, dict: make(map[string]value)}
	key := ""
	for {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			v.text += string(token)
		case xml.EndElement:
			return v
		case xml.StartElement:
			inner := parseValue(t, d, token)
			switch {
			case inner.kind == "key":
				if _, twice := v.dict[inner.text]; twice {
					t.Errorf("key %s twice", inner.text)
				}
				key = inner.text
			case v.kind == "dict":
				if key == "" {
					t.Errorf("a value without a key: %v", inner)
				}
				v.dict[key], key = inner, ""
			default:
				v.list = append(v.list, inner)
			}
		}
	}
}

// keyRule is what Apple says of a key.
type keyRule struct {
	kind     string // as in Apple's files: string, integer, boolean, array, dictionary
	required bool
	values   []string
}

var auths = []string{"EmailAuthNone", "EmailAuthPassword", "EmailAuthCRAMMD5", "EmailAuthNTLM", "EmailAuthHTTPMD5"}

var common = map[string]keyRule{
	"PayloadType":        {"string", true, nil},
	"PayloadVersion":     {"integer", true, []string{"1"}},
	"PayloadIdentifier":  {"string", true, nil},
	"PayloadUUID":        {"string", true, nil},
	"PayloadDisplayName": {"string", false, nil},
}

// rules are the keys that we write, after Apple's files (2024-11).
var rules = map[string]map[string]keyRule{
	"Configuration": {
		"PayloadDescription":  {"string", false, nil},
		"PayloadOrganization": {"string", false, nil},
		"ConsentText":         {"dictionary", false, nil},
		"PayloadContent":      {"array", true, nil},
	},
	"com.apple.mail.managed": {
		"EmailAccountType":                       {"string", true, []string{"EmailTypeIMAP", "EmailTypePOP"}},
		"EmailAccountDescription":                {"string", false, nil},
		"EmailAccountName":                       {"string", false, nil},
		"EmailAddress":                           {"string", false, nil},
		"IncomingMailServerAuthentication":       {"string", true, auths},
		"IncomingMailServerHostName":             {"string", true, nil},
		"IncomingMailServerPortNumber":           {"integer", true, nil}, // ours: both ports always
		"IncomingMailServerUseSSL":               {"boolean", true, nil}, // ours: absent means no
		"IncomingMailServerUsername":             {"string", false, nil},
		"OutgoingMailServerAuthentication":       {"string", true, auths},
		"OutgoingMailServerHostName":             {"string", true, nil},
		"OutgoingMailServerPortNumber":           {"integer", true, nil},
		"OutgoingMailServerUseSSL":               {"boolean", true, nil},
		"OutgoingMailServerUsername":             {"string", false, nil},
		"OutgoingPasswordSameAsIncomingPassword": {"boolean", true, nil},
	},
	"com.apple.caldav.account":  davRules("CalDAV"),
	"com.apple.carddav.account": davRules("CardDAV"),
	"com.apple.eas.account": {
		"EmailAddress":    {"string", true, nil},
		"Host":            {"string", true, nil},
		"SSL":             {"boolean", true, nil},
		"UserName":        {"string", true, nil},
		"EnableMail":      {"boolean", false, nil},
		"EnableContacts":  {"boolean", false, nil},
		"EnableCalendars": {"boolean", false, nil},
		"EnableReminders": {"boolean", false, nil},
		"EnableNotes":     {"boolean", false, nil},
	},
}

func davRules(prefix string) map[string]keyRule {
	return map[string]keyRule{
		prefix + "AccountDescription": {"string", false, nil},
		prefix + "HostName":           {"string", true, nil},
		prefix + "Port":               {"integer", true, nil},
		prefix + "UseSSL":             {"boolean", true, nil},
		prefix + "Username":           {"string", true, nil},
		prefix + "PrincipalURL":       {"string", false, nil},
	}
}

// appleRules reads one of Apple's schema files: the keys at its top, as far as
// the lines of its YAML tell.
func appleRules(t *testing.T, file string) map[string]keyRule {
	t.Helper()
	text, err := os.ReadFile("../../shared/schemas/apple/" + file + ".yaml")
	if err != nil {
		t.Skipf("Apple's schema files are not here: %v", err)
	}
	out := make(map[string]keyRule)
	key, inRange := "", false
	_, body, _ := strings.Cut(string(text), "\npayloadkeys:\n")
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "- key: "); ok {
			key, inRange = name, false
			out[key] = keyRule{}
			continue
		}
		rule := out[key]
		switch {
		case strings.HasPrefix(line, "  type: "):
			rule.kind = strings.Trim(strings.TrimPrefix(line, "  type: "), "<>")
		case line == "  presence: required":
			rule.required = true
		case line == "  rangelist:":
			inRange = true
		case inRange && strings.HasPrefix(line, "  - "):
			rule.values = append(rule.values, strings.Trim(strings.TrimPrefix(line, "  - "), "'"))
		case strings.HasPrefix(line, "  ") && line[2] != ' ' && line[2] != '-':
			inRange = false
		}
		out[key] = rule
	}
	return out
}

func checkDict(t *testing.T, where string, v value, rules map[string]keyRule) {
	t.Helper()
	for key, rule := range rules {
		if _, ok := v.dict[key]; rule.required && !ok {
			t.Errorf("%s: no %s", where, key)
		}
	}
	for key, v := range v.dict {
		rule, ok := rules[key]
		if !ok {
			t.Errorf("%s: unknown key %s", where, key)
			continue
		}
		kind := map[string]string{"true": "boolean", "false": "boolean", "dict": "dictionary"}[v.kind]
		if kind == "" {
			kind = v.kind
		}
		if kind != rule.kind {
			t.Errorf("%s: %s is %s, must be %s", where, key, kind, rule.kind)
		}
		if kind == "integer" {
			if _, err := strconv.Atoi(v.text); err != nil {
				t.Errorf("%s: %s is %q", where, key, v.text)
			}
		}
		if rule.values != nil && !slices.Contains(rule.values, v.text) {
			t.Errorf("%s: %s is %s; allowed: %v", where, key, v.text, rule.values)
		}
		if kind == "string" && v.text == "" {
			t.Errorf("%s: %s is empty", where, key)
		}
	}
}

// profiles renders a profile for each shipped provider that a password opens,
// over IMAP and POP3, and one for a provider with every service.
func profiles(t *testing.T) map[string]value {
	t.Helper()
	out := make(map[string]value)
	add := func(name string, a settings.Account, pop3 bool) {
		doc, err := mobileconfig.Render([]settings.Account{a}, mobileconfig.Options{Name: "Fred", POP3: pop3, Lang: "de"})
		if err == nil {
			out[fmt.Sprintf("%s, POP3 %t", name, pop3)] = parsePlist(t, doc)
		}
	}
	for _, p := range fixture.Shipped(t).Providers() {
		a := p.For(fixture.Address(t, "fred@example.com"))
		add(p.ID, a, false)
		add(p.ID, a, true)
	}
	if len(out) < 180 {
		t.Fatalf("only %d profiles", len(out))
	}
	p := everything
	add("everything", p.For(fixture.Address(t, "fred@example.com")), false)
	return out
}

var everything = settings.Provider{
	ID: "example.com", DisplayName: "Example", ShortName: "Example",
	Incoming: []settings.Server{{Protocol: settings.IMAP, Hostname: "imap.example.com", Port: 993, SocketType: settings.SSL,
		Authentication: []settings.Authentication{settings.PasswordEncrypted}, Username: settings.EmailAddress}},
	Outgoing: []settings.Server{{Protocol: settings.SMTP, Hostname: "smtp.example.com", Port: 25, SocketType: settings.Plain,
		Authentication: []settings.Authentication{settings.None}, Username: settings.EmailAddress}},
	Services: []settings.Service{
		{Protocol: settings.CalDAV, URL: "https://dav.example.com/cal/%EMAILADDRESS%/", Authentication: []settings.Authentication{settings.Basic}, Username: settings.EmailAddress},
		{Protocol: settings.CardDAV, URL: "https://dav.example.com:8443/", Authentication: []settings.Authentication{settings.Digest}, Username: settings.EmailLocalPart},
		{Protocol: settings.ActiveSync, URL: "https://eas.example.com/Microsoft-Server-ActiveSync", Authentication: []settings.Authentication{settings.Basic}, Username: settings.EmailAddress},
	},
}

// Every profile and payload has Apple's required keys, no unknown one, and the
// right types: by our own table always, by Apple's files where they are.
func TestKeys(t *testing.T) {
	all := profiles(t)
	ours := func(kind string) map[string]keyRule {
		merged := maps.Clone(common)
		maps.Copy(merged, rules[kind])
		return merged
	}
	t.Run("our table", func(t *testing.T) { checkAll(t, all, ours) })
	t.Run("Apple's files", func(t *testing.T) {
		files := make(map[string]map[string]keyRule)
		shared := appleRules(t, "CommonPayloadKeys")
		for kind := range rules {
			file := kind
			if kind == "Configuration" {
				file = "TopLevel"
			}
			files[kind] = appleRules(t, file)
			if kind != "Configuration" {
				maps.Copy(files[kind], shared)
			}
			if len(files[kind]) < 10 {
				t.Fatalf("%s: %d keys", kind, len(files[kind]))
			}
		}
		checkAll(t, all, func(kind string) map[string]keyRule { return files[kind] })
	})
}

func checkAll(t *testing.T, all map[string]value, rulesOf func(kind string) map[string]keyRule) {
	for name, profile := range all {
		checkDict(t, name, profile, rulesOf("Configuration"))
		seen := make(map[string]bool)
		for _, payload := range profile.dict["PayloadContent"].list {
			kind := payload.dict["PayloadType"].text
			if rules[kind] == nil {
				t.Errorf("%s: payload %s", name, kind)
			}
			checkDict(t, name+" "+kind, payload, rulesOf(kind))
			for _, key := range []string{"PayloadUUID", "PayloadIdentifier"} {
				if id := payload.dict[key].text; seen[id] {
					t.Errorf("%s: %s %s twice", name, key, id)
				} else {
					seen[id] = true
				}
			}
		}
	}
}

// A second download replaces the first; another address, name of a provider or
// service stands beside it.
func TestIdentity(t *testing.T) {
	c := fixture.Shipped(t)
	uuids := func(o mobileconfig.Options, addresses ...string) string {
		var accounts []settings.Account
		for _, a := range addresses {
			accounts = append(accounts, fixture.Account(t, c, a))
		}
		doc, err := mobileconfig.Render(accounts, o)
		if err != nil {
			t.Fatal(err)
		}
		profile := parsePlist(t, doc)
		ids := []string{profile.dict["PayloadUUID"].text}
		for _, p := range profile.dict["PayloadContent"].list {
			ids = append(ids, p.dict["PayloadUUID"].text)
			if id := p.dict["PayloadIdentifier"].text; !strings.HasPrefix(id, profile.dict["PayloadIdentifier"].text+".") || !strings.HasSuffix(id, p.dict["PayloadUUID"].text) {
				t.Errorf("the identifier %s does not follow from profile and UUID", id)
			}
		}
		return strings.Join(ids, " ")
	}
	en, fr := mobileconfig.Options{Lang: "en"}, mobileconfig.Options{Lang: "fr", Name: "Fred"}
	if a, b := uuids(en, "fred@orange.fr"), uuids(fr, "Fred@Orange.FR"); a == b {
		t.Error("letter case of the local part makes another address")
	}
	if a, b := uuids(en, "fred@orange.fr"), uuids(fr, "fred@ORANGE.fr."); a != b {
		t.Errorf("the same address differs: %s, %s", a, b)
	}
	// Written down: replicas and later versions must agree.
	if got, want := uuids(en, "fred@orange.fr"), "DF0A585C-9FEE-503A-9EF5-70391945DB95 08124015-83AD-5110-AC2C-89508EED50A5"; got != want {
		t.Errorf("the identity of fred@orange.fr has changed to %s", got)
	}
	if a, b := uuids(en, "fred@orange.fr"), uuids(en, "anna@orange.fr"); a == b {
		t.Error("two addresses are one")
	}
	one, two := strings.Fields(uuids(en, "a@orange.fr", "b@gmx.com")), strings.Fields(uuids(en, "b@gmx.com", "a@orange.fr"))
	if one[0] != two[0] {
		t.Errorf("the order of addresses makes another profile: %s, %s", one, two)
	}
}

// No name and no address adds a key.
func TestNothingIsInjected(t *testing.T) {
	c := fixture.Shipped(t)
	const bidi = "\u200f\u202eabc"
	crafted := []string{
		`</string><key>IncomingPassword</key><string>`, `]]>`, `&`, `<`, `"`, `<!--`, "😀", bidi, strings.Repeat("ü", 100), "&#0;", "%EMAILADDRESS%",
	}
	keys := func(v value) string {
		var all []string
		for _, p := range append(v.dict["PayloadContent"].list, v) {
			all = append(all, slices.Sorted(maps.Keys(p.dict))...)
		}
		return strings.Join(all, " ")
	}
	plain, err := mobileconfig.Render([]settings.Account{fixture.Account(t, c, "fred@gmx.com")}, mobileconfig.Options{Name: "Fred"})
	if err != nil {
		t.Fatal(err)
	}
	want := keys(parsePlist(t, plain))
	for _, s := range crafted {
		a := fixture.Account(t, c, "fred@gmx.com")
		if a.Address.Local = s; s == bidi {
			if err := mobileconfig.Check(a, mobileconfig.Options{}); err == nil {
				t.Errorf("%q is an address", s)
			}
			a.Address.Local = "fred"
		}
		doc, err := mobileconfig.Render([]settings.Account{a}, mobileconfig.Options{Name: s, Lang: s})
		if err != nil {
			t.Fatal(err)
		}
		v := parsePlist(t, doc)
		if got := keys(v); got != want {
			t.Errorf("%q: keys %s", s, got)
		}
		if got := v.dict["PayloadContent"].list[0].dict["EmailAccountName"].text; got != s {
			t.Errorf("%q comes back as %q", s, got)
		}
	}
}

func TestNoLanguageLacksAMessage(t *testing.T) {
	c := fixture.Shipped(t)
	seen := make(map[string]string)
	for _, lang := range []string{"en", "fr", "de", "es", "it", "nl", "pt"} {
		r, err := mobileconfig.ParseRequest("emailaddress=fred@gmx.com&lang="+lang, "")
		if err != nil || r.Options.Lang != lang {
			t.Fatalf("%s: %+v, %v", lang, r, err)
		}
		doc, err := mobileconfig.Render([]settings.Account{fixture.Account(t, c, "fred@gmx.com")}, r.Options)
		if err != nil {
			t.Fatal(err)
		}
		v := parsePlist(t, doc)
		text := v.dict["PayloadDisplayName"].text + v.dict["PayloadDescription"].text + v.dict["ConsentText"].dict[lang].text
		if seen[text] != "" || !strings.Contains(text, "GMX") || !strings.Contains(text, "fred@gmx.com") || strings.Contains(text, "%") {
			t.Errorf("%s: %s", lang, text)
		}
		seen[text] = lang
	}
}

// A notice shows in the reader's language, whatever its region.
func TestNotice(t *testing.T) {
	p := everything
	p.Notice = &settings.Notice{Text: []settings.Text{{Lang: "en", Value: "Switch IMAP on."}, {Lang: "pt-BR", Value: "Ative o IMAP."}}}
	a := p.For(fixture.Address(t, "fred@example.com"))
	for lang, want := range map[string]string{"pt": "Ative o IMAP.", "en": "Switch IMAP on.", "fr": "Switch IMAP on."} {
		doc, err := mobileconfig.Render([]settings.Account{a, a}, mobileconfig.Options{Lang: lang})
		if err != nil {
			t.Fatal(err)
		}
		consent := parsePlist(t, doc).dict["ConsentText"].dict["default"].text
		if !strings.HasSuffix(consent, "\n\n"+want) || strings.Count(consent, want) != 1 {
			t.Errorf("%s: %s", lang, consent)
		}
	}
}

// What must be switched on is told to whom it concerns.
func TestEnable(t *testing.T) {
	p := everything
	enable := func(protocol settings.Protocol, text string) settings.Enable {
		return settings.Enable{Protocols: []settings.Protocol{protocol}, Text: []settings.Text{{Lang: "en", Value: text}}}
	}
	p.Enable = []settings.Enable{enable(settings.POP3, "Switch POP on."), enable(settings.IMAP, "Switch IMAP on.")}
	doc, err := mobileconfig.Render([]settings.Account{p.For(fixture.Address(t, "fred@example.com"))}, mobileconfig.Options{Lang: "en"})
	if err != nil {
		t.Fatal(err)
	}
	if consent := parsePlist(t, doc).dict["ConsentText"].dict["default"].text; !strings.HasSuffix(consent, "\n\nSwitch IMAP on.") || strings.Contains(consent, "POP") {
		t.Error(consent)
	}
}

// A profile can be opened on a phone and on a computer, so its servers work on both.
func TestDevices(t *testing.T) {
	for name, tc := range map[string]struct {
		devices []settings.Device
		none    bool
		want    string
	}{
		"all":                  {nil, false, ""},
		"phones and computers": {[]settings.Device{settings.Phone, settings.Computer}, false, ""},
		"a bridge":             {[]settings.Device{settings.Computer}, false, "Example has no servers for phones and computers alike, and a profile can be opened on either; add the account by hand"},
		"no mail programs":     {nil, true, "Example can be read with its own programs alone; no mail program can be set up for it"},
	} {
		t.Run(name, func(t *testing.T) {
			p := everything
			p.NoMailPrograms = tc.none
			p.Outgoing = slices.Clone(p.Outgoing)
			p.Outgoing[0].Devices = tc.devices
			got := ""
			if err := mobileconfig.Check(p.For(fixture.Address(t, "fred@example.com")), mobileconfig.Options{}); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	a := []settings.Account{fixture.Account(b, fixture.Shipped(b), "fred@gmx.com")}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mobileconfig.Render(a, mobileconfig.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
