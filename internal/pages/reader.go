package pages

import (
	"strings"

	"golang.org/x/text/language"

	"milepost/internal/query"
)

// languages are those that the pages are written in. The first is for people who
// read none of them.
var languages = []struct {
	code, name string
	tag        language.Tag
}{
	{"en", "English", language.English},
	{"fr", "Français", language.French},
	{"de", "Deutsch", language.German},
	{"es", "Español", language.Spanish},
	{"it", "Italiano", language.Italian},
	{"nl", "Nederlands", language.Dutch},
	{"pt", "Português", language.Portuguese},
}

var matcher = func() language.Matcher {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = l.tag
	}
	return language.NewMatcher(tags)
}()

// maxPreferred is how many languages of a header are looked at; browsers send fewer.
const maxPreferred = 20

// Reader is the person before the page.
type Reader struct {
	Lang   string // one of languages
	Chosen bool   // by the link, not by the browser's preference
	Client string // id of the mail program that the link chose; empty: none
	Device Device // on which the page is read
}

// ParseReader finds the language: lang= in the query, else the one that suits
// an Accept-Language header best (RFC 9110 §12.5.4).
func ParseReader(rawQuery, acceptLanguage string) Reader {
	asked, _ := query.Get(rawQuery, "lang")
	if lang, ok := choose(asked); ok {
		return Reader{Lang: lang, Chosen: true}
	}
	lang, _ := choose(acceptLanguage)
	return Reader{Lang: lang}
}

// choose finds the best language for a tag or a list of tags. False: none of
// them is ours, and English has to do.
func choose(preferred string) (string, bool) {
	var good []string
	for part := range strings.SplitSeq(preferred, ",") {
		if _, _, err := language.ParseAcceptLanguage(part); err == nil && len(good) < maxPreferred {
			good = append(good, part)
		}
	}
	tags, _, err := language.ParseAcceptLanguage(strings.Join(good, ","))
	if err != nil || len(tags) == 0 {
		return languages[0].code, false
	}
	_, i, confidence := matcher.Match(tags...)
	return languages[i].code, confidence > language.No
}
