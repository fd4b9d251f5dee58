package thunderbirdqr_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"milepost/internal/answer"
	"milepost/internal/fixture"
	"milepost/internal/thunderbirdqr"
	"milepost/settings"
)

func TestEncode(t *testing.T) {
	c := fixture.Shipped(t)
	for _, tc := range []struct{ name, query, want string }{
		{"IMAP", "emailaddress=fred@gmx.com",
			`[1,[1,1],[0,"imap.gmx.com",993,3,1,"fred@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"fred@gmx.com"],["fred@gmx.com","fred@gmx.com"]]]]`},
		{"POP", "emailaddress=fred@gmx.com&protocol=pop3",
			`[1,[1,1],[1,"pop.gmx.com",995,3,1,"fred@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"fred@gmx.com"],["fred@gmx.com","fred@gmx.com"]]]]`},
		{"OAuth2 and STARTTLS", "emailaddress=fred@outlook.com",
			`[1,[1,1],[0,"outlook.office365.com",993,3,6,"fred@outlook.com"],[[[0,"smtp-mail.outlook.com",587,2,6,"fred@outlook.com"],["fred@outlook.com","fred@outlook.com"]]]]`},
		{"local part alone as username", "emailaddress=fred@laposte.net",
			`[1,[1,1],[0,"imap.laposte.net",993,3,1,"fred"],[[[0,"smtp.laposte.net",465,3,1,"fred"],["fred@laposte.net","fred@laposte.net"]]]]`},
		{"odd characters", "emailaddress=%22a%3C%26%20%5C%22b%22%40gmx.com",
			`[1,[1,1],[0,"imap.gmx.com",993,3,1,"\"a<& \\\"b\"@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"\"a<& \\\"b\"@gmx.com"],["\"a<& \\\"b\"@gmx.com","\"a<& \\\"b\"@gmx.com"]]]]`},
		{"a domain alone", "emailaddress=gmx.com", ""},
		{"not ASCII", "emailaddress=fr%C3%A9d%40gmx.com", ""},
		{"on this computer", "emailaddress=fred@proton.me", ""},
		{"no mail programs", "emailaddress=fred@tuta.com", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := thunderbirdqr.Encode(fixture.Answer(t, c, tc.query))
			if got.Text != tc.want || ok != (tc.want != "") {
				t.Errorf("got  %s\nwant %s", got.Text, tc.want)
			}
		})
	}
}

// The code has room for one method: the one by which Thunderbird for Android
// gets in, and the page says how.
func TestMethod(t *testing.T) {
	for _, tc := range []struct {
		name               string
		incoming, outgoing string // a server's lines in its provider's file
		methods            [2]int
		signIn             answer.SignIn
	}{
		{"password", `hostname = "imap.example.com"`, `hostname = "smtp.example.com"`, [2]int{1, 1}, "password"},
		{"OAuth2 of a provider it knows", gmailIMAP, gmailSMTP, [2]int{6, 6}, "oauth2"},
		{"OAuth2 of one it does not", `hostname = "imap.example.com"
authentication = ["OAuth2", "password-cleartext"]`, `hostname = "smtp.example.com"
authentication = ["OAuth2", "password-cleartext"]`, [2]int{1, 1}, "password"},
		{"OAuth2 second", `hostname = "imap.gmail.com"
authentication = ["password-cleartext", "OAuth2"]`, gmailSMTP, [2]int{1, 1}, "password"},
		{"OAuth2 for receiving alone", gmailIMAP, `hostname = "smtp.example.com"`, [2]int{1, 1}, "password"},
		{"a host of the provider that it does not know", `hostname = "pop.gmail.com"
authentication = ["OAuth2", "password-cleartext"]`, gmailSMTP, [2]int{1, 1}, "password"},
		{"OAuth2 alone", `hostname = "imap.example.com"
authentication = ["OAuth2"]`, `hostname = "smtp.example.com"
authentication = ["OAuth2"]`, [2]int{6, 6}, "oauth2"},
		{"OAuth2 alone, then a password", `hostname = "imap.example.com"
authentication = ["OAuth2"]`, `hostname = "smtp.example.com"`, [2]int{6, 1}, "both"},
		{"encrypted password under TLS", `hostname = "imap.example.com"
authentication = ["password-encrypted", "password-cleartext"]`, `hostname = "smtp.example.com"
authentication = ["password-encrypted"]`, [2]int{1, 2}, "password"},
		{"encrypted password without TLS", `hostname = "imap.example.com"
socket_type = "plain"
authentication = ["password-encrypted", "password-cleartext"]`, `hostname = "smtp.example.com"
socket_type = "plain"
authentication = ["none"]`, [2]int{2, 0}, "password"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := fixture.AnswerFrom(t, tc.incoming, tc.outgoing, "")
			code, ok := thunderbirdqr.Encode(a)
			if !ok {
				t.Fatal("no code")
			}
			if err := checkCode(code.Text, a); err != nil {
				t.Error(err)
			}
			var methods [2]int
			var incoming, groups, skip any
			if err := json.Unmarshal([]byte(code.Text), &[]any{&skip, &skip, &incoming, &groups}); err != nil {
				t.Fatal(err)
			}
			methods[0] = int(incoming.([]any)[4].(float64))
			methods[1] = int(groups.([]any)[0].([]any)[0].([]any)[4].(float64))
			if methods != tc.methods || code.SignIn != tc.signIn {
				t.Errorf("methods %v, %s; want %v, %s", methods, code.SignIn, tc.methods, tc.signIn)
			}
		})
	}
}

const (
	gmailIMAP = `hostname = "imap.gmail.com"
authentication = ["OAuth2", "password-cleartext"]`
	gmailSMTP = `hostname = "smtp.gmail.com"
authentication = ["OAuth2", "password-cleartext"]`
)

// The code of every shipped provider says what the answer says,
// within the numbers that Thunderbird knows.
func TestShipped(t *testing.T) {
	codes := 0
	for _, p := range fixture.Shipped(t).Providers() {
		for _, protocol := range settings.IncomingProtocols {
			a, err := answer.New(p.ForMX(fixture.Address(t, "fred@example.com"), fixture.MXHost(t, p)), answer.Request{Protocol: protocol})
			if err != nil {
				t.Fatal(p.ID, err)
			}
			code, ok := thunderbirdqr.Encode(a)
			if !ok {
				continue
			}
			codes++
			if err := checkCode(code.Text, a); err != nil {
				t.Errorf("%s, %s: %v\n%s", p.ID, protocol, err, code.Text)
			}
		}
	}
	if codes < 200 {
		t.Errorf("only %d codes", codes)
	}
}

// checkCode reads a code as Thunderbird for Android does, by position.
func checkCode(text string, a answer.Answer) error {
	var version, sequence, incoming, groups json.RawMessage
	if err := json.Unmarshal([]byte(text), &[]any{&version, &sequence, &incoming, &groups}); err != nil {
		return err
	}
	if string(version) != "1" || string(sequence) != "[1,1]" {
		return fmt.Errorf("version %s, sequence %s", version, sequence)
	}
	var outgoing, identity json.RawMessage
	if err := json.Unmarshal(groups, &[]any{&[]any{&outgoing, &identity}}); err != nil {
		return err
	}
	for _, s := range []struct {
		text   json.RawMessage
		server settings.Server
	}{{incoming, a.Incoming}, {outgoing, a.Outgoing}} {
		var protocol, port, security, method int
		var hostname, username string
		if err := json.Unmarshal(s.text, &[]any{&protocol, &hostname, &port, &security, &method, &username}); err != nil {
			return err
		}
		if hostname != string(s.server.Hostname) || port != int(s.server.Port) || username != a.Username(s.server.Username) {
			return fmt.Errorf("%s:%d %s, the page says %v", hostname, port, username, s.server)
		}
		if wanted := map[settings.SocketType]int{settings.SSL: 3, settings.STARTTLS: 2, settings.Plain: 0}[s.server.SocketType]; security != wanted {
			return fmt.Errorf("security %d for %s", security, s.server.SocketType)
		}
		if !slices.Contains([]int{0, 1, 2, 3, 4, 5, 6}, method) {
			return fmt.Errorf("authentication %d", method)
		}
	}
	return nil
}

// The sender's name is the one that a directory has, and the login name goes with it.
func TestFullName(t *testing.T) {
	c := fixture.Catalogue(t, "a.toml", `display_name = "Example"
domains = ["example.com"]
[[incoming]]
protocol = "imap"
hostname = "mail.example.com"
username = "%LOGIN%"
[[outgoing]]
hostname = "mail.example.com"
username = "%LOGIN%"
`)
	a := fixture.Answer(t, c, "emailaddress=fred@example.com")
	var err error
	if a, err = answer.New(a.WithLogin("u77", `Frédéric "F" Example`), a.Request); err != nil {
		t.Fatal(err)
	}
	const want = `[1,[1,1],[0,"mail.example.com",993,3,1,"u77"],[[[0,"mail.example.com",465,3,1,"u77"],["fred@example.com","Frédéric \"F\" Example"]]]]`
	if got, ok := thunderbirdqr.Encode(a); got.Text != want || !ok {
		t.Errorf("got  %s\nwant %s", got.Text, want)
	}
}
