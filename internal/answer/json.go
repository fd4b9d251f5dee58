package answer

import (
	"bytes"
	_ "embed" // for the description
	"encoding/json"
	"slices"

	"milepost/settings"
)

// OpenAPI describes the programs' interface (OpenAPI 3.1).
//
//go:embed openapi.json
var OpenAPI []byte

// JSON is an answer for programs, in the words of the provider files. openapi.json
// describes it.
func JSON(a Answer, lang string) ([]byte, error) {
	p := a.Asked.Provider
	out := jsonAnswer{
		Address: a.Asked.Address.String(),
		Domain:  a.Asked.Address.Domain.ASCII,
		Provider: jsonProvider{
			ID: p.ID, DisplayName: p.DisplayName, ShortName: p.ShortName,
			Kind: p.Kind, Country: p.Country, Website: p.Website, Closed: p.Closed,
		},
		Incoming:      jsonServers(a, p.Incoming, a.Incoming),
		Outgoing:      jsonServers(a, p.Outgoing, a.Outgoing),
		Setup:         jsonServers(a, p.Setup, settings.Server{}),
		Services:      []jsonService{},
		Documentation: []jsonText{},
		Profile:       a.Profile,
	}
	if p.Closed {
		out.Profile = ""
	}
	if p.Webmail.Filled() {
		out.Provider.Webmail = p.Webmail
	}
	if p.Notice != nil {
		notice := textJSON(p.Notice.Text, p.Notice.URL, lang)
		out.Notice = &notice
	}
	for _, s := range p.Services {
		out.Services = append(out.Services, jsonService{s.Protocol, s.URL, s.Authentication, a.Asked.Username(s.Username)})
	}
	for _, d := range p.Documentation {
		out.Documentation = append(out.Documentation, textJSON(d.Descriptions, d.URL, lang))
	}
	if o := p.OAuth2; o != nil {
		out.OAuth2 = &jsonOAuth2{o.Issuer, o.AuthURL, o.TokenURL, o.Scope, o.ClientID}
	}
	return encode(out)
}

// JSONError is an error for programs.
func JSONError(message string) ([]byte, error) {
	return encode(struct {
		Error string `json:"error"`
	}{message})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // its content type says that it is no HTML
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}

type jsonAnswer struct {
	Address       string        `json:"address"`
	Domain        string        `json:"domain"`
	Provider      jsonProvider  `json:"provider"`
	Notice        *jsonText     `json:"notice,omitempty"`
	Incoming      []jsonServer  `json:"incoming"`
	Outgoing      []jsonServer  `json:"outgoing"`
	Setup         []jsonServer  `json:"setup"`
	Services      []jsonService `json:"services"`
	OAuth2        *jsonOAuth2   `json:"oauth2,omitempty"`
	Documentation []jsonText    `json:"documentation"`
	Profile       string        `json:"profile,omitempty"`
}

type jsonProvider struct {
	ID          string        `json:"id"`
	DisplayName string        `json:"display_name"`
	ShortName   string        `json:"short_name"`
	Kind        settings.Kind `json:"kind,omitempty"`
	Country     string        `json:"country,omitempty"`
	Website     string        `json:"website,omitempty"`
	Webmail     settings.URL  `json:"webmail,omitempty"`
	Closed      bool          `json:"closed,omitempty"`
}

type jsonServer struct {
	Protocol       settings.Protocol         `json:"protocol"`
	Hostname       settings.Hostname         `json:"hostname"`
	Port           uint16                    `json:"port"`
	SocketType     settings.SocketType       `json:"socket_type"`
	Authentication []settings.Authentication `json:"authentication"`
	Username       string                    `json:"username"`
	Recommended    bool                      `json:"recommended"`
}

type jsonService struct {
	Protocol       settings.Protocol         `json:"protocol"`
	URL            settings.URL              `json:"url"`
	Authentication []settings.Authentication `json:"authentication"`
	Username       string                    `json:"username"`
}

type jsonOAuth2 struct {
	Issuer   string       `json:"issuer"`
	AuthURL  settings.URL `json:"auth_url"`
	TokenURL settings.URL `json:"token_url"`
	Scope    string       `json:"scope"`
	ClientID string       `json:"client_id,omitempty"`
}

type jsonText struct {
	Text     string       `json:"text"`
	Language string       `json:"language"`
	URL      settings.URL `json:"url,omitempty"`
}

// jsonServers are the servers of a list, the recommended one first and those
// that do not encrypt last.
func jsonServers(a Answer, servers []settings.Server, recommended settings.Server) []jsonServer {
	out := make([]jsonServer, 0, len(servers))
	servers = slices.Clone(servers)
	slices.SortStableFunc(servers, func(x, y settings.Server) int {
		return rank(x, recommended) - rank(y, recommended)
	})
	for _, s := range servers {
		out = append(out, jsonServer{s.Protocol, s.Hostname, s.Port, s.SocketType, s.Authentication, a.Asked.Username(s.Username), same(s, recommended)})
	}
	return out
}

func rank(s, recommended settings.Server) int {
	if same(s, recommended) {
		return -1
	}
	return weakness(s)
}

func textJSON(texts []settings.Text, url settings.URL, lang string) jsonText {
	t := settings.InLanguage(texts, lang)
	return jsonText{t.Value, t.Lang, url}
}
