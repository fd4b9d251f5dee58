package answer_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"milepost/address"
	"milepost/internal/answer"
	"milepost/internal/fixture"
)

// schema compiles a part of the OpenAPI document, whose schemas are JSON Schema
// 2020-12 (OpenAPI 3.1 §4.8.24).
func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer.OpenAPI))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, body []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// The answer for every shipped provider is as openapi.json describes it, and
// recommends one incoming and one outgoing server, at the head of their lists.
func TestJSON(t *testing.T) {
	settings := schema(t, "Settings")
	for _, p := range fixture.Shipped(t).Providers() {
		for _, local := range []string{"fred", ""} {
			a, err := answer.New(p.ForMX(address.Address{Local: local, Domain: fixture.Domain(t, "example.com")}, fixture.MXHost(t, p)), answer.Request{})
			if err != nil {
				t.Fatal(p.ID, err)
			}
			a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
			a.MXHost = fixture.MXHost(t, p)
			body, err := answer.JSON(a, "fr")
			if err != nil {
				t.Fatal(p.ID, err)
			}
			if err := valid(t, settings, body); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
			var out struct{ Incoming, Outgoing []struct{ Recommended bool } }
			if err := json.Unmarshal(body, &out); err != nil {
				t.Fatal(err)
			}
			for _, list := range [][]struct{ Recommended bool }{out.Incoming, out.Outgoing} {
				for i, s := range list {
					if s.Recommended != (i == 0) {
						t.Errorf("%s: server %d recommended: %t", p.ID, i, s.Recommended)
					}
				}
			}
		}
	}
}

// The description refuses what it should: a test of the tests.
func TestSchemaRefuses(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@gmx.com")
	body, err := answer.JSON(a, "en")
	if err != nil {
		t.Fatal(err)
	}
	settings := schema(t, "Settings")
	for _, tc := range []struct{ name, old, new string }{
		{"unknown key", `"domain"`, `"dommain"`},
		{"port as text", `"port": 993`, `"port": "993"`},
		{"unknown socket type", `"SSL"`, `"ssl"`},
	} {
		changed := strings.Replace(string(body), tc.old, tc.new, 1)
		if changed == string(body) || valid(t, settings, []byte(changed)) == nil {
			t.Errorf("%s is taken", tc.name)
		}
	}
	body, err = answer.JSONError("no provider is known")
	if err != nil || valid(t, schema(t, "Error"), body) != nil {
		t.Errorf("%s %v", body, err)
	}
}

// A closed service is called closed, and has no profile.
func TestJSONOfClosed(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@myopera.com")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
	body, err := answer.JSON(a, "en")
	if err != nil {
		t.Fatal(err)
	}
	if err := valid(t, schema(t, "Settings"), body); err != nil || !strings.Contains(string(body), `"closed": true`) || strings.Contains(string(body), `"profile"`) {
		t.Errorf("%v\n%s", err, body)
	}
}

// Piece by piece it is the same text.
func TestWriteProviderJSON(t *testing.T) {
	for _, p := range fixture.Shipped(t).Providers() {
		want, err := answer.ProviderJSON(p)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := answer.WriteProviderJSON(&got, p); err != nil || got.String() != string(want) {
			t.Errorf("%s: %v (-want +got)\n%s", p.ID, err, cmp.Diff(string(want), got.String()))
		}
	}
}
