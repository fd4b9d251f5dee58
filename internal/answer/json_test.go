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

// closed lets the schemas refuse what they do not describe. Answers may grow, but not
// without a word in the description. A schema that another adds to is closed where it is
// used.
func closed(schemas any) {
	open := map[string]bool{"Provider": true, "StoredServer": true}
	var walk func(v any, shut bool)
	walk = func(v any, shut bool) {
		switch v := v.(type) {
		case []any:
			for _, inside := range v {
				walk(inside, shut)
			}
		case map[string]any:
			ref, _ := v["$ref"].(string)
			if shut && (v["properties"] != nil || open[strings.TrimPrefix(ref, "#/components/schemas/")]) {
				v["unevaluatedProperties"] = false
			}
			for key, inside := range v {
				walk(inside, key != "allOf")
			}
		}
	}
	for name, s := range schemas.(map[string]any) {
		walk(s, !open[name])
	}
}

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
	closed(doc.(map[string]any)["components"].(map[string]any)["schemas"])
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
			body, err := answer.JSON(a, "fr", "https://mail.example.com")
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
	body, err := answer.JSON(a, "en", "")
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
}

// Every problem is as it is described, and its type leads to what its code means.
func TestProblem(t *testing.T) {
	described := schema(t, "Problem")
	for _, p := range []*answer.Problem{
		{Code: answer.AddressMissing, Status: 400, Detail: "x"},
		{Code: answer.AddressInvalid, Status: 400, Detail: "x"},
		{Code: answer.DomainUnknown, Status: 404, Detail: "x", Suggestions: []string{"gmail.com"}},
		{Code: answer.ProviderUnknown, Status: 404, Detail: "x"},
		answer.StatusProblem(400, "x"), answer.StatusProblem(404, "x"), answer.StatusProblem(405, "x"),
		answer.StatusProblem(429, "x"), answer.StatusProblem(500, "x"), answer.StatusProblem(503, "x"),
	} {
		body, err := p.JSON("https://mail.example.com")
		if err != nil || valid(t, described, body) != nil {
			t.Errorf("%s %v", body, err)
		}
		var out struct{ Type, Title string }
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
		code, ok := strings.CutPrefix(out.Type, "https://mail.example.com"+answer.ProblemPath)
		meaning, known := answer.Explain(code)
		if !ok || !known || code != string(p.Code) || !strings.Contains(string(meaning), out.Title) || !strings.Contains(string(answer.OpenAPI), string(p.Code)) {
			t.Errorf("%s: %s", out.Type, meaning)
		}
	}
	if _, known := answer.Explain("nothing"); known {
		t.Error("a code that nothing has")
	}
}

// Each provider, and the list of them, is as it is described.
func TestProvidersJSON(t *testing.T) {
	all := fixture.Shipped(t).Providers()
	one := schema(t, "StoredProvider")
	for _, p := range all {
		for _, listed := range []bool{false, true} {
			body, err := answer.PublicJSON(p, listed)
			if err != nil {
				t.Fatal(p.ID, err)
			}
			if err := valid(t, one, body); err != nil {
				t.Errorf("%s: %v", p.ID, err)
			}
			if strings.Contains(string(body), `"domains"`) != listed {
				t.Errorf("%s: listed %t: %s", p.ID, listed, body)
			}
		}
	}
	body, err := answer.Listing{Providers: all, Count: len(all), Page: 1, Pages: 2, Next: "/api/v1/providers?page=2"}.JSON("https://mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := valid(t, schema(t, "Providers"), body); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(body), `"url": "https://mail.example.com/api/v1/providers/gmail.com"`) || !strings.Contains(string(body), `"next": "https://mail.example.com/api/v1/providers?page=2"`) {
		t.Errorf("%s", body[:1000])
	}
}

// The description names the server, where its address is known.
func TestOpenAPIAt(t *testing.T) {
	for public, want := range map[string]string{"": "/", "https://mail.example.com": "https://mail.example.com"} {
		var doc struct{ Servers []struct{ URL string } }
		if err := json.Unmarshal(answer.OpenAPIAt(public), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Servers) != 1 || doc.Servers[0].URL != want {
			t.Errorf("%q: %v", public, doc.Servers)
		}
	}
}

// A closed service is called closed, and has no profile.
func TestJSONOfClosed(t *testing.T) {
	a := fixture.Answer(t, fixture.Shipped(t), "emailaddress=fred@myopera.com")
	a.Profile = "/mobileconfig?" + a.ProfileQuery("en")
	body, err := answer.JSON(a, "en", "")
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
