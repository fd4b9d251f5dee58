package providerfile

import (
	"bytes"
	"encoding/json"

	"milepost/address"
	"milepost/settings"
)

// JSON returns a provider as it is stored, in the words of its TOML file, with
// every default written out and every placeholder unfilled.
func JSON(p *settings.Provider) ([]byte, error) {
	out := jsonProvider{
		ID: p.ID, DisplayName: p.DisplayName, ShortName: p.ShortName,
		Domains: convert(p.Domains, settings.DomainPattern.String),
		MX:      convert(p.MX, address.Domain.String),
		Kind:    p.Kind, Country: p.Country, Website: p.Website, Webmail: p.Webmail, Source: p.Source, Closed: p.Closed,
		Incoming: convert(p.Incoming, newJSONServer), Outgoing: convert(p.Outgoing, newJSONServer), Setup: convert(p.Setup, newJSONServer),
		Service:       convert(p.Services, func(s settings.Service) jsonService { return jsonService(s) }),
		Documentation: convert(p.Documentation, func(d settings.Documentation) map[string]string { return jsonTexts(d.URL, d.Descriptions) }),
		OAuth2:        (*jsonOAuth2)(p.OAuth2),
		RedirectURL:   p.AutodiscoverRedirectURL, RedirectAddr: p.AutodiscoverRedirectAddress,
	}
	if p.Notice != nil {
		out.Notice = jsonTexts(p.Notice.URL, p.Notice.Text)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(out)
	return b.Bytes(), err
}

type jsonProvider struct {
	ID            string              `json:"id"`
	DisplayName   string              `json:"display_name"`
	ShortName     string              `json:"short_name"`
	Domains       []string            `json:"domains"`
	MX            []string            `json:"mx,omitempty"`
	Kind          settings.Kind       `json:"kind,omitempty"`
	Country       string              `json:"country,omitempty"`
	Website       string              `json:"website,omitempty"`
	Webmail       settings.URL        `json:"webmail,omitempty"`
	Source        string              `json:"source,omitempty"`
	Closed        bool                `json:"closed,omitempty"`
	Incoming      []jsonServer        `json:"incoming"`
	Outgoing      []jsonServer        `json:"outgoing"`
	Setup         []jsonServer        `json:"setup,omitempty"`
	Service       []jsonService       `json:"service,omitempty"`
	OAuth2        *jsonOAuth2         `json:"oauth2,omitempty"`
	RedirectURL   settings.URL        `json:"autodiscover_redirect_url,omitempty"`
	RedirectAddr  settings.Username   `json:"autodiscover_redirect_address,omitempty"`
	Documentation []map[string]string `json:"documentation,omitempty"`
	Notice        map[string]string   `json:"notice,omitempty"`
}

type jsonServer struct {
	Protocol       settings.Protocol         `json:"protocol"`
	Hostname       settings.Hostname         `json:"hostname"`
	Port           uint16                    `json:"port"`
	SocketType     settings.SocketType       `json:"socket_type"`
	Authentication []settings.Authentication `json:"authentication"`
	Username       settings.Username         `json:"username"`
}

type jsonService struct {
	Protocol       settings.Protocol         `json:"protocol"`
	URL            settings.URL              `json:"url"`
	Authentication []settings.Authentication `json:"authentication"`
	Username       settings.Username         `json:"username"`
}

type jsonOAuth2 struct {
	Issuer   string       `json:"issuer"`
	AuthURL  settings.URL `json:"auth_url"`
	TokenURL settings.URL `json:"token_url"`
	Scope    string       `json:"scope"`
	ClientID string       `json:"client_id,omitempty"`
}

func newJSONServer(s settings.Server) jsonServer { return jsonServer(s) }

func jsonTexts(url settings.URL, texts []settings.Text) map[string]string {
	m := make(map[string]string)
	if url != "" {
		m["url"] = string(url)
	}
	for _, t := range texts {
		m[t.Lang] = t.Value
	}
	return m
}

func convert[T, U any](in []T, one func(T) U) []U {
	out := make([]U, len(in))
	for i, v := range in {
		out[i] = one(v)
	}
	return out
}
