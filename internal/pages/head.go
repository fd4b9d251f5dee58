package pages

import (
	"bytes"
	"encoding/xml"
)

// alternate is the page in another language; x-default is the one that a browser's
// preference decides.
type alternate struct{ Lang, URL string }

// Canonical is the page's own public URL; empty: it is not to be found by search
// engines, or the public address is not known. What a request calls the server is in
// no URL.
func (v *view) Canonical() string {
	if v.NoIndex || v.Site.publicURL == "" {
		return ""
	}
	return v.Site.publicURL + v.Link(v.path)
}

// Alternates are the same page in all languages.
func (v *view) Alternates() []alternate {
	out := make([]alternate, 0, len(languages)+1)
	for _, l := range languages {
		out = append(out, alternate{l.code, v.Site.publicURL + v.path + "?lang=" + l.code})
	}
	return append(out, alternate{"x-default", v.Site.publicURL + v.path})
}

// Picture is the public URL of the picture that stands for the page where a link to it
// is shown.
func (v *view) Picture() string {
	if v.Site.Logo() != "" {
		return v.Site.publicURL + v.Site.Logo()
	}
	return v.Site.publicURL + v.Asset("icon-512.png")
}

// Robots is robots.txt: programs' answers are no pages. What must not be found says so
// itself, which a search engine has to read.
func (s *Site) Robots() []byte {
	text := "User-agent: *\nDisallow: /api/\nDisallow: /mobileconfig\n"
	if s.publicURL != "" {
		text += "\nSitemap: " + s.publicURL + "/sitemap.xml\n"
	}
	return []byte(text)
}

// maxURLs is how many a site map may have (sitemaps.org).
const maxURLs = 50000

type siteMap struct {
	XMLName xml.Name     `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
	URLs    []siteMapURL `xml:"url"`
}

type siteMapURL struct {
	Loc string `xml:"loc"`
}

// SiteMap lists the pages that are the same for everybody. False: the public address
// is not known, so there is none. Nobody may change it.
func (s *Site) SiteMap(l *List) (body []byte, ok bool, err error) {
	if s.publicURL == "" {
		return nil, false, nil
	}
	body, err = l.keep(shared{site: s, row: "/sitemap.xml"}, func() ([]byte, error) {
		var m siteMap
		add := func(path string) {
			if len(m.URLs) < maxURLs {
				m.URLs = append(m.URLs, siteMapURL{s.publicURL + path})
			}
		}
		for _, path := range []string{"/", "/providers", "/help", "/trouble"} {
			add(path)
		}
		for _, e := range l.entries {
			if !e.Closed {
				add("/providers/" + e.ID)
				for _, id := range e.Clients() {
					add("/providers/" + e.ID + "/" + id)
				}
			}
		}
		var b bytes.Buffer
		b.WriteString(xml.Header)
		if err := xml.NewEncoder(&b).Encode(m); err != nil {
			return nil, err
		}
		b.WriteByte('\n')
		return b.Bytes(), nil
	})
	return body, true, err
}
