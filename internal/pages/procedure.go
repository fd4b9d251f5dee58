package pages

import (
	"html/template"
	"slices"
	"strings"

	"milepost/internal/answer"
	"milepost/settings"
)

// procedure is how an account is added to one client, step by step. What the catalogue
// knows has decided everything in it: no step asks the reader to find out.
type procedure struct {
	ID      string        // a word for URLs
	Name    string        // of the client
	Refused template.HTML // why the client cannot be used with the account; empty: it can
	First   []step        // what comes before the client: what to switch on, the password to make, the profile
	Steps   []step        // in the client
	Values  bool          // the steps have the reader copy the servers' values
	SignIn  answer.SignIn // how the reader signs in there
}

// Next is the number of the first of Steps.
func (p procedure) Next() int { return len(p.First) + 1 }

// step is one thing to do.
type step struct {
	Text   template.HTML
	More   template.HTML // why, or what else is worth knowing; may be empty
	Button *button
	Code   *code
}

// button leads to where a step is done.
type button struct {
	URL     string
	Label   string
	Outside bool // it leads to another host
}

// code is a picture that a telephone reads.
type code struct {
	Image template.URL
	Alt   string
}

// client is a mail program with its way to add an account.
type client struct {
	id    string
	name  string                   // as its maker writes it; or a message's key, if named is set
	named bool                     // the name is a message
	on    []settings.Device        // from where it reaches the servers
	opens func(answer.Answer) bool // does it open the provider's sign-in page?
	way   func(*guide)
}

// The issuers of OAuth2 (RFC 8414 §2) whose pages clients open. A client's is registered
// with each, so none opens them all.
const (
	google    = "accounts.google.com"
	microsoft = "login.microsoftonline.com"
	yahoo     = "login.yahoo.com"
)

// opening tells whether one gets in on the page of one of these.
func opening(issuers ...string) func(answer.Answer) bool {
	return func(a answer.Answer) bool {
		how := a.SignIn()
		return (how == answer.ByOAuth2 || how == answer.ByEither) && a.Provider.OAuth2 != nil && slices.Contains(issuers, a.Provider.OAuth2.Issuer)
	}
}

// openingIMAP is opening for clients that have no POP behind that page.
func openingIMAP(issuers ...string) func(answer.Answer) bool {
	opens := opening(issuers...)
	return func(a answer.Answer) bool { return a.Incoming.Protocol == settings.IMAP && opens(a) }
}

// clients are all that have a procedure.
var clients = []client{
	// OAuth2Providers.sys.mjs of Thunderbird.
	{id: "thunderbird", name: "Thunderbird", on: onComputer, way: thunderbird,
		opens: opening(google, microsoft, yahoo, "login.aol.com", "www.fastmail.com", "o2.mail.ru", "oauth.yandex.com", "comcast.net")},
	{id: "thunderbird-android", name: "Thunderbird (Android)", on: onPhone, opens: thunderbirdAndroidOpens, way: thunderbirdAndroid},
	{id: "outlook-classic", name: "outlook-classic", named: true, on: onComputer, opens: openingIMAP(google, microsoft), way: outlookClassic},
	{id: "outlook-new", name: "outlook-new", named: true, on: onCloud, opens: openingIMAP(google, microsoft, yahoo), way: outlookNew},
	{id: "outlook-mac", name: "Outlook (Mac)", on: onCloud, opens: openingIMAP(google, microsoft, yahoo), way: outlookMac},
	{id: "outlook-mobile", name: "Outlook (iPhone, Android)", on: onCloud, opens: openingIMAP(google, microsoft, yahoo), way: outlookMobile},
	{id: "apple-mobile", name: "Apple Mail (iPhone, iPad)", on: onPhone, opens: listedByApple, way: appleMobile},
	{id: "apple-mac", name: "Apple Mail (Mac)", on: onComputer, opens: listedByApple, way: appleMac},
	{id: "gmail-app", name: "Gmail (Android)", on: onCloud, opens: listedByGoogle, way: gmailApp},
	{id: "samsung", name: "Samsung Email", on: onPhone, opens: openingIMAP(google, microsoft, yahoo), way: samsung},
	{id: "fairemail", name: "FairEmail", on: onPhone, opens: openingIMAP(google, microsoft, yahoo), way: fairEmail},
	{id: "kmail", name: "KMail", on: onComputer, opens: openingIMAP(google), way: kmail},
	{id: "evolution", name: "Evolution, GNOME", on: onComputer, opens: opening(google, microsoft, yahoo), way: evolution},
	{id: "other", name: "other", named: true, way: otherClient,
		opens: func(a answer.Answer) bool { return a.SignIn() == answer.ByOAuth2 }},
}

var (
	onComputer = []settings.Device{settings.Computer}
	onPhone    = []settings.Device{settings.Phone}
	onCloud    = []settings.Device{settings.Cloud}
)

// listedByApple: the list leads to IMAP accounts alone. For iCloud it opens no page, but
// the device signs in by itself.
func listedByApple(a answer.Answer) bool {
	return a.Provider.AppleName != "" && a.Incoming.Protocol == settings.IMAP
}

func listedByGoogle(a answer.Answer) bool {
	return a.Provider.GoogleName != "" && a.Incoming.Protocol == settings.IMAP
}

// procedures are those of all clients for an account with its chosen servers. It may be
// without an address: a word then stands in its place.
func (v *view) procedures(a answer.Answer) []procedure {
	out := make([]procedure, len(clients))
	for i, c := range clients {
		out[i] = v.procedureOf(c, a)
	}
	return out
}

// procedure is the one of a client by its id. False: there is no such client.
func (v *view) procedure(id string, a answer.Answer) (procedure, bool) {
	i := slices.IndexFunc(clients, func(c client) bool { return c.id == id })
	if i < 0 {
		return procedure{}, false
	}
	return v.procedureOf(clients[i], a), true
}

func (v *view) procedureOf(c client, a answer.Answer) procedure {
	g := guide{v: v, Answer: a, client: c}
	g.p = procedure{ID: c.id, Name: v.clientName(c), SignIn: a.SignIn()}
	switch {
	case c.opens(a):
		g.p.SignIn = answer.ByOAuth2
	case g.p.SignIn == answer.ByEither:
		g.p.SignIn = answer.ByPassword
	}
	switch {
	case len(c.on) > 0 && !a.WorksOn(c.on[0]):
		g.refuse("refused-computer")
	case a.SignIn() == answer.ByOAuth2 && !c.opens(a) && c.opensByIMAP(a):
		g.refuse("refused-pop")
	case a.SignIn() == answer.ByOAuth2 && !c.opens(a):
		g.refuse("refused-oauth2")
	default:
		c.way(&g)
	}
	return g.p
}

func (v *view) clientName(c client) string {
	if c.named {
		return v.T(c.name)
	}
	return c.name
}

// canUse tells whether a client has steps for an account.
func (c client) canUse(a answer.Answer) bool {
	return (len(c.on) == 0 || a.WorksOn(c.on[0])) && (a.SignIn() != answer.ByOAuth2 || c.opens(a))
}

// opensByIMAP tells whether the client would open the page if the reader had not chosen POP.
func (c client) opensByIMAP(a answer.Answer) bool {
	imap, ok := settings.Best(a.Provider.Incoming, settings.IMAP)
	a.Incoming = imap
	return ok && c.opens(a)
}

// guide writes one procedure.
type guide struct {
	v *view
	answer.Answer
	client client
	p      procedure
}

// text is a message with everything that one may speak of.
func (g *guide) text(key string, more ...any) template.HTML {
	return g.v.H(key, append(more, "address", g.v.addressToType(g.Answer), "provider", g.Provider.ShortName, "client", g.p.Name,
		"protocol", g.v.ProtocolName(g.Incoming.Protocol), "kind", kind(g.Incoming.Protocol), "password", g.password())...)
}

// kind names a protocol as those programs do that write POP with its version.
func kind(p settings.Protocol) string { return strings.ToUpper(string(p)) }

// say adds a step.
func (g *guide) say(key string, more ...any) {
	g.p.Steps = append(g.p.Steps, step{Text: g.text(key, more...)})
}

// append adds a sentence to the last step.
func (g *guide) append(key string, more ...any) {
	last := &g.p.Steps[len(g.p.Steps)-1]
	last.Text += " " + g.text(key, more...)
}

func (g *guide) refuse(key string) {
	g.p.Refused = g.text(key)
	if g.Provider.Webmail.Filled() {
		g.p.First = []step{{Text: g.text("refused-webmail"), Button: &button{string(g.Provider.Webmail), g.v.T("links-webmail"), true}}}
	}
}

// byPage tells whether the reader signs in on the provider's page.
func (g *guide) byPage() bool { return g.p.SignIn == answer.ByOAuth2 }

// password names the one that the client wants.
func (g *guide) password() string {
	switch {
	case g.Provider.Password.Kind == settings.AppPassword:
		return g.v.T("password-app")
	case g.Provider.Password.Kind == settings.BridgePassword:
		return g.v.T("password-bridge")
	case g.Provider.Notice != nil: // which may speak of another than the mailbox's
		return g.v.T("password-noted")
	}
	return g.v.T("password-mailbox")
}

// enable adds what must be switched on first for the chosen protocols.
func (g *guide) enable() {
	for _, e := range g.Provider.Enable {
		if !slices.Contains(e.Protocols, g.Incoming.Protocol) && !slices.Contains(e.Protocols, g.Outgoing.Protocol) {
			continue
		}
		s := step{Text: g.v.inLanguage(e.Text)}
		if e.URL != "" {
			s.Button = &button{string(e.URL), g.v.T("enable-open"), true}
		}
		g.p.First = append(g.p.First, s)
	}
}

// obtain adds how to get the password, if it is another than the mailbox's.
func (g *guide) obtain() {
	if g.p.SignIn != answer.ByPassword {
		return
	}
	p := g.Provider
	var s step
	switch p.Password.Kind {
	case settings.AppPassword:
		s.Text = g.text("first-password")
		if p.Password.URL != "" {
			s.Button = &button{string(p.Password.URL), g.v.T("password-make"), true}
		}
	case settings.BridgePassword:
		s.Text = g.text("first-bridge")
		if p.Password.URL != "" {
			s.Button = &button{string(p.Password.URL), g.v.T("bridge-get"), true}
		}
	default:
		return
	}
	if p.Notice != nil {
		s.More = g.v.inLanguage(p.Notice.Text)
	}
	g.p.First = append(g.p.First, s)
}

// prepare is what every client needs that talks to the servers itself.
func (g *guide) prepare() {
	g.enable()
	g.obtain()
}

// signIn adds the step in which a client without fields for servers asks who one is.
func (g *guide) signIn(passwordKey string) {
	switch g.p.SignIn {
	case answer.ByOAuth2:
		g.say("step-oauth2")
	case answer.ByPassword:
		g.say(passwordKey)
	}
}

// sending adds what the outgoing server wants where a client asks for it apart.
func (g *guide) sending() {
	if g.p.SignIn == answer.ByPassword && g.SendingSignIn() != answer.ByNothing {
		g.append("outgoing-same")
	}
}

// calendars adds where calendars and contacts are set up in a client that can hold them.
func (g *guide) calendars() {
	if slices.ContainsFunc(g.Provider.Services, isDAV) {
		g.say("dav-apart")
	}
}

// calendarsBesideProfile does so if there are some that the profile lacks: it has those that
// a password opens.
func (g *guide) calendarsBesideProfile() {
	if slices.ContainsFunc(g.Provider.Services, func(s settings.Service) bool {
		return isDAV(s) && !slices.ContainsFunc(s.Authentication, settings.Authentication.Password)
	}) {
		g.say("dav-apart")
	}
}

func isDAV(s settings.Service) bool {
	return s.Protocol == settings.CalDAV || s.Protocol == settings.CardDAV
}

// inLanguage is a provider's text for the reader, marked if it is in another language.
func (v *view) inLanguage(texts []settings.Text) template.HTML {
	t := v.Texts(texts)
	escaped := template.HTMLEscapeString(t.Value)
	if t.Lang == v.Reader.Lang {
		return template.HTML(escaped)
	}
	return template.HTML(`<span lang="` + template.HTMLEscapeString(t.Lang) + `">` + escaped + `</span>`)
}

// addressToType is the reader's own address if it is known, else a word for it.
func (v *view) addressToType(a answer.Answer) string {
	if a.Address.Local != "" {
		return a.Address.Unicode()
	}
	return v.T("your-address")
}
