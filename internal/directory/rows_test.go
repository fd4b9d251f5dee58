package directory

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"milepost/internal/config"
)

const in2026 = 1795600000

// A row that is wrong costs its own domain alone, and is told in a line that repeats no
// more of it than a name.
func TestBadRows(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, tc := range map[string]struct {
		row  record
		want string // of its mistake; empty: it is right
	}{
		"right":             {record{domain: " Example.COM. ", host: "MX.example.", name: " A "}, ""},
		"gone":              {record{domain: "example.com", provider: long, gone: true}, ""},
		"no domain":         {record{}, "a row has no domain"},
		"long domain":       {record{domain: long}, "a domain has 1048576 octets; at most 255 are allowed"},
		"an address":        {record{domain: "fred@example.com"}, `"…@example.com" is an address; a domain is the part behind the @`},
		"a wildcard":        {record{domain: "*.example.com"}, `domain label "*" has the character '*'; letters, digits and hyphens are allowed`},
		"octets":            {record{domain: "a\x00\xff.example"}, `the domain "a\x00\xff.example" is no UTF-8`},
		"a zero":            {record{domain: "a\x00.example"}, `domain label "a\x00" has the character '\x00'; letters, digits and hyphens are allowed`},
		"a long provider":   {record{domain: "example.com", provider: long}, "example.com: its row names a provider by what can be no ID"},
		"a provider's line": {record{domain: "example.com", provider: "a\nb"}, "example.com: its row names a provider by what can be no ID"},
		"a long host":       {record{domain: "example.com", host: long}, "example.com: its host is no host name: it has 1048576 octets; at most 255 are allowed"},
		"an IP address":     {record{domain: "example.com", host: "192.0.2.1"}, `example.com: its host is no host name: domain "192.0.2.1" ends in a number; an IP address is not a domain`},
		"a placeholder":     {record{domain: "example.com", host: "%MXHOST%"}, `example.com: its host is no host name: domain label "%mxhost%" has the character '%'; letters, digits and hyphens are allowed`},
		"a long name":       {record{domain: "example.com", name: long}, "example.com: its name has 1048576 characters; at most 60 are allowed"},
		"a name of octets":  {record{domain: "example.com", name: "a\xff"}, "example.com: its name has control characters; they are not allowed"},
		"a name in lines":   {record{domain: "example.com", name: "a\tb"}, "example.com: its name has control characters; they are not allowed"},
		"yet to come":       {record{domain: "example.com", changed: in2026 + 301}, "example.com: its row changed at a time that is yet to come, which is not used; is a clock wrong, or a time zone?"},
		"far in the future": {record{domain: "example.com", changed: math.MaxInt64}, "example.com: its row changed at a time that is yet to come, which is not used; is a clock wrong, or a time zone?"},
		"a little ahead":    {record{domain: "example.com", changed: in2026 + 300}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := rows{source: &config.Source{Name: "customers", Provider: "example.net"}, now: in2026}
			row, ok := p.row(tc.row)
			got := strings.TrimPrefix(p.warnings().Error(), "source customers: ")
			if got != tc.want {
				t.Errorf("%.300s", got)
			}
			if served := tc.want == "" || strings.Contains(tc.want, "yet to come"); ok != served || ok != (p.lost == 0) {
				t.Errorf("served: %v, lost: %d", ok, p.lost)
			}
			if strings.Contains(tc.want, "yet to come") && row.Changed != 0 {
				t.Error(row.Changed)
			}
			if name == "right" && fmt.Sprint(row.Domain, row.Belonging, row.Changed) != "example.com example.net mx.example A 0" {
				t.Error(row)
			}
		})
	}
	p := rows{source: &config.Source{Name: "customers"}}
	for range 1000 {
		p.row(record{domain: "example.com"})
	}
	if all := p.warnings(); p.lost != 1000 || len(all) != 101 || all[0].Error() != "source customers: example.com: its row names no provider, and the source has none for all" {
		t.Errorf("%d %v", p.lost, all[0])
	}
}

func TestColumns(t *testing.T) {
	for name, tc := range map[string]struct {
		names, want string // the mistake, or the columns
	}{
		"all":     {"active changed name mx template domain", "{5 4 3 2 1 0}"},
		"capital": {"DOMAIN Host Provider", "{0 2 1 -1 -1 -1}"},
		"one":     {"whatever", "{0 -1 -1 -1 -1 -1}"},
		"none":    {"provider host", `the query has no column "domain"; "SELECT name AS domain", say, makes one`},
		"unknown": {"domain hots", `the query has a column "hots"; domain, provider, template, host, mx, name, changed and active are allowed`},
		"twice":   {"domain mx host", `the query has "host" beside "mx", which says the same; one of them is allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parseColumns(strings.Fields(tc.names))
			got := fmt.Sprint(c)
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Error(got)
			}
		})
	}
}

func TestValues(t *testing.T) {
	const at = 1700000000
	for name, tc := range map[string]struct {
		value any
		time  int64 // -1: it is none
		truth string
	}{
		"NULL":               {nil, 0, "false"},
		"number":             {int64(at), at, "true"},
		"number as text":     {[]byte("1700000000"), at, "true"},
		"decimal":            {[]byte("1700000000.75"), at, "true"},
		"float":              {float64(at) + 0.5, at, "true"},
		"not a number":       {math.NaN(), -1, "neither"},
		"infinite":           {math.Inf(1), -1, "neither"},
		"negative":           {int64(-1), 0, "true"},
		"zero":               {int64(0), 0, "false"},
		"time":               {time.Unix(at, 5), at, "neither"},
		"time before 1970":   {time.Unix(-5, 0), 0, "neither"},
		"text, UTC":          {"2023-11-14 22:13:20", at, "neither"},
		"text, T and Z":      {"2023-11-14T22:13:20Z", at, "neither"},
		"text with a zone":   {"2023-11-14 23:13:20.123+01", at, "neither"},
		"text, zone's colon": {"2023-11-14 23:13:20+01:00", at, "neither"},
		"day":                {"1970-01-02", 86400, "neither"},
		"MySQL's nothing":    {[]byte("0000-00-00 00:00:00"), 0, "neither"},
		"words":              {"yesterday", -1, "neither"},
		"y":                  {"Y", -1, "true"},
		"n":                  {[]byte("n"), -1, "false"},
		"true":               {true, -1, "true"},
		"false":              {false, -1, "false"},
		"a bit":              {[]byte{1}, -1, "true"},
		"no bit":             {[]byte{0}, -1, "false"},
		"an array":           {[]int{1}, -1, "neither"},
	} {
		t.Run(name, func(t *testing.T) {
			n, ok := asTime(tc.value)
			if !ok {
				n = -1
			}
			truth, ok := asTruth(tc.value)
			said := fmt.Sprint(truth)
			if !ok {
				said = "neither"
			}
			if n != tc.time || said != tc.truth {
				t.Errorf("%d, %s", n, said)
			}
		})
	}
}

// A row whose time is ahead of the clock does not hide what changes after it.
func TestRowAhead(t *testing.T) {
	p := rows{source: &config.Source{Name: "customers", Provider: "example.net"}, now: in2026}
	for _, changed := range []int64{in2026 - 10, in2026 + 300} {
		if row, ok := p.row(record{domain: "example.com", changed: changed}); !ok || int64(row.Changed) != changed {
			t.Errorf("%v %v", row, ok)
		}
	}
	if p.latest != in2026 {
		t.Errorf("what comes next is looked for from %d on", p.latest)
	}
}
