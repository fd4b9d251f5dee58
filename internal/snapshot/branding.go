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
	said := c.Service
	b := pages.Branding{
		Name:       parse(&errs, c, "service.name", said.Name, pages.ParseName),
		Colour:     parse(&errs, c, "service.colour", said.Colour, pages.ParseColour),
		SupportURL: parse(&errs, c, "service.support_url", said.SupportURL, pages.ParseSupportURL),
	}
	if said.Logo != nil {
		b.Logo = parse(&errs, c, "service.logo", said.Logo, pages.ParseLogo)
	}
	return b, errs
}

// parse parses the value of a setting, and adds a mistake to errs.
func parse[S, T any](errs *textfile.Errors, c *config.Config, setting string, value S, parse func(S) (T, error)) T {
	var zero T
	if !c.Has(setting) {
		return zero
	}
	parsed, err := parse(value)
	if err != nil {
		*errs = append(*errs, c.Mistake(setting, err))
		return zero
	}
	return parsed
}
