// Package pages makes the pages for people: type an address, get the settings
// of your mail program. It is pure: a model goes in, HTML comes out. Routes,
// headers and status codes are internal/httpd's matter.
//
// Everything a page needs is in it or comes from this server: no outside
// resource, no cookie, no inline script or style.
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"

	"milepost/address"
	"milepost/internal/answer"
	"milepost/settings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Site makes every page, in one service's name and colour. It never changes,
// so it may be shared freely.
type Site struct {
	// Examines says that domains can be examined, so that pages lead there. It is set
	// before the first page is made.
	Examines bool

	branding  Branding
	publicURL string
	messages  map[string]messages // by language
	// placeholders puts words in their place, by language.
	placeholders map[string]*strings.Replacer
	assets       assets
	templates    map[string]*template.Template // by page
	buffers      sync.Pool                     // *bytes.Buffer; a page that grows its own takes a fifth more
}

// The pages: each is a file under templates, shown inside layout.html.
const (
	pageHome       = "home"
	pageAnswer     = "answer"
	pageUnknown    = "unknown"
	pageProviders  = "providers"
	pageProvider   = "provider"
	pageHelp       = "help"
	pageTrouble    = "trouble"
	pageAskTrouble = "ask-trouble"
	pageWidget     = "widget"
	pageClient     = "client"
	pageAskDoctor  = "ask-doctor"
	pageDoctor     = "doctor"
	pageError      = "error"
)

// New prepares the pages of a service. PublicURL is the service's HTTPS address, for
// codes that a phone reads; empty: none is known.
func New(b Branding, publicURL string) (*Site, error) {
	s := &Site{branding: b.withDefaults(), publicURL: publicURL,
		placeholders: make(map[string]*strings.Replacer), templates: make(map[string]*template.Template)}
	var err error
	if s.messages, err = loadMessages(); err != nil {
		return nil, err
	}
	for lang, m := range s.messages {
		word := func(key string) string { return m.get(key).text(nil) }
		s.placeholders[lang] = strings.NewReplacer(settings.EmailAddress, word("placeholder-address"), settings.EmailLocalPart, word("placeholder-local"),
			settings.EmailDomain, word("placeholder-domain"), settings.MXHost, word("placeholder-mx"))
	}
	if s.assets, err = loadAssets(s.branding); err != nil {
		return nil, err
	}
	for _, page := range []string{pageHome, pageAnswer, pageUnknown, pageProviders, pageProvider, pageHelp, pageTrouble, pageAskTrouble, pageWidget, pageClient, pageAskDoctor, pageDoctor, pageError} {
		files := []string{"templates/layout.html", "templates/parts.html", "templates/" + page + ".html"}
		if page == pageClient { // which has steps and servers as an answer has them
			files = slices.Insert(files, 2, "templates/answer.html")
		}
		t, err := template.New("layout.html").ParseFS(templateFiles, files...)
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		s.templates[page] = t
	}
	return s, nil
}

// render makes the whole page, so that none of it is sent if it fails.
func (s *Site) render(page string, v *view, model any) ([]byte, error) {
	v.Model = model
	return s.execute(page, "layout.html", v)
}

func (s *Site) execute(page, part string, model any) ([]byte, error) {
	b, _ := s.buffers.Get().(*bytes.Buffer)
	if b == nil {
		b = new(bytes.Buffer)
	}
	defer s.buffers.Put(b)
	b.Reset()
	err := s.templates[page].ExecuteTemplate(b, part, model)
	return bytes.Clone(b.Bytes()), err
}

// Home is the page that asks for an address.
func (s *Site) Home(r Reader, providers int) ([]byte, error) {
	v := s.view(r, "/", "")
	v.Heading = v.T("home-title")
	v.Description = v.T("home-lead")
	return s.render(pageHome, v, providers)
}

// Help explains the words.
func (s *Site) Help(r Reader) ([]byte, error) {
	v := s.view(r, "/help", "")
	v.Heading = v.T("help-title")
	v.Description = v.T("help-lead")
	return s.render(pageHelp, v, helpSections)
}

// Mistyped is the home page again, saying what is wrong with the address. What
// was typed stands in the field, to be corrected.
func (s *Site) Mistyped(r Reader, q answer.Request) ([]byte, error) {
	v := s.view(r, "/setup", q.Query())
	v.Heading = v.T("home-title")
	v.NoIndex = true
	v.Typed, v.Mistake = q.Typed, v.mistake(q)
	return s.render(pageHome, v, 0)
}

// mistake says what is wrong with an address.
func (v *view) mistake(q answer.Request) string {
	switch {
	case q.Typed == "":
		return v.T("form-missing")
	case q.NoMailbox:
		return v.T("form-no-mailbox", "domain", q.Address.Domain.Unicode)
	}
	return v.T("form-invalid", "example", "name@example.com")
}

// unknownPage is the model of the page about a domain that no provider serves.
type unknownPage struct {
	Domain      string
	Suggestions []suggestion
	asked       address.Domain
}

// suggestion is a domain that may have been meant, with the path of its answer.
type suggestion struct{ Domain, URL string }

func newUnknown(path string, q answer.Request, l *List) *unknownPage {
	page := &unknownPage{Domain: q.Address.Domain.Unicode, asked: q.Address.Domain}
	for _, name := range l.Suggest(q.Address.Domain) {
		if d, err := address.ParseDomain(name); err == nil {
			meant := q
			meant.Address.Domain = d
			page.Suggestions = append(page.Suggestions, suggestion{name, path + "?" + meant.Query()})
		}
	}
	return page
}

// Suggestions are the domains that may have been meant.
func (v *view) Suggestions() []suggestion {
	switch m := v.Model.(type) {
	case *unknownPage:
		return m.Suggestions
	case widgetPage:
		return m.Unknown.Suggestions
	}
	return nil
}

// Unknown says what to try when no provider is known for a domain. The list has the
// domains that may have been meant.
func (s *Site) Unknown(r Reader, q answer.Request, l *List) ([]byte, error) {
	v := s.view(r, "/setup", q.Query())
	v.Heading = v.T("unknown-title", "domain", q.Address.Domain.Unicode)
	v.NoIndex = true
	v.Typed = q.Typed
	return s.render(pageUnknown, v, newUnknown("/setup", q, l))
}

// Problem is the page for a request that went wrong.
func (s *Site) Problem(r Reader, status int) ([]byte, error) {
	v := s.view(r, "/", "")
	v.NoIndex = true
	v.Heading = v.T("error-title")
	if status == 404 {
		v.Heading = v.T("error-none-title")
	}
	return s.render(pageError, v, status)
}
