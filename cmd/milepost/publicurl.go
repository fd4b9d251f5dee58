package main

import (
	"flag"
	"fmt"
	"net/url"
	"strings"

	"milepost/settings"
)

// publicURL is the option that says under which HTTPS address the server is
// reached; empty: it is not known.
type publicURL string

func (p *publicURL) register(flags *flag.FlagSet) {
	flags.Func("public-url", "", func(s string) error {
		v, err := parsePublicURL(s)
		*p = publicURL(v)
		return err
	})
}

// parsePublicURL reads https://HOST[:PORT], with or without a slash at the end.
func parsePublicURL(s string) (string, error) {
	parsed, err := settings.ParseURL(s, "https") // its host is ASCII and in lower case
	if err != nil {
		return "", err
	}
	u, err := url.Parse(string(parsed))
	if err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q has more than a host; https://mail.example.com, say, is allowed", s)
	}
	return "https://" + u.Host, nil
}
