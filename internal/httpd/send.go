package httpd

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/internal/answer"
)

// How long an answer may be kept, in seconds. Settings change seldom, and a
// mistake in them should not live long. Private: no shared cache may keep what
// depends on an address.
const (
	cachePublic  = "public, max-age=3600"
	cachePrivate = "private, max-age=3600"
)

const plainText = "text/plain; charset=utf-8"

// document is a rendered document with the headers that it always has.
type document struct {
	body   []byte
	etag   string // empty: it is not to be kept
	header http.Header
}

func newDocument(contentType string, body []byte) document {
	return tagged(contentType, entityTag(body), body)
}

// entityTag makes a tag that notices every change.
func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

func tagged(contentType, etag string, body []byte) document {
	return document{body, etag, http.Header{
		echo.HeaderContentType:              {contentType},
		echo.HeaderContentLength:            {strconv.Itoa(len(body))},
		echo.HeaderAccessControlAllowOrigin: {"*"}, // nothing here is secret, and web mailers ask
		"Etag":                              {etag},
	}}
}

// keepable sends what clients may keep.
func keepable(c echo.Context, cache string, doc document) error {
	h := c.Response().Header()
	maps.Copy(h, doc.header)
	h.Set(echo.HeaderCacheControl, cache)
	if notModified(c, doc.etag) {
		return nil
	}
	return writeBody(c, http.StatusOK, doc.body)
}

// notModified answers a client that has what a tag stands for, in this content coding
// or in the other (RFC 9110 §13.1.2), and names the tag that it has: a cache looks that
// one up (RFC 9111 §4.3.4). False: it wrote nothing. No tag of ours is part of another,
// so the list need not be taken apart.
func notModified(c echo.Context, etag string) bool {
	seen := strings.Join(c.Request().Header["If-None-Match"], ",")
	if seen == "" {
		return false
	}
	h := c.Response().Header()
	switch other := otherTag(etag); {
	case seen == "*" || strings.Contains(seen, etag):
	case strings.Contains(seen, other):
		h.Set("Etag", other)
	default:
		return false
	}
	h.Del(echo.HeaderContentType)
	h.Del(echo.HeaderContentLength)
	h.Del(echo.HeaderContentEncoding)
	c.Response().WriteHeader(http.StatusNotModified)
	return true
}

// transient sends an answer that nobody may keep.
func transient(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	h.Set(echo.HeaderCacheControl, "no-store")
	return write(c, status, contentType, body)
}

// write sends a whole answer. HEAD has its headers alone.
func write(c echo.Context, status int, contentType string, body []byte) error {
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, contentType)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	return writeBody(c, status, body)
}

func writeBody(c echo.Context, status int, body []byte) error {
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err := c.Response().Write(body)
	return err
}

// answerError writes every error of every handler: a page where people ask, JSON
// where their programs do, else one line of plain text, so that no client takes
// it for a document.
func (s *server) answerError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	status, message := http.StatusInternalServerError, "the server made a mistake"
	if he, ok := errors.AsType[*echo.HTTPError](err); ok {
		status, message = he.Code, fmt.Sprint(he.Message)
		switch {
		case errors.Is(he, echo.ErrNotFound):
			message = "nothing is served here; try /mail/config-v1.1.xml?emailaddress=ADDRESS"
			if forPrograms(c) {
				message = "nothing is served here; " + apiRoot + "v1/openapi.json says what is"
			}
		case errors.Is(he, echo.ErrMethodNotAllowed):
			// Echo counts OPTIONS in, and would answer it 204, which some clients take
			// for settings.
			allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string)
			if !forPrograms(c) {
				allow = strings.TrimPrefix(allow, "OPTIONS, ")
			}
			c.Response().Header().Set(echo.HeaderAllow, allow)
			message = "this address answers " + allow
		}
	} else if x, ok := c.(*exchange); ok {
		c.Response().Header().Set(echo.HeaderXRequestID, x.hexID()) // an admin finds it in the log
		message += "; its log says more under id=" + x.hexID()
	}
	if answerPeople(c, status) {
		return
	}
	_ = answerProgram(c, problem(err, status, message)) // a client that has left misses nothing
}

// answerProgram writes an error as JSON where programs ask for that, else as a line of
// plain text.
func answerProgram(c echo.Context, p *answer.Problem) error {
	contentType, body := plainText, fmt.Appendf(nil, "%d %s: %s\n", p.Status, strings.ToLower(http.StatusText(p.Status)), p.Detail)
	if x, ok := c.(*exchange); ok && forPrograms(c) {
		if inJSON, err := p.JSON(x.snapshot.PublicURL); err == nil {
			contentType, body = answer.ProblemType, inJSON
			c.Response().Header().Set(echo.HeaderAccessControlExposeHeaders, "*") // Retry-After, for a page's script
		}
	}
	return transient(c, p.Status, contentType, body)
}
