package pages

import (
	"net/url"
	"strings"
)

// share is how a page is passed on. Nothing is stored for it, and no address is in it.
type share struct {
	URL  string // of the page for everybody in the domain
	Mail string // a mailto: URL with it (RFC 6068)
}

// Share says how the page is passed on; nil: it is about nobody's settings, or its
// public address is not known.
func (v *view) Share() *share {
	var path, provider string
	switch m := v.Model.(type) {
	case answerPage:
		path, provider = "/setup?emailaddress="+m.Address.Domain.ASCII, m.Provider.DisplayName
	case clientPage:
		path, provider = v.path, m.Provider.DisplayName
	case providerPage:
		path, provider = v.path, m.Provider.DisplayName
	}
	if path == "" || v.Site.publicURL == "" {
		return nil
	}
	to := v.Site.publicURL + path
	subject := v.T("share-subject", "provider", provider)
	// A form's + would be a plus in a mail program (RFC 6068 §5).
	escaped := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	return &share{to, "mailto:?subject=" + escaped(subject) + "&body=" + escaped(to)}
}
