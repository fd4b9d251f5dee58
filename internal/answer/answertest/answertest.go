// Package answertest makes the answers that tests of several packages look at.
package answertest

import (
	"strings"
	"testing"
	"testing/fstest"

	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/answer"
	"milepost/internal/providerfile"
)

// Shipped is the catalogue that comes with milepost.
func Shipped(t testing.TB) *catalogue.Catalogue {
	t.Helper()
	c, _, err := providerfile.Load(providerfile.Directory{FS: data.Providers()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// To is the answer to a query.
func To(t testing.TB, c *catalogue.Catalogue, query string) answer.Answer {
	t.Helper()
	q, err := answer.ParseRequest(query)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := c.Lookup(q.Address.Domain)
	if !ok {
		t.Fatal("unknown", q.Address.Domain)
	}
	a, err := answer.New(p.For(q.Address), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// From is the answer to fred@example.com from a provider's file: the lines of its
// two servers, and either what stands above them or a table that stands below.
func From(t testing.TB, incoming, outgoing, more string) answer.Answer {
	t.Helper()
	above, below := more, ""
	if strings.HasPrefix(more, "[") {
		above, below = "", more
	}
	file := "display_name = \"Example\"\ndomains = [\"example.com\"]\n" + above +
		"\n[[incoming]]\nprotocol = \"imap\"\n" + incoming + "\n[[outgoing]]\n" + outgoing + "\n" + below + "\n"
	c, _, err := providerfile.Load(providerfile.Directory{FS: fstest.MapFS{"example.com.toml": {Data: []byte(file)}}})
	if err != nil {
		t.Fatal(err)
	}
	return To(t, c, "emailaddress=fred@example.com")
}
