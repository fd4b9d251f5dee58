package answer

import (
	"bufio"
	"bytes"
	"cmp"
	_ "embed" // for the description
	"encoding/json"
	"io"
	"slices"

	"milepost/address"
	"milepost/settings"
)

// OpenAPI describes the programs' interface (OpenAPI 3.1).
//
//go:embed openapi.json
var OpenAPI []byte

// JSON is an answer for programs, in the words of the provider files. openapi.json
// describes it. PublicURL makes links to this server absolute, if it is known.
func JSON(a Answer, lang, publicURL string) ([]byte, error) {
	p := a.Provider
	out := jsonAnswer{
		Address: a.Address.String(),
		Domain:  a.Address.Domain.ASCII,
		MXHost:  a.MXHost.ASCII,
		Provider: jsonProvider{
			ID: p.ID, DisplayName: p.DisplayName, ShortName: p.ShortName,
			Kind: p.Kind, Country: p.Country, Website: p.Website, AppleName: p.AppleName, GoogleName: p.GoogleName,
			NoMailPrograms: p.NoMailPrograms, Closed: p.Closed,
		},
		Password: jsonPassword(p.Password),
		Enable: each(p.Enable, func(e settings.Enable) jsonEnable {
			return jsonEnable{e.Protocols, textIn(lang, e.Text, e.URL)}
		}),
		Incoming: jsonChoices(a, p.Incoming, a.Incoming),
		Outgoing: jsonChoices(a, p.Outgoing, a.Outgoing),
		Setup:    jsonChoices(a, p.Setup, settings.Server{}),
		Services: each(p.Services, func(s settings.Service) jsonService {
			s.Username = settings.Username(a.Username(s.Username))
			return jsonService(s)
		}),
		OAuth2:        (*jsonOAuth2)(p.OAuth2),
		Documentation: each(p.Documentation, func(d settings.Documentation) jsonText { return textIn(lang, d.Descriptions, d.URL) }),
		Page:          publicURL + "/setup?" + a.Request.Query(),
	}
	if a.Profile != "" && !p.Closed {
		out.Profile = publicURL + a.Profile
	}
	if p.Webmail.Filled() {
		out.Provider.Webmail = p.Webmail
	}
	if p.Notice != nil {
		notice := textIn(lang, p.Notice.Text, p.Notice.URL)
		out.Notice = &notice
	}
	return encode(out)
}

// ProviderJSON is a provider as it is stored, in the words of its TOML file, with
// every default written out and every placeholder unfilled, save %LOGIN%, which is a
// matter between the admin and the directory.
func ProviderJSON(p *settings.Provider) ([]byte, error) { return encode(stored(p)) }

func stored(p *settings.Provider) jsonStored {
	p = p.WithoutLogin()
	out := jsonStored{
		jsonProvider: jsonProvider{
			ID: p.ID, DisplayName: p.DisplayName, ShortName: p.ShortName,
			Domains: each(p.Domains, settings.DomainPattern.String),
			MX:      each(p.MX, address.Domain.String),
			Kind:    p.Kind, Country: p.Country, Website: p.Website, Webmail: p.Webmail,
			AppleName: p.AppleName, GoogleName: p.GoogleName, Source: p.Source, Checked: p.Checked,
			NoMailPrograms: p.NoMailPrograms, Closed: p.Closed,
		},
		Password: jsonPassword(p.Password),
		Enable: each(p.Enable, func(e settings.Enable) jsonStoredEnable {
			return jsonStoredEnable{e.Protocols, e.URL, textsByLanguage(e.Text, "")}
		}),
		Incoming: jsonServers(p.Incoming), Outgoing: jsonServers(p.Outgoing), Setup: jsonServers(p.Setup),
		Service:       each(p.Services, func(s settings.Service) jsonService { return jsonService(s) }),
		OAuth2:        (*jsonOAuth2)(p.OAuth2),
		MTASTS:        jsonPolicy(p.MTASTS),
		RedirectURL:   p.AutodiscoverRedirectURL,
		RedirectAddr:  p.AutodiscoverRedirectAddress,
		Documentation: each(p.Documentation, func(d settings.Documentation) map[string]string { return textsByLanguage(d.Descriptions, d.URL) }),
	}
	if p.Notice != nil {
		out.Notice = textsByLanguage(p.Notice.Text, p.Notice.URL)
	}
	return out
}

// WriteProviderJSON writes [ProviderJSON], however many domains the provider has.
func WriteProviderJSON(w io.Writer, p *settings.Provider) error {
	short := *p
	short.Domains = p.Domains[:min(len(p.Domains), 1)]
	text, err := ProviderJSON(&short)
	if err != nil || len(p.Domains) < 2 {
		_, werr := w.Write(text)
		return cmp.Or(err, werr)
	}
	// Domains have no character that JSON escapes, and a string no line end.
	head, tail, _ := bytes.Cut(text, []byte("\n  \"domains\": [\n"))
	b := bufio.NewWriter(w)
	b.Write(head)
	b.WriteString("\n  \"domains\": [")
	for i, d := range p.Domains {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    \"" + d.String() + "\"")
	}
	_, tail, _ = bytes.Cut(tail, []byte("\"\n"))
	b.WriteByte('\n')
	b.Write(tail)
	return b.Flush()
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
	MXHost        string        `json:"mx_host,omitempty"`
	Provider      jsonProvider  `json:"provider"`
	Notice        *jsonText     `json:"notice,omitempty"`
	Password      jsonPassword  `json:"password"`
	Enable        []jsonEnable  `json:"enable,omitempty"`
	Incoming      []jsonChoice  `json:"incoming"`
	Outgoing      []jsonChoice  `json:"outgoing"`
	Setup         []jsonChoice  `json:"setup"`
	Services      []jsonService `json:"services"`
	OAuth2        *jsonOAuth2   `json:"oauth2,omitempty"`
	Documentation []jsonText    `json:"documentation"`
	Page          string        `json:"page"`
	Profile       string        `json:"profile,omitempty"`
}

type jsonStored struct {
	jsonProvider
	DomainCount   *int                `json:"domain_count,omitempty"`
	Incoming      []jsonServer        `json:"incoming"`
	Outgoing      []jsonServer        `json:"outgoing"`
	Setup         []jsonServer        `json:"setup,omitempty"`
	Service       []jsonService       `json:"service,omitempty"`
	OAuth2        *jsonOAuth2         `json:"oauth2,omitempty"`
	MTASTS        *jsonMTASTS         `json:"mta_sts,omitempty"`
	RedirectURL   settings.URL        `json:"autodiscover_redirect_url,omitempty"`
	RedirectAddr  settings.Username   `json:"autodiscover_redirect_address,omitempty"`
	Documentation []map[string]string `json:"documentation,omitempty"`
	Notice        map[string]string   `json:"notice,omitempty"`
	Password      jsonPassword        `json:"password"`
	Enable        []jsonStoredEnable  `json:"enable,omitempty"`
}

// jsonProvider has Domains, MX, Source and Checked as a provider is stored, and not in an
// answer.
type jsonProvider struct {
	ID             string        `json:"id"`
	DisplayName    string        `json:"display_name"`
	ShortName      string        `json:"short_name"`
	Domains        []string      `json:"domains,omitzero"` // nil: they are not named
	MX             []string      `json:"mx,omitempty"`
	Kind           settings.Kind `json:"kind,omitempty"`
	Country        string        `json:"country,omitempty"`
	Website        string        `json:"website,omitempty"`
	Webmail        settings.URL  `json:"webmail,omitempty"`
	AppleName      string        `json:"apple_name,omitempty"`
	GoogleName     string        `json:"google_name,omitempty"`
	Source         string        `json:"source,omitempty"`
	Checked        settings.Date `json:"checked,omitempty"`
	NoMailPrograms bool          `json:"no_mail_programs,omitempty"`
	Closed         bool          `json:"closed,omitempty"`
}

type jsonServer struct {
	Protocol       settings.Protocol         `json:"protocol"`
	Hostname       settings.Hostname         `json:"hostname"`
	Port           uint16                    `json:"port"`
	SocketType     settings.SocketType       `json:"socket_type"`
	Authentication []settings.Authentication `json:"authentication"`
	Username       settings.Username         `json:"username"`
	Devices        []settings.Device         `json:"devices,omitempty"`
}

type jsonPassword struct {
	Kind settings.PasswordKind `json:"kind"`
	URL  settings.URL          `json:"url,omitempty"`
}

type jsonEnable struct {
	Protocols []settings.Protocol `json:"protocols"`
	jsonText
}

type jsonStoredEnable struct {
	Protocols []settings.Protocol `json:"protocols"`
	URL       settings.URL        `json:"url,omitempty"`
	Text      map[string]string   `json:"text"`
}

type jsonChoice struct {
	jsonServer
	Recommended bool `json:"recommended"`
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

type jsonMTASTS struct {
	Mode   settings.MTASTSMode `json:"mode"`
	MaxAge uint32              `json:"max_age"`
	MX     []string            `json:"mx,omitempty"`
}

func jsonPolicy(p *settings.MTASTS) *jsonMTASTS {
	if p == nil {
		return nil
	}
	return &jsonMTASTS{p.Mode, p.MaxAge, each(p.MX, settings.DomainPattern.String)}
}

type jsonText struct {
	Text     string       `json:"text"`
	Language string       `json:"language"`
	URL      settings.URL `json:"url,omitempty"`
}

// jsonChoices are the servers of a list, filled in: the recommended one first and
// those that do not encrypt last.
func jsonChoices(a Answer, servers []settings.Server, recommended settings.Server) []jsonChoice {
	servers = slices.Clone(servers)
	slices.SortStableFunc(servers, func(x, y settings.Server) int {
		return rank(x, recommended) - rank(y, recommended)
	})
	out := make([]jsonChoice, len(servers))
	for i, s := range servers {
		out[i].Recommended = same(s, recommended)
		s.Username = settings.Username(a.Username(s.Username))
		out[i].jsonServer = jsonServer(s)
	}
	return out
}

func rank(s, recommended settings.Server) int {
	if same(s, recommended) {
		return -1
	}
	return weakness(s)
}

func jsonServers(servers []settings.Server) []jsonServer {
	return each(servers, func(s settings.Server) jsonServer { return jsonServer(s) })
}

func textIn(lang string, texts []settings.Text, url settings.URL) jsonText {
	t := settings.InLanguage(texts, lang)
	return jsonText{t.Value, t.Lang, url}
}

func textsByLanguage(texts []settings.Text, url settings.URL) map[string]string {
	m := make(map[string]string)
	if url != "" {
		m["url"] = string(url)
	}
	for _, t := range texts {
		m[t.Lang] = t.Value
	}
	return m
}

func each[T, U any](in []T, f func(T) U) []U {
	out := make([]U, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}
