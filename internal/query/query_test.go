package query

import "testing"

func TestGet(t *testing.T) {
	for _, tc := range []struct{ name, query, want, text string }{
		{"escaped", "emailaddress=fred%40example.com", "fred@example.com", "fred@example.com"},
		{"letter case of the name", "EMAILaddress=fred%40example.com", "fred@example.com", "fred@example.com"},
		{"a plus", "emailaddress=fred+news@example.com", "fred+news@example.com", "fred news@example.com"},
		{"an escaped plus", "emailaddress=fred%2Bnews%40example.com", "fred+news@example.com", "fred+news@example.com"},
		{"a semicolon", "a=1&emailaddress=a;b@example.com", "a;b@example.com", "a;b@example.com"},
		{"a stray %", "emailaddress=100%@example.com", "100%@example.com", "100%@example.com"},
		{"the first of two", "emailaddress=a@example.com&emailaddress=b@example.com", "a@example.com", "a@example.com"},
		{"empty", "x&emailaddress=", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, ok := Get(tc.query, "emailaddress"); !ok || got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
			for p := range Parameters(tc.query) {
				if p.Name == "emailaddress" {
					if got := p.Text(); got != tc.text {
						t.Errorf("text %q, want %q", got, tc.text)
					}
					break
				}
			}
		})
	}
	if value, ok := Get("email=a&=b", "emailaddress"); ok {
		t.Errorf("%q of nothing", value)
	}
}
