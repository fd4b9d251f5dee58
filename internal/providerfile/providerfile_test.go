package providerfile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"milepost/catalogue"
	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
	"milepost/internal/textfile"
	"milepost/settings"
)

// TestBad plays the shelf of bad catalogues: each page holds files and, last,
// every mistake and every warning.
func TestBad(t *testing.T) {
	fixture.Pages(t, "testdata/bad/*.txtar", func(t *testing.T, p *fixture.Page) {
		c, warnings, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: fixture.FS(p.List()...)})
		if (c == nil) != (err != nil) {
			t.Errorf("catalogue %v beside the error %v", c, err)
		}
		var got string
		if err != nil {
			got = err.Error() + "\n"
		}
		for _, w := range warnings {
			got += "warning: " + w.Error() + "\n"
		}
		if got == "" {
			t.Fatal("accepted without a word")
		}
		p.Expect(t, "messages", got)
	})
}

// What cannot stand in a page: bytes that are no text, sizes, and a file system
// that says no.
func TestBadBytes(t *testing.T) {
	for name, tc := range map[string]struct {
		dir  fs.FS
		want string
	}{
		"NUL":                {fixture.FS("a.toml", strings.Replace(fixture.Family, "family", "fam\x00ily", 1)), "dir/a.toml:1: display_name: basic strings cannot have control characters"},
		"invalid UTF-8":      {fixture.FS("a.toml", strings.Replace(fixture.Family, "family", "fam\xffily", 1)), "dir/a.toml:1: display_name: invalid UTF-8 character in basic string"},
		"50 MB of garbage":   {fixture.FS("a.toml", strings.Repeat("\xff\x00garbage", 50_000_000/9)), "dir/a.toml: has 48 MiB; at most 4 MiB are allowed"},
		"arrays too deep":    {fixture.FS("a.toml", "\na = "+strings.Repeat("[", 2_000_000)+strings.Repeat("]", 2_000_000)), "dir/a.toml:2: nests deeper than 16 levels; that is not allowed"},
		"tables too deep":    {fixture.FS("a.toml", "a = "+strings.Repeat("{a=", 20_000)+"1"+strings.Repeat("}", 20_000)), "dir/a.toml:1: nests deeper than 16 levels; that is not allowed"},
		"header too deep":    {fixture.FS("a.toml", "["+strings.Repeat("a.", 40_000)+"a]"), "dir/a.toml:1: nests deeper than 16 levels; that is not allowed"},
		"key of many lines":  {fixture.FS("a.toml", fixture.Family+"\"x\\ny\\u001b[31m\" = 1"), "dir/a.toml:8: outgoing[1].x\\ny\\x1b[31m: is unknown; protocol, hostname, socket_type, port, authentication, username and devices are allowed"},
		"a pipe":             {fstest.MapFS{"a.toml": {Mode: fs.ModeNamedPipe}}, "dir/a.toml: is no regular file; must be one"},
		"not even a dir":     {os.DirFS("testdata/absent"), "dir: no such file or directory"},
		"a directory .toml":  {fixture.FS("a.toml/x", ""), "dir/a.toml: is a directory; must be a file"},
		"no read permission": {denied{}, "dir: permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: tc.dir})
			if err == nil || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("error: %v\nwant:  %s", err, tc.want)
			}
		})
	}
}

// A directory may be empty, but not without a word.
func TestNoFile(t *testing.T) {
	c, warnings, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: fixture.FS(".a.toml", "", "a.list", "")})
	if err != nil || len(c.Providers()) > 0 {
		t.Error(err, c)
	}
	if want := "dir: has no .toml file; each provider is a file of its own"; warnings.Error() != want {
		t.Errorf("%q", warnings)
	}
}

type denied struct{}

func (denied) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

func fromList(file, list string) string {
	return strings.Replace(file, `domains = ["example.com"]`, fmt.Sprintf("domains_from = %q", list), 1)
}

// A bad line costs itself, however long the list. Of a list that is none, a
// hundred lines are told, and how many more there are.
func TestListLines(t *testing.T) {
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("customer-%d.example", i))
	}
	good := strings.Join(lines, "\n")
	for name, tc := range map[string]struct {
		file, list string
		warnings   int
		last       string
		want       catalogue.ListSize
	}{
		"good":         {fromList(fixture.Family, "l"), good, 0, "", catalogue.ListSize{File: "dir/l", Domains: 5000}},
		"one bad line": {fromList(fixture.Family, "l"), good + "\nfred@example.com", 1, `dir/l:5001: "…@example.com" is an address; a domain is the part behind the @; the line is left out`, catalogue.ListSize{File: "dir/l", Domains: 5000, Dropped: 1}},
		"NUL":          {fromList(fixture.Family, "l"), "a\x00b\nexample.com", 1, `dir/l:1: domain label "a\x00b" has the character '\x00'; letters, digits and hyphens are allowed; the line is left out`, catalogue.ListSize{File: "dir/l", Domains: 1, Dropped: 1}},
		"garbage":      {fromList(fixture.Family, "l"), strings.Repeat("!\n", 1_000_000) + "example.com", 101, "dir/l:101: is the first of 999900 more that are not told one by one", catalogue.ListSize{File: "dir/l", Domains: 1, Dropped: 1_000_000}},
		"twice":        {fromList(fixture.Family, "l"), good + "\n" + good, 101, "dir/l:5101: is the first of 4900 more that are not told one by one", catalogue.ListSize{File: "dir/l", Domains: 5000, Dropped: 5000}},
		"of the file":  {strings.Replace(fixture.Family, "[[inc", "domains_from = \"l\"\n[[inc", 1), "example.com\nexample.org", 1, "dir/l:1: example.com is claimed at dir/a.toml:2 already; the line is left out", catalogue.ListSize{File: "dir/l", Domains: 1, Dropped: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: fixture.FS("a.toml", tc.file, "l", tc.list)})
			if err != nil {
				t.Fatal(err)
			}
			last := ""
			if len(warnings) > 0 {
				last = warnings[len(warnings)-1].Error()
			}
			if len(warnings) != tc.warnings || last != tc.last {
				t.Errorf("%d warnings; the last: %s\nwant %d: %s", len(warnings), last, tc.warnings, tc.last)
			}
			if diff := cmp.Diff([]catalogue.ListSize{tc.want}, c.Lists()); diff != "" {
				t.Errorf("lists (-want +got)\n%s", diff)
			}
		})
	}
}

// Two files with the same thousands of domains get a hundred messages, not
// thousands.
func TestManyDomainsTwice(t *testing.T) {
	var domains strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&domains, "\"customer-%d.example\",\n", i)
	}
	many := strings.Replace(fixture.Family, `"example.com"`, "\n"+domains.String(), 1)
	_, _, err := providerfile.Load(providerfile.Directory{FS: fixture.FS("a.toml", many, "b.toml", many)})
	errs, ok := errors.AsType[textfile.Errors](err)
	if !ok || len(errs) != 101 || errs[100].Error() != "b.toml:103: domains: is the first of 4900 more that are not told one by one" {
		t.Errorf("%d messages: %.300v", len(errs), err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, _, err := catalogue.New(ctx, catalogue.Input{Own: []catalogue.Source{providerfile.Directory{Name: "dir", FS: fixture.FS("a.toml", fixture.Family)}}})
	if c != nil || err == nil || err.Error() != "dir: context canceled" {
		t.Errorf("%v %v", c, err)
	}
}

func TestDefaults(t *testing.T) {
	c, _, err := providerfile.Load(providerfile.Directory{FS: fixture.FS("example.com.toml", fixture.Family)})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Lookup(fixture.Domain(t, "example.com"))
	if !ok {
		t.Fatal("not found")
	}
	server := settings.Server{Protocol: "imap", Hostname: "mail.example.com", Port: 993, SocketType: "SSL",
		Authentication: []settings.Authentication{"password-cleartext"}, Username: "%EMAILADDRESS%"}
	outgoing := server
	outgoing.Protocol, outgoing.Port = "smtp", 465
	want := &settings.Provider{
		ID: "example.com", DisplayName: "Example family", ShortName: "Example family",
		Domains:  []settings.DomainPattern{{Domain: fixture.Domain(t, "example.com")}},
		Incoming: []settings.Server{server}, Outgoing: []settings.Server{outgoing},
		Password: settings.Password{Kind: settings.AccountPassword},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// What a person needs before a mail program gets in is read, and stands in the JSON in
// the file's words. An instruction that names no protocol is for all of the file's.
func TestAccess(t *testing.T) {
	c := fixture.Catalogue(t, "a.toml", strings.Replace(fixture.Family, "domains", `apple_name = "Google"
google_name = "Outlook, Hotmail, and Live"
source = "https://example.com/help"
checked = 2026-03-05
domains`, 1)+`devices = ["computer", "phone"]
[password]
kind = "app-password"
url = "https://example.com/password"
[[enable]]
protocols = ["imap"]
url = "https://example.com/imap"
text.en = "Switch IMAP on."
text.fr = "Activez IMAP."
[[enable]]
text.en = "Turn the key."
[[incoming]]
protocol = "pop3"
hostname = "127.0.0.1"
`)
	p := c.Providers()[0]
	want := []settings.Enable{
		{Protocols: []settings.Protocol{"imap"}, URL: "https://example.com/imap", Text: []settings.Text{{Lang: "en", Value: "Switch IMAP on."}, {Lang: "fr", Value: "Activez IMAP."}}},
		{Protocols: []settings.Protocol{"imap", "pop3", "smtp"}, Text: []settings.Text{{Lang: "en", Value: "Turn the key."}}},
	}
	if diff := cmp.Diff(want, p.Enable); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text, err := answer.ProviderJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"apple_name": "Google", "google_name": "Outlook, Hotmail, and Live", "checked": "2026-03-05",
		"password": map[string]any{"kind": "app-password", "url": "https://example.com/password"},
		"enable": []any{
			map[string]any{"protocols": []any{"imap"}, "url": "https://example.com/imap", "text": map[string]any{"en": "Switch IMAP on.", "fr": "Activez IMAP."}},
			map[string]any{"protocols": []any{"imap", "pop3", "smtp"}, "text": map[string]any{"en": "Turn the key."}},
		},
	} {
		if diff := cmp.Diff(want, got[key]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", key, diff)
		}
	}
	for i, want := range []any{nil, []any{"computer"}} { // the computer's own server is found nowhere else
		if diff := cmp.Diff(want, got["incoming"].([]any)[i].(map[string]any)["devices"]); diff != "" {
			t.Errorf("incoming %d (-want +got)\n%s", i, diff)
		}
	}
}

// Where no mail program gets in, there are no servers, and the JSON says so.
func TestNoMailPrograms(t *testing.T) {
	c := fixture.Catalogue(t, "a.toml", "display_name = \"Own app only\"\ndomains = [\"example.com\"]\nno_mail_programs = true\n")
	text, err := answer.ProviderJSON(c.Providers()[0])
	if err != nil || !strings.Contains(string(text), `"no_mail_programs": true`) || !strings.Contains(string(text), `"incoming": []`) {
		t.Errorf("%v %s", err, text)
	}
}

// A policy is read, and stands in the JSON in the file's words.
func TestMTASTS(t *testing.T) {
	c := fixture.Catalogue(t, "a.toml", fixture.Family+"[mta_sts]\nmode = \"enforce\"\nmx = [\"mail.example.com\", \"*.Example.NET\"]\n")
	p := c.Providers()[0]
	want := &settings.MTASTS{Mode: settings.Enforce, MaxAge: 604800, MX: []settings.DomainPattern{
		{Domain: fixture.Domain(t, "mail.example.com")}, {Wildcard: true, Domain: fixture.Domain(t, "example.net")},
	}}
	if diff := cmp.Diff(want, p.MTASTS); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text, err := answer.ProviderJSON(p)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		MTASTS any `json:"mta_sts"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(map[string]any{"mode": "enforce", "max_age": 604800.0, "mx": []any{"mail.example.com", "*.example.net"}}), got.MTASTS); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Whatever a file holds, there is a catalogue or a message with the file's name.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("../../data/providers/*.toml")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "one.example\n*.two.example # x\n")
	}
	f.Add("\"\\\n\"", "0") // a message with a line end in it
	f.Add("\"x\\ny\" = 1\n", "")
	f.Add(fixture.Family+"[mta_sts]\nmode = \"enforce\"\nmx = [\"*.example.com\"]\n", "")
	f.Add("a = "+strings.Repeat("[", 100)+strings.Repeat("]", 100), "")
	f.Add(strings.Replace(fixture.Family, "domains =", "domains_from = \"list\"\ndomains =", 1), "a..b\nexample.com\n")
	f.Fuzz(func(t *testing.T, text, list string) {
		c, messages, err := providerfile.Load(providerfile.Directory{Name: "dir", FS: fixture.FS("a.toml", text, "list", list)})
		mistakes, _ := errors.AsType[textfile.Errors](err)
		for _, m := range append(messages, mistakes...) {
			line := m.Error()
			if !strings.HasPrefix(line, "dir/a.toml") && !strings.HasPrefix(line, "dir/list:") || strings.Contains(line, "\n") {
				t.Fatalf("no file in the message %q", line)
			}
		}
		if err != nil {
			return
		}
		// What was accepted can be written, and served.
		p := c.Providers()[0]
		text = string(providerfile.Write(p))
		again, _, unread := providerfile.Directory{}.Parse(p.ID+".toml", []byte(text))
		if len(unread) > 0 {
			t.Fatalf("%v\n%s", unread, text)
		}
		if diff := cmp.Diff(p, again.Provider, ascii, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-read +written and read)\n%s\n%s", diff, text)
		}
		if _, err := answer.ProviderJSON(p); err != nil {
			t.Fatal(err)
		}
		for _, d := range p.Domains {
			if d.Wildcard {
				continue
			}
			if q, ok := c.Lookup(d.Domain); !ok || q != p {
				t.Fatalf("%s is not found", d)
			}
		}
	})
}
