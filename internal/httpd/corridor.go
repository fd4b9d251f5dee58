package httpd

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"milepost/internal/formats"
	"milepost/settings"
)

// corridor answers the requests for a format: read, parse, look up, render, send.
func (s *server) corridor(f *formats.Format) echo.HandlerFunc {
	return func(c echo.Context) error {
		x := c.(*exchange)
		if to, ok := overHTTPS(x); ok && f.Attachment { // a browser's download, not a mail program's look-up
			return x.Redirect(http.StatusFound, to)
		}
		request, err := s.read(x, f)
		if err != nil {
			return err
		}
		question, options, err := f.Parse(request)
		x.domain = question.Domain().ASCII
		if err != nil {
			return s.refuse(x, f, err)
		}
		accounts, err := x.lookUp(question, f.Attachment) // what a page links to
		if err != nil {
			return s.refuse(x, f, err)
		}
		if f.Announced {
			accounts[0] = x.snapshot.Announced(accounts[0])
		}
		options.PublicURL = x.snapshot.PublicURL
		doc, err := s.render(x, f, accounts, options)
		if err != nil {
			return s.refuse(x, f, err)
		}
		if f.Signed && s.Sign != nil {
			if doc.body, err = s.Sign(doc.body); err != nil {
				return err
			}
		}
		return send(x, f, &accounts[0], doc)
	}
}

// read takes from a request what formats read.
func (s *server) read(x *exchange, f *formats.Format) (formats.Request, error) {
	r := x.Request()
	request := formats.Request{
		Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery,
		HTTPS: x.secure, PublicURL: x.snapshot.PublicURL, Languages: languages(r),
	}
	if f.MaxBody == 0 {
		return request, nil
	}
	var err error
	request.Body, err = io.ReadAll(http.MaxBytesReader(x.Response(), r.Body, f.MaxBody))
	if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
		return request, echo.NewHTTPError(http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has %d octets at most", f.MaxBody))
	}
	// One that was cut short is the parser's to refuse.
	return request, nil
}

// languages is the whole Accept-Language header.
func languages(r *http.Request) string { return strings.Join(r.Header["Accept-Language"], ",") }

// render makes the document, or finds the one that was made for somebody else in
// the domain.
func (s *server) render(x *exchange, f *formats.Format, accounts []settings.Account, o formats.Options) (document, error) {
	a := &accounts[0]
	lasts := f.Cached && !a.TakesLogin() && a.MXHost.IsZero() // else no longer than what DNS or a directory says
	fresh := func() (document, error) {
		body, err := f.Render(accounts, o)
		if err != nil || !lasts {
			return document{body: body}, err
		}
		return newDocument(f.ContentType, body), nil
	}
	if !f.Cached || !a.Shared() {
		return fresh()
	}
	return s.documents.get(x.snapshot, documentKey{f.Paths[0], a.Template(), a.Address.Domain.ASCII}, fresh)
}

// refuse says no in the format's own way.
func (s *server) refuse(x *exchange, f *formats.Format, err error) error {
	if to, ok := errors.AsType[*formats.Redirect](err); ok {
		vary(x, f)
		return x.Redirect(http.StatusFound, to.URL)
	}
	switch no := f.Refuse(err, s.Now()); {
	case no.Status == 0:
		return err
	case no.Body == nil:
		return echo.NewHTTPError(no.Status, err.Error())
	default:
		return transient(x, no.Status, no.ContentType, no.Body)
	}
}

// send sends a document of a format.
func send(x *exchange, f *formats.Format, a *settings.Account, doc document) error {
	vary(x, f)
	if f.Attachment {
		// A parsed domain holds letters, digits, dots and hyphens alone.
		x.Response().Header().Set(echo.HeaderContentDisposition, `attachment; filename="`+a.Address.Domain.ASCII+`.mobileconfig"`)
	}
	switch {
	case doc.etag == "":
		return transient(x, http.StatusOK, f.ContentType, doc.body)
	case a.Address.Local == "":
		return keepable(x, cachePublic, doc)
	}
	return keepable(x, cachePrivate, doc)
}

func vary(x *exchange, f *formats.Format) {
	if f.Vary != "" {
		x.Response().Header().Add(echo.HeaderVary, f.Vary)
	}
}
