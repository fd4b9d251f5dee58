package httpd_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"milepost/internal/httpd"
)

// gone is a client that leaves once it has the status line.
type gone struct{ *httptest.ResponseRecorder }

func (gone) Write([]byte) (int, error) { return 0, errors.New("write: broken pipe") }

// A client that leaves in the middle of an answer is no mistake of ours.
func TestAbortedClient(t *testing.T) {
	var out bytes.Buffer
	h := httpd.Handler(httpd.Options{Current: current(t, familyCatalogue(t), ""), Requests: &out, Log: slog.New(slog.NewTextHandler(&out, nil))})
	for _, target := range []string{"/v1.1/example.com", "/v1.1/unknown.test", "/setup?emailaddress=fred@example.com", "/mobileconfig?emailaddress=fred@example.com"} {
		h.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, target, nil))
	}
	if strings.Contains(out.String(), "level=ERROR") || strings.Count(out.String(), "msg=http ") != 4 {
		t.Error(out.String())
	}
}
