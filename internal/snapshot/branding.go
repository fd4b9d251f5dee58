package snapshot

import (
	"milepost/internal/config"
	"milepost/internal/pages"
	"milepost/internal/textfile"
)

// branding makes the pages' branding of what a configuration says, or every mistake
// in it.
func branding(c *config.Config) (pages.Branding, textfile.Errors) {
	var errs textfile.Errors
	said := c.Service.Branding
	b := pages.Branding{
		Name:       parse(&errs, c.File, "name", said.Name, pages.ParseName),
		Colour:     parse(&errs, c.File, "colour", said.Colour, pages.ParseColour),
		SupportURL: parse(&errs, c.File, "support_url", said.SupportURL, pages.ParseSupportURL),
		Logo: parse(&errs, c.File, "logo", said.Logo, func(image string) (pages.Logo, error) {
			return pages.ParseLogo([]byte(image))
		}),
	}
	return b, errs
}

// parse parses the value of a key of [service], and adds a mistake to errs.
func parse[T any](errs *textfile.Errors, file, key string, v config.Value, parse func(string) (T, error)) T {
	var zero T
	if v.Line == 0 {
		return zero
	}
	parsed, err := parse(v.Text)
	if err != nil {
		*errs = append(*errs, textfile.Error{File: file, Line: v.Line, Key: "service." + key, Err: err})
		return zero
	}
	return parsed
}
