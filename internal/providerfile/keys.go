package providerfile

import (
	"fmt"
	"strings"

	"milepost/settings"
)

// Table is a table of a provider's file. The keys are defined here once: docs/catalogue.md's
// tables and the JSON Schema for editors are made of them, and a test holds the reader
// to them.
type Table struct {
	Name  string // "" at the top, "enable.text" in another one
	Array bool   // [[…]]
	Doc   string
	Keys  []Key
	Texts bool // language tags are keys too
}

// Key is a key of a table.
type Key struct {
	Name     string
	Type     Type
	Values   []string // the words that are allowed; nil: others too
	Default  string   // as TOML, or in words; empty: none
	Required bool
	Doc      string // in Markdown

	pattern     string // of a string
	least, most int    // of a number, or characters of a string; 0 and 0: no bounds
}

// Type is what the value of a key is, in the manual's words.
type Type string

const (
	String  Type = "string"
	Strings Type = "strings" // an array
	URL     Type = "URL"     // a string
	Integer Type = "integer"
	Boolean Type = "boolean"
	Date    Type = "date" // TOML's local date
)

const (
	https = "^[Hh][Tt][Tt][Pp][Ss]://"
	web   = "^[Hh][Tt][Tt][Pp][Ss]?://"
)

// Tables are all tables, in the order of the manual.
func Tables() []Table {
	return []Table{
		{Keys: topKeys()},
		serverTable("incoming", "Servers that mail is read from, the preferred one first.", settings.IncomingProtocols),
		serverTable("outgoing", "Servers that mail is sent by, the preferred one first.", settings.OutgoingProtocols),
		serverTable("setup", "Servers for mail filters.", settings.SetupProtocols),
		{Name: "service", Array: true, Doc: "What is found by URL.", Keys: []Key{
			{Name: "protocol", Type: String, Values: strs(settings.ServiceProtocols), Required: true, Doc: oneOf(settings.ServiceProtocols)},
			{Name: "url", Type: URL, pattern: https, Required: true, Doc: "https; may hold placeholders"},
			{Name: "authentication", Type: Strings, Values: strs(settings.ServiceAuthentications), Default: `["Basic"]`, Doc: "in order of preference: " + list(settings.ServiceAuthentications)},
			{Name: "username", Type: String, Default: `"%EMAILADDRESS%"`, Doc: "as above"},
		}},
		{Name: "oauth2", Doc: "Where the provider takes OAuth 2.0.", Keys: []Key{
			{Name: "issuer", Type: String, Required: true, Doc: "the issuer's name or https URL"},
			{Name: "auth_url", Type: URL, pattern: https, Required: true, Doc: "where a person signs in; https"},
			{Name: "token_url", Type: URL, pattern: https, Required: true, Doc: "where programs get tokens; https"},
			{Name: "scope", Type: String, Required: true, Doc: "what to ask for, separated by spaces; it covers every service in the file"},
			{Name: "client_id", Type: String, Doc: "a public client id that any program may use"},
		}},
		{Name: "password", Doc: "Which password a mail program needs that asks for one.", Keys: []Key{
			{Name: "kind", Type: String, Values: strs(settings.PasswordKinds), Required: true, Doc: "`\"account\"` (the one that opens the web mail too; so it is without the table), `\"app-password\"` (one made for mail programs, whatever the provider calls it) or `\"bridge\"` (one that a program of the provider's on the person's own computer shows)"},
			{Name: "url", Type: URL, pattern: https, Doc: "where a person makes or finds it; https"},
		}},
		{Name: "enable", Array: true, Doc: "What must be switched on before a mail program gets in.", Keys: []Key{
			{Name: "protocols", Type: Strings, Values: allProtocols(), Default: "all of the file's", Doc: "which of the file's protocols work only after this has been switched on"},
			{Name: "url", Type: URL, pattern: https, Doc: "where it is switched on; https"},
		}},
		{Name: "enable.text", Doc: "What to do, in each language.", Texts: true},
		{Name: "mta_sts", Doc: "A policy for the mail servers of others (MTA-STS, RFC 8461).", Keys: []Key{
			{Name: "mode", Type: String, Values: strs(settings.MTASTSModes), Required: true, Doc: "`\"testing\"` (deliver, and report what is wrong), `\"enforce\"` (do not deliver then) or `\"none\"` (the policy is being withdrawn)"},
			{Name: "max_age", Type: Integer, most: settings.MaxMTASTSAge, Default: fmt.Sprintf("%d, a week", defaultMTASTSAge), Doc: fmt.Sprintf("seconds for which the policy is kept by others, at most %d; less than a day with `\"enforce\"` is warned of", settings.MaxMTASTSAge)},
			{Name: "mx", Type: Strings, Default: "(required, but for `\"none\"`)", Doc: "the MX hosts: `\"mail.example.com\"`, or `\"*.example.com\"` for all names one label below it"},
		}},
		{Name: "documentation", Array: true, Doc: "Help pages.", Texts: true, Keys: []Key{
			{Name: "url", Type: URL, pattern: https, Required: true, Doc: "the page; https"},
		}},
		{Name: "notice", Doc: "What people must know first and no other key can say.", Texts: true, Keys: []Key{
			{Name: "url", Type: URL, pattern: https, Doc: "where to read more or to act; https"},
		}},
	}
}

func topKeys() []Key {
	return []Key{
		{Name: "id", Type: String, pattern: idPattern.String(), least: 1, most: 253, Default: "the file's name", Doc: "names the provider: letters a–z, digits, dots and hyphens. A later directory's provider replaces an earlier one of the same id."},
		{Name: "display_name", Type: String, least: 1, most: maxDisplayName, Required: true, Doc: fmt.Sprintf("the provider's name, at most %d characters", maxDisplayName)},
		{Name: "short_name", Type: String, least: 1, most: maxShortName, Default: "`display_name`", Doc: fmt.Sprintf("for narrow places, at most %d characters", maxShortName)},
		{Name: "domains", Type: Strings, Doc: "the mail domains: `\"example.com\"`, `\"*.example.com\"` (everything below it), or `\"*\"` (the default provider: every domain that no other provider names)"},
		{Name: "domains_from", Type: String, Doc: "a plain list of more domains beside the file, one a line: see below"},
		{Name: "mx", Type: Strings, Doc: "the domains that hold the provider's MX hosts: for clients that look up by MX, and for domains that the server itself looks up; everything below each is included"},
		{Name: "kind", Type: String, Values: strs(settings.Kinds), Doc: oneOf(settings.Kinds) + ": which table the provider stands in"},
		{Name: "country", Type: String, pattern: "^[A-Z]{2}$", Doc: "two letters, ISO 3166: `\"FR\"`"},
		{Name: "website", Type: URL, pattern: web, Doc: "the provider's front page"},
		{Name: "webmail", Type: URL, pattern: https, Doc: "where people read their mail in a browser; https"},
		{Name: "source", Type: URL, pattern: web, Doc: "where the facts in this file come from"},
		{Name: "checked", Type: Date, Doc: "`2026-03-05`, without quotation marks: the date of the copy of the source in which the facts were read (the page's own date, the commit that last touched the entry in a repository), not the day on which the file was written. Leave it out if nobody has read one."},
		{Name: "apple_name", Type: String, Values: settings.AppleNames, Doc: "the provider's name in the list of account types of Apple's Mail: " + oneOf(settings.AppleNames) + "; without it people choose the list's last entry"},
		{Name: "google_name", Type: String, Values: settings.GoogleNames, Doc: "the same for the Gmail app: " + oneOf(settings.GoogleNames) + "; without it people choose \"Other\""},
		{Name: "no_mail_programs", Type: Boolean, Default: "`false`", Doc: "`true`: the service has neither IMAP nor POP3 and opens to its own programs alone. The file has no servers then; people are told so, and programs get no document."},
		{Name: "closed", Type: Boolean, Default: "`false`", Doc: "`true`: the service exists no more. People are told so and get no steps; its servers are shown as a record. Programs get the same documents as before."},
		{Name: "autodiscover_redirect_url", Type: URL, pattern: https, Doc: "another server's Autodiscover address, to which Outlook is sent; https"},
		{Name: "autodiscover_redirect_address", Type: String, Doc: "the address that Outlook must ask about instead (a hosted Exchange elsewhere); may hold placeholders: `\"%EMAILLOCALPART%@tenant.example.com\"`. Programs other than Outlook still get the servers below."},
	}
}

// serverTable is an array of servers. Where one protocol alone is allowed, it is the
// default.
func serverTable(name, doc string, protocols []settings.Protocol) Table {
	byDefault := ""
	if len(protocols) == 1 {
		byDefault = `"` + string(protocols[0]) + `"`
	}
	socketType := `"` + string(defaultSocketType(protocols[0])) + `"`
	return Table{Name: name, Array: true, Doc: doc, Keys: []Key{
		{Name: "protocol", Type: String, Values: strs(protocols), Default: byDefault, Required: byDefault == "", Doc: oneOf(protocols)},
		{Name: "hostname", Type: String, Required: true, Doc: "may hold `%EMAILDOMAIN%`, or be `%MXHOST%` (below)"},
		{Name: "port", Type: Integer, least: 1, most: 65535, Default: "see below", Doc: "1 to 65535"},
		{Name: "socket_type", Type: String, Values: strs(settings.SocketTypes), Default: socketType, Doc: "`\"SSL\"` (TLS from the first byte), `\"STARTTLS\"` (clear text, then TLS) or `\"plain\"` (no encryption)"},
		{Name: "authentication", Type: Strings, Values: strs(settings.ServerAuthentications), Default: `["password-cleartext"]`, Doc: "in order of preference: " + list(settings.ServerAuthentications)},
		{Name: "username", Type: String, Default: `"%EMAILADDRESS%"`, Doc: "may hold `%EMAILADDRESS%`, `%EMAILLOCALPART%` and `%EMAILDOMAIN%`; `%LOGIN%` alone is what a `[[directory]]` of milepost.toml knows"},
		{Name: "devices", Type: Strings, Values: strs(settings.Devices), Default: "all", Doc: "on which kinds of device the server works: `\"computer\"`, `\"phone\"` (tablets too), `\"cloud\"` (programs that fetch mail from their maker's servers: new Outlook, Outlook for phones, the Gmail app). A server at `127.0.0.1`, as bridges are, has `[\"computer\"]` and may have no other."},
	}}
}

func allProtocols() []string {
	var out []string
	for _, protocols := range [][]settings.Protocol{settings.IncomingProtocols, settings.OutgoingProtocols, settings.SetupProtocols, settings.ServiceProtocols} {
		out = append(out, strs(protocols)...)
	}
	return out
}

func strs[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func list[S ~string](values []S) string {
	return "`\"" + strings.Join(strs(values), "\"`, `\"") + "\"`"
}

func oneOf[S ~string](values []S) string {
	last := len(values) - 1
	if last == 0 {
		return list(values)
	}
	return list(values[:last]) + " or " + list(values[last:])
}

// Manual is the table's rows of docs/catalogue.md.
func (t Table) Manual() string {
	var b strings.Builder
	b.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, k := range t.Keys {
		byDefault := k.Default
		switch {
		case k.Required:
			byDefault = "(required)"
		case strings.HasPrefix(byDefault, `"`) || strings.HasPrefix(byDefault, "["):
			byDefault = "`" + byDefault + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, k.Type, byDefault, k.Doc)
	}
	if t.Texts {
		b.WriteString("| a language tag | string | (at least one) | the text in that language: `en`, `fr`, `pt-BR`, … |\n")
	}
	return strings.ReplaceAll(b.String(), "|  |", "| |")
}
