package httpd_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"milepost/internal/answer"
	"milepost/internal/fixture"
)

// What the description of the API gives as an example is answered.
func TestOpenAPIExamples(t *testing.T) {
	var doc struct {
		Paths map[string]struct {
			Get struct {
				Parameters []struct {
					Name, In, Example string
					Required          bool
				}
			}
		}
	}
	if err := json.Unmarshal(answer.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	addr := start(t, fixture.Shipped(t), io.Discard)
	for path, described := range doc.Paths {
		if path == "/api/v1/doctor" { // which asks the Internet
			continue
		}
		t.Run(path, func(t *testing.T) {
			query := make(url.Values)
			for _, p := range described.Get.Parameters {
				switch {
				case p.Example == "" && p.Required:
					t.Errorf("%s has no example", p.Name)
				case p.In == "path":
					path = strings.Replace(path, "{"+p.Name+"}", p.Example, 1)
				case p.Example != "":
					query.Set(p.Name, p.Example)
				}
			}
			resp, err := http.Get("http://" + addr + path + "?" + query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !json.Valid(body) {
				t.Errorf("%s?%s: %s", path, query.Encode(), resp.Status)
			}
		})
	}
}
