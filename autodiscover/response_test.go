package autodiscover

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"milepost/internal/fixture"
)

func TestParseResponse(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       Response
		err        string
	}{
		{name: "settings", body: `<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account><AccountType>email</AccountType><Action>settings</Action>
<Protocol><Type>IMAP</Type><Server> imap.example.com </Server><Port>993</Port><LoginName>fred</LoginName><SPA>off</SPA><SSL>on</SSL><Encryption>SSL</Encryption></Protocol>
<Protocol><Type>SMTP</Type><Server>smtp.example.com</Server><Port>many</Port></Protocol></Account></Response></Autodiscover>`,
			want: Response{Accounts: 1, Protocols: []Protocol{
				{Type: "IMAP", Server: "imap.example.com", Port: 993, LoginName: "fred", SPA: "off", SSL: "on", Encryption: "SSL"},
				{Type: "SMTP", Server: "smtp.example.com"}}}},
		{name: "redirect to a URL", body: `<Autodiscover><Response><Account><Action>redirectUrl</Action><RedirectUrl>https://x.example/</RedirectUrl></Account></Response></Autodiscover>`,
			want: Response{Accounts: 1, RedirectURL: "https://x.example/"}},
		{name: "redirect to an address", body: `<Autodiscover><Response><Account><Action>redirectAddr</Action><RedirectAddr>a@x.example</RedirectAddr></Account></Response></Autodiscover>`,
			want: Response{Accounts: 1, RedirectAddress: "a@x.example"}},
		{name: "error", body: `<Autodiscover><Response><Error><ErrorCode>500</ErrorCode><Message>no</Message></Error></Response></Autodiscover>`,
			want: Response{Error: "500 no"}},
		{name: "error in an account", body: `<Autodiscover><Response><Account><Error><ErrorCode>601</ErrorCode></Error></Account></Response></Autodiscover>`,
			want: Response{Accounts: 1, Error: "601"}},
		{name: "several accounts", body: `<Autodiscover><Response><Account/><Account/></Response></Autodiscover>`, want: Response{Accounts: 2}},
		{name: "empty", err: "response is empty"},
		{name: "another root", body: `<html></html>`, err: "root is html"},
		{name: "nothing in it", body: `<Autodiscover/>`, err: "neither an Account nor an Error"},
		{name: "not XML", body: `<Autodiscover><Response>`, err: "not well-formed"},
		{name: "another encoding", body: `<?xml version="1.0" encoding="UTF-16"?><Autodiscover/>`, err: "UTF-8 is allowed"},
		{name: "an entity", body: `<!DOCTYPE a [<!ENTITY b "c">]><Autodiscover>&b;</Autodiscover>`, err: "not well-formed"},
		{name: "too long", body: strings.Repeat(" ", MaxResponse+1), err: "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseResponse([]byte(tc.body))
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What Outlook sends is read here, and what Render writes.
func TestRoundTrip(t *testing.T) {
	a := fixture.Address(t, "fred&co@example.com")
	if got, err := ParseRequest(RenderRequest(a)); err != nil || got != (Request{a, Outlook}) {
		t.Error(got, err)
	}
	account := fixture.Account(t, fixture.Catalogue(t, "example.com.toml", fixture.Family), "fred@example.com")
	body, err := Render(account)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseResponse(body)
	if err != nil || got.Accounts != 1 || len(got.Protocols) != 2 {
		t.Fatal(got, err)
	}
	if p := got.Protocols[0]; p.Server != "mail.example.com" || p.Port != 993 || p.SSL != "on" || p.Encryption != "SSL" || p.SPA != "off" || p.LoginName != "fred@example.com" {
		t.Errorf("%+v", p)
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(`<Autodiscover><Response><Account><Protocol><Type>IMAP</Type><Port>993</Port></Protocol></Account></Response></Autodiscover>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseResponse(body)
		if err == nil && r.Accounts == 0 && r.Error == "" {
			t.Errorf("%q is read as nothing", body)
		}
	})
}
