package pages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"milepost/address"
	"milepost/catalogue"
	"milepost/data"
	"milepost/settings"
)

func shipped(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load(catalogue.Source{FS: data.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answerTo is the answer to a query, from the shipped catalogue.
func answerTo(t testing.TB, c *catalogue.Catalogue, query string) Answer {
	t.Helper()
	q, err := ParseRequest(query)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Lookup(q.Address.Domain)
	if !ok {
		t.Fatal("unknown", q.Address.Domain)
	}
	a, err := NewAnswer(p.For(q.Address), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// decode reads a QR code from an image in a URL.
func decode(t testing.TB, url template.URL) string {
	t.Helper()
	text, ok := strings.CutPrefix(string(url), "data:image/png;base64,")
	if !ok {
		t.Fatalf("no PNG: %.40s", url)
	}
	file, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return decodeImage(t, img)
}

func decodeImage(t testing.TB, img image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	// Without the hint the library takes data for corner marks now and then.
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		t.Fatal(err)
	}
	return result.GetText()
}

func TestAccountCode(t *testing.T) {
	c := shipped(t)
	for _, tc := range []struct{ name, query, want string }{
		{"IMAP", "emailaddress=fred@gmx.com",
			`[1,[1,1],[0,"imap.gmx.com",993,3,1,"fred@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"fred@gmx.com"],["fred@gmx.com","fred@gmx.com"]]]]`},
		{"POP", "emailaddress=fred@gmx.com&protocol=pop3",
			`[1,[1,1],[1,"pop.gmx.com",995,3,1,"fred@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"fred@gmx.com"],["fred@gmx.com","fred@gmx.com"]]]]`},
		{"OAuth2 and STARTTLS", "emailaddress=fred@outlook.com",
			`[1,[1,1],[0,"outlook.office365.com",993,3,6,"fred@outlook.com"],[[[0,"smtp.office365.com",587,2,6,"fred@outlook.com"],["fred@outlook.com","fred@outlook.com"]]]]`},
		{"local part alone as username", "emailaddress=fred@laposte.net",
			`[1,[1,1],[0,"imap.laposte.net",993,3,1,"fred"],[[[0,"smtp.laposte.net",465,3,1,"fred"],["fred@laposte.net","fred@laposte.net"]]]]`},
		{"odd characters", "emailaddress=%22a%3C%26%20%5C%22b%22%40gmx.com",
			`[1,[1,1],[0,"imap.gmx.com",993,3,1,"\"a<& \\\"b\"@gmx.com"],[[[0,"mail.gmx.com",465,3,1,"\"a<& \\\"b\"@gmx.com"],["\"a<& \\\"b\"@gmx.com","\"a<& \\\"b\"@gmx.com"]]]]`},
		{"a domain alone", "emailaddress=gmx.com", ""},
		{"not ASCII", "emailaddress=fr%C3%A9d%40gmx.com", ""},
		{"on this computer", "emailaddress=fred@proton.me", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, _, ok := accountCode(answerTo(t, c, tc.query))
			if got != tc.want || ok != (tc.want != "") {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			if !ok {
				return
			}
			url, ok := codeImage(got)
			if !ok {
				t.Fatal("no image")
			}
			if read := decode(t, url); read != tc.want {
				t.Errorf("the code says %s", read)
			}
		})
	}
}

// The code has room for one method: the one by which Thunderbird for Android
// gets in, and the page says how.
func TestAccountCodeMethod(t *testing.T) {
	for _, tc := range []struct {
		name               string
		incoming, outgoing string // a server's lines in its provider's file
		methods            [2]int
		signIn             string
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
			a := answerFrom(t, tc.incoming, tc.outgoing, "")
			text, signIn, ok := accountCode(a)
			if !ok {
				t.Fatal("no code")
			}
			if err := checkCode(text, a); err != nil {
				t.Error(err)
			}
			var methods [2]int
			var incoming, groups, skip any
			if err := json.Unmarshal([]byte(text), &[]any{&skip, &skip, &incoming, &groups}); err != nil {
				t.Fatal(err)
			}
			methods[0] = int(incoming.([]any)[4].(float64))
			methods[1] = int(groups.([]any)[0].([]any)[0].([]any)[4].(float64))
			if methods != tc.methods || signIn != tc.signIn {
				t.Errorf("methods %v, %s; want %v, %s", methods, signIn, tc.methods, tc.signIn)
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

// The code of every shipped provider can be read, and says what the page says,
// within the numbers that Thunderbird knows.
func TestEveryAccountCode(t *testing.T) {
	codes := 0
	for _, p := range shipped(t).Providers() {
		d := address.Domain{ASCII: "example.com", Unicode: "example.com"}
		for _, protocol := range settings.IncomingProtocols {
			a, err := NewAnswer(p.For(address.Address{Local: "fred", Domain: d}), Request{Protocol: protocol})
			if err != nil {
				t.Fatal(p.ID, err)
			}
			text, _, ok := accountCode(a)
			if !ok {
				continue
			}
			codes++
			url, ok := codeImage(text)
			if !ok {
				t.Fatal(p.ID, "no image")
			}
			if err := checkCode(decode(t, url), a); err != nil {
				t.Errorf("%s, %s: %v\n%s", p.ID, protocol, err, text)
			}
		}
	}
	if codes < 200 {
		t.Errorf("only %d codes", codes)
	}
}

// checkCode reads a code as Thunderbird for Android does, by position.
func checkCode(text string, a Answer) error {
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
		if hostname != string(s.server.Hostname) || port != int(s.server.Port) || username != a.Asked.Username(s.server.Username) {
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

// The code on a computer's screen names the profile under the public URL.
func TestProfileCode(t *testing.T) {
	a := answerTo(t, shipped(t), "emailaddress=fred%2Bnews@gmx.com&protocol=pop3")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("de")
	url, ok := codeImage("https://mail.example.com" + a.Profile)
	if !ok {
		t.Fatal("no code")
	}
	const want = "https://mail.example.com/mobileconfig?emailaddress=fred%2Bnews%40gmx.com&protocol=pop3&lang=de"
	if got := decode(t, url); got != want {
		t.Errorf("%s", got)
	}
}

// However long the text is, its code says the same.
func TestCodeLengths(t *testing.T) {
	for length := 1; length < 1500; length += 23 {
		text := strings.Repeat("https://mail.example.com/mobileconfig?", length/38+1)[:length]
		url, ok := codeImage(text)
		if !ok {
			t.Fatal(length)
		}
		if got := decode(t, url); got != text {
			t.Errorf("%d: %s", length, got)
		}
	}
	if _, ok := codeImage(strings.Repeat("a", 3000)); ok {
		t.Error("3000 octets are in a code")
	}
}
