package observe

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"milepost/internal/doctor"
	"milepost/internal/fixture"
)

// tried is what a real program made of a world.
type tried struct {
	found []string // servers with usernames, as in foundBy
	works bool     // it has logged in, and sent or fetched
	said  string
}

// sees is what can be seen of a program.
type sees int

const (
	servers   sees = iota // that it finds
	usernames             // and as whom it would log in
	logins                // and whether it can
)

// program is one that Debian has, run as a person would, or by what its own wizard calls.
type program struct {
	client       string // its name in the doctor's report
	tool, debian string
	sees         sees
	try          func(t *testing.T, w *fixture.World) tried
}

var programs = []program{
	{"msmtp", "msmtp", "msmtp", logins, msmtp},
	{"mpop", "mpop", "mpop", logins, mpop},
	{"Thunderbird", "thunderbird", "thunderbird", logins, thunderbird},
	{"aerc", "aerc", "aerc", usernames, aerc},
	{"KMail", "ispdb", "accountwizard", usernames, kmail},
	{"Geary", "geary", "geary", servers, geary},
	{"Evolution", "evolution", "evolution", usernames, evolution},
}

// What the doctor says of a program is what that program, as Debian has it, does in the
// same world.
func TestPrograms(t *testing.T) {
	for _, world := range []string{
		"good", "not-well-formed", "white-space", "byte-order-mark", "content-type", "redirect-loop", "nothing-published",
		"srv-to-alias", "many-srv", "wildcard-web-page", "expired", "no-auth", "pop-behind-imap", "mail-certificate-expired", "submission-port", "starttls-stripped",
		"login-demanded", "encryption-at-odds", "placeholder-in-host", "cut-off-before-good",
	} {
		t.Run(world, func(t *testing.T) {
			t.Parallel()
			if !fixture.Namespace(t) {
				return
			}
			page := fixture.ReadPage(t, filepath.Join("testdata/worlds", world+".txtar"))
			w := fixture.OpenRealWorld(t, page)
			report := diagnose(t, w, page)
			for _, p := range programs {
				t.Run(p.client, func(t *testing.T) {
					fixture.Tool(t, p.tool, p.debian)
					i := slices.IndexFunc(report.Clients, func(c doctor.ClientReport) bool { return c.Name == p.client })
					if i < 0 {
						t.Fatalf("the doctor does not know %s", p.client)
					}
					predicted := report.Clients[i]
					w.LoggedIn()
					start := time.Now()
					got := p.try(t, w)
					t.Logf("%.1f s: %s", time.Since(start).Seconds(), strings.Join(got.found, ", "))
					if want := foundBy(predicted, p.sees >= usernames); !slices.Equal(got.found, want) {
						t.Errorf("found %q, and the doctor says %q\n%s", got.found, want, got.said)
					}
					if works := predicted.Verdict != doctor.Fails; p.sees == logins && got.works != works {
						t.Errorf("works: %v, and the doctor says %s: %s\n%s", got.works, predicted.Verdict, predicted.Because, got.said)
					}
				})
			}
		})
	}
}

// foundBy are the servers of a report, as tried has them.
func foundBy(c doctor.ClientReport, usernames bool) (out []string) {
	for _, s := range c.Found {
		username := strings.NewReplacer("%EMAILADDRESS%", "fred@example.com", "%EMAILLOCALPART%", "fred", "%EMAILDOMAIN%", "example.com").Replace(string(s.Username))
		line := fmt.Sprintf("%s %s:%d %s", s.Protocol, s.Hostname, s.Port, s.SocketType)
		if usernames {
			line += " " + username
		}
		out = append(out, line)
	}
	return out
}

// start runs a program with a home of its own, up to its end or to what it says; nil: its
// end.
func start(t *testing.T, stdin string, upTo *regexp.Regexp, args ...string) (stdout, said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := ready(t, ctx, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, writer(func(b []byte) {
		if errs.Write(b); upTo != nil && upTo.Match(errs.Bytes()) {
			cancel()
		}
	})
	err = cmd.Run()
	return out.String(), out.String() + errs.String(), err
}

// ready is a program before its start, with a home of its own.
func ready(t *testing.T, ctx context.Context, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	home, err := os.MkdirTemp("/run", "home") // goes with the namespace: children may still write there
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "LANG=C.UTF-8", "GSETTINGS_BACKEND=memory", "GIO_USE_PROXY_RESOLVER=dummy", "QT_QPA_PLATFORM=offscreen", "QT_LOGGING_RULES=org.kde.pim.accountwizard.debug=true"}
	return cmd
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(b)
	return len(b), nil
}

var option = regexp.MustCompile(`(?m)^(host|port|user|tls_starttls) (.*)$`)

// configured reads what 'msmtp --configure' and 'mpop --configure' write.
func configured(protocol, config string) []string {
	o := make(map[string]string)
	for _, m := range option.FindAllStringSubmatch(config, -1) {
		o[m[1]] = m[2]
	}
	if o["host"] == "" {
		return nil
	}
	socket := "STARTTLS"
	if o["tls_starttls"] == "off" {
		socket = "SSL"
	}
	return []string{fmt.Sprintf("%s %s:%s %s %s", protocol, o["host"], o["port"], socket, o["user"])}
}

func msmtp(t *testing.T, w *fixture.World) tried {
	config, said, err := start(t, "", nil, "msmtp", "--configure", "fred@example.com")
	if err != nil {
		return tried{said: said}
	}
	got := tried{found: configured("smtp", config)}
	file := fixture.Write(t, filepath.Join(t.TempDir(), "msmtprc"), config+"password secret\n")
	_, said, err = start(t, "Subject: hello\n\nhello\n", nil, "msmtp", "-C", file, "--account=fred@example.com", "anna@example.com")
	got.works, got.said = err == nil && len(w.LoggedIn()) == 1, said
	return got
}

func mpop(t *testing.T, w *fixture.World) tried {
	config, said, err := start(t, "", nil, "mpop", "--configure", "fred@example.com")
	if err != nil {
		return tried{said: said}
	}
	got := tried{found: configured("pop3", config)}
	dir := t.TempDir()
	file := fixture.Write(t, filepath.Join(dir, "mpoprc"), config+"password secret\ndelivery mbox "+filepath.Join(dir, "mbox")+"\n")
	_, said, err = start(t, "", nil, "mpop", "-C", file, "fred@example.com")
	got.works, got.said = err == nil && len(w.LoggedIn()) == 1, said
	return got
}

var (
	// What its look-up says: a list of servers, or, for ever, that a URL has nothing.
	kmailServer = regexp.MustCompile(`(?m)(?i:(imap|pop3|smtp) servers:)|hostname: "(.*?)" - port: (\d+) - encryption: "?(\w+)"? - username: "(.*?)"`)
	kmailEnded  = regexp.MustCompile(`(?s)smtp servers:.*smtp servers:.*hostname:|(Fetching failed.*){4}`)
)

// kmail runs the look-up of KMail's account wizard by the command that comes with it.
func kmail(t *testing.T, _ *fixture.World) tried {
	_, said, _ := start(t, "", kmailEnded, "dbus-run-session", "--", "ispdb", "--email", "fred@example.com")
	got := tried{said: said}
	protocol, have := "", make(map[string]string)
	for _, m := range kmailServer.FindAllStringSubmatch(said, -1) {
		switch {
		case m[1] != "":
			protocol = strings.ToLower(m[1])
		case strings.Contains(m[2], `\n`): // no host can have that name
		case have[protocol] == "":
			have[protocol] = fmt.Sprintf("%s %s:%s %s %s", protocol, m[2], m[3], strings.Replace(m[4], "TLS", "STARTTLS", 1), m[5])
		}
	}
	for _, protocol := range []string{"imap", "smtp"} {
		if have[protocol] != "" {
			got.found = append(got.found, have[protocol])
		}
	}
	return got
}

func geary(t *testing.T, _ *fixture.World) tried {
	out, said, _ := start(t, "", nil, "/usr/bin/python3", "testdata/programs/geary.py", "example.com")
	return tried{found: lines(out), said: said}
}

func evolution(t *testing.T, _ *fixture.World) tried {
	out, said, _ := start(t, "", nil, "dbus-run-session", "--", "/usr/bin/python3", "testdata/programs/evolution.py", "fred@example.com")
	return tried{found: lines(out), said: said}
}

func lines(s string) (out []string) {
	for line := range strings.Lines(s) {
		out = append(out, strings.TrimSpace(line))
	}
	return out
}

// aerc is typed at without seeing all that it draws. On a busy machine that may miss a
// button; then there is no account, and it is tried again.
func aerc(t *testing.T, _ *fixture.World) (got tried) {
	for range 3 {
		out, said, err := start(t, "", nil, "/usr/bin/python3", "testdata/programs/aerc.py", "fred@example.com", "secret")
		if got = (tried{found: lines(out), said: said}); err == nil {
			break
		}
	}
	return got
}
