package answer_test

import (
	"testing"

	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/settings"
)

func TestNew(t *testing.T) {
	c := fixture.Shipped(t)
	for _, tc := range []struct {
		name, query        string
		incoming, outgoing settings.Hostname
		choices, others    int
		signIn             answer.SignIn
	}{
		{"IMAP by itself", "emailaddress=fred@gmx.com", "imap.gmx.com", "mail.gmx.com", 2, 4, "password"},
		{"POP by choice", "emailaddress=fred@gmx.com&protocol=pop3", "pop.gmx.com", "mail.gmx.com", 2, 4, "password"},
		{"POP that is not there", "emailaddress=fred@icloud.com&protocol=pop3", "imap.mail.me.com", "smtp.mail.me.com", 1, 0, "password"},
		{"POP alone", "emailaddress=fred@dartybox.com", "pop.live.com", "smtp.live.com", 1, 0, "password"},
		{"no password at all", "emailaddress=fred@outlook.com", "outlook.office365.com", "smtp-mail.outlook.com", 2, 1, "oauth2"},
		{"no mail programs", "emailaddress=fred@tuta.com", "", "", 0, 0, "none"},
		{"both", "emailaddress=fred@gmail.com", "imap.gmail.com", "smtp.gmail.com", 2, 2, "both"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := fixture.Answer(t, c, tc.query)
			if a.Incoming.Hostname != tc.incoming || a.Outgoing.Hostname != tc.outgoing {
				t.Errorf("%s, %s", a.Incoming.Hostname, a.Outgoing.Hostname)
			}
			if len(a.Choices) != tc.choices || len(a.Others) != tc.others || a.SignIn() != tc.signIn {
				t.Errorf("%d choices, %d others, %s", len(a.Choices), len(a.Others), a.SignIn())
			}
		})
	}
}

// A provider without links has nothing below the table of its servers.
func TestTextWithoutLinks(t *testing.T) {
	a := fixture.AnswerFrom(t, `hostname = "imap.example.com"`, `hostname = "smtp.example.com"`, "")
	const want = `fred@example.com: Example

PROTOCOL  HOSTNAME          PORT  SOCKET TYPE  AUTHENTICATION      USERNAME
imap      imap.example.com  993   SSL          password-cleartext  fred@example.com
smtp      smtp.example.com  465   SSL          password-cleartext  fred@example.com
`
	if got := string(answer.Text(a.Account)); got != want {
		t.Errorf("%s", got)
	}
}
