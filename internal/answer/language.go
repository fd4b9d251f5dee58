package answer

import (
	"strings"

	"milepost/settings"
)

// inLanguage returns the text in a language, or the English one, or the first.
func inLanguage(texts []settings.Text, lang string) settings.Text {
	for _, wanted := range []string{lang, "en"} {
		for _, t := range texts {
			if base, _, _ := strings.Cut(t.Lang, "-"); base == wanted {
				return t
			}
		}
	}
	if len(texts) > 0 {
		return texts[0]
	}
	return settings.Text{}
}
