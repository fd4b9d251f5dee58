package config

import (
	"fmt"
	"slices"
	"strings"
)

// Array is an array of tables in milepost.toml, as [[dns.zone]].
type Array struct {
	Name, Doc string
	Keys      []ArrayKey
}

// ArrayKey is a key of each of its tables.
type ArrayKey struct{ Name, Doc, Example string }

// Under is the table whose place in the manual it shares.
func (a Array) Under() string {
	switch table, _, _ := strings.Cut(a.Name, "."); table {
	case "source":
		return "catalogue"
	case "directory":
		return "lookup"
	default:
		return table
	}
}

// instead are keys that stand in place of others, as ARRAY.KEY: the example has them
// as comments of their own.
var instead = []string{
	"source.dsn_file", "source.domains", "source.changed_since", "source.version",
	"source.base", "source.filter", "source.domain_attribute", "source.provider_attribute", "source.host_attribute", "source.name_attribute",
	"directory.dsn_file", "directory.preset", "directory.base", "directory.filter", "directory.login_attribute", "directory.name_attribute",
}

// Arrays are all of them, in the order of the manual.
var Arrays = []Array{
	{"source", "Where more domains of one's own providers come from: what a hoster keeps in a database, in LDAP or in a file. It is read at the start and watched; a later source counts where two have a domain, and what provider files claim counts before it. docs/sources.md has an example of each.", []ArrayKey{
		{"kind", "\"postgres\", \"mysql\" (MariaDB too), \"sqlite\", \"ldap\" or \"file\".", `"postgres"`},
		{"dsn", "How to get there: the database as its driver takes it, the LDAP server's URL, or the file. It may hold a password, and is never shown.", `"postgres://milepost@db.example.net/mail"`},
		{"dsn_file", "A file that has the dsn alone, in place of it.", `"mail.dsn"`},
		{"name", "What the source is called in messages, in metrics and on the disk: letters, digits, - and _. Default: the preset's name, or the kind.", `"customers"`},
		{"provider", "The ID of the provider to which domains belong whose rows do not say. Its file may have no domains of its own.", `"example.net"`},
		{"preset", "Ready-made queries. In SQL: \"postfixadmin\", \"mailcow\", \"iredmail\", \"ispconfig\", \"froxlor\", \"modoboa\", \"mailu\", \"ispmail\", \"mailinabox\", and \"milepost\" for its own tables.", `"postfixadmin"`},
		{"listen", "The channel on which PostgreSQL's NOTIFY tells of a change; the preset milepost has its own.", `"domains"`},
		{"every", "How often the source is asked whether something has changed. Default: 1s, if the answer takes less than a twentieth of that, else longer; 30s while a channel is listened to.", `"1s"`},
		{"domains", "The query of all domains, in place of a preset. It may have the columns domain, provider (or template: the provider's ID), host (or mx: in place of %MXHOST%), name (in place of the provider's display_name), changed (seconds since 1970, or a time), and active.", `"SELECT domain, provider, changed FROM domain WHERE active"`},
		{"changed_since", "The query of what changed at the time ? (seconds since 1970) or later; rows that are not active are taken away.", `"SELECT domain, provider, changed, active FROM domain WHERE changed >= ?"`},
		{"version", "A query of one row that is another whenever something has changed, and cheap. If it has a column named domains, that is how many there are: then rows that are deleted are noticed.", `"SELECT count(*) AS domains, max(changed) FROM domain WHERE active"`},
		{"base", "LDAP: below which entry to search.", `"ou=domains,dc=example,dc=net"`},
		{"filter", "LDAP: which entries are domains (RFC 4515).", `"(objectClass=domainRelatedObject)"`},
		{"domain_attribute", "LDAP: the attribute that has the domain, or several with commas between.", `"associatedDomain"`},
		{"provider_attribute", "LDAP: the attribute that has the provider's ID.", `"businessCategory"`},
		{"host_attribute", "LDAP: the attribute that has the host, in place of %MXHOST%.", `"host"`},
		{"name_attribute", "LDAP: the attribute that has the name, in place of the provider's display_name.", `"o"`},
	}},
	{"directory", "Where the login names come from of providers whose files have `username = \"%LOGIN%\"`. docs/logins.md explains them.", []ArrayKey{
		{"kind", "\"postgres\", \"mysql\" (MariaDB too), \"sqlite\" or \"ldap\".", `"postgres"`},
		{"dsn", "How to connect, as its driver has it; of SQLite the file. It is never shown.", `"postgres://milepost@db.example.net/mail"`},
		{"dsn_file", "A file that holds the dsn instead.", `"directory.dsn"`},
		{"preset", "The query or search of a mail system: docs/logins.md lists them.", `"ispconfig"`},
		{"base", "Where an LDAP search begins.", `"ou=people,dc=example,dc=net"`},
		{"filter", "The filter of an LDAP search.", `"(mail=%EMAILADDRESS%)"`},
		{"domains_of", "The id of the provider, or a list of them. A provider has one directory at most.", `["example.net"]`},
		{"login", "A query instead, for databases. ? is the address, ?2 its local part, ?3 its domain; the first column, or the one named login, is the login name, the second, or the one named name, the person's full name.", `"SELECT login, name FROM users WHERE address = lower(?)"`},
		{"login_attribute", "What has the login name in LDAP.", `"uid"`},
		{"name_attribute", "What has the person's full name in LDAP.", `"cn"`},
		{"fallback", "The username of an address that is not known, known more than once, or not found in time. Default: \"%EMAILADDRESS%\".", `"%EMAILADDRESS%"`},
		{"budget", "How long a look-up may take, the wait for a connection included: 10ms to 5s. Default: 300ms.", `"300ms"`},
		{"connections", "How many connections there are at most: 1 to 100. Default: 4.", `4`},
		{"allow_http", "Who may ask without TLS; all others get the fallback then.", `["10.0.0.0/8"]`},
		{"tell_unknown", "Whether an address that is not there is refused as an unknown domain is. Anybody can find out then which addresses exist. Default: false.", `false`},
	}},
	{"dns.name_server", "A name server of the zones. Default: ns.autoconfig.DOMAIN, with the service's addresses.", []ArrayKey{
		{"name", "Its name.", `"ns1.example.net"`},
		{"addresses", "Needed if its name lies in one of the zones.", `["192.0.2.1"]`},
	}},
	{"dns.key", "A TSIG key (RFC 8945): whoever signs with it may copy any zone.", []ArrayKey{
		{"name", "Its name, the same on both sides.", `"transfer.example.net"`},
		{"algorithm", "hmac-sha256 (default), hmac-sha384 or hmac-sha512.", `"hmac-sha256"`},
		{"secret", "Base64 of at least 16 octets; 'openssl rand -base64 32' makes one.", `"c2VjcmV0LW9mLXR3ZW50eS1mb3VyLW9jdA=="`},
	}},
	{"dns.secondary", "A server that is told of changes (RFC 1996) and may copy the zones.", []ArrayKey{
		{"address", "Its address, with a port if that is not 53.", `"192.0.2.53"`},
		{"key", "The name of the key that it signs with; without one its address is enough.", `"transfer.example.net"`},
	}},
	{"dns.zone", "A zone that is set by name. Zones may not overlap.", []ArrayKey{
		{"name", "A domain, or a name below one.", `"example.com"`},
		{"records", "A master file (RFC 1035 §5) of other records of the zone: at most 16 MiB and 100,000 records.", `"example.com.zone"`},
	}},
}

// Effective writes a configuration as TOML, each value with where it comes from.
// Secrets are left out.
func (c *Config) Effective() string {
	var b strings.Builder
	all := Settings()
	for i, t := range Tables {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", t.Name)
		for _, s := range all {
			if s.Table != t.Name {
				continue
			}
			switch v := s.show(c); {
			case v == `""`:
				fmt.Fprintf(&b, "# %s is not set\n", s.Key)
			case s.secret && c.Has(s.Name()):
				fmt.Fprintf(&b, "# %s is not shown\n", s.Key)
			default:
				fmt.Fprintf(&b, "%-40s # %s\n", s.Key+" = "+v, c.origins[s.Name()])
			}
		}
		switch t.Name {
		case "catalogue":
			c.showSources(&b)
		case "lookup":
			c.showDirectories(&b)
		case "dns":
			c.DNS.showArrays(&b)
		}
	}
	return b.String()
}

func (d *DNS) showArrays(b *strings.Builder) {
	name := func(s string) string { return quoted(strings.TrimSuffix(s, ".")) }
	for _, ns := range d.NameServers {
		fmt.Fprintf(b, "[[dns.name_server]]\nname = %s\n", name(ns.Name))
		if len(ns.Addresses) > 0 {
			var words []string
			for _, a := range ns.Addresses {
				words = append(words, asText(a))
			}
			fmt.Fprintf(b, "addresses = [%s]\n", strings.Join(words, ", "))
		}
	}
	for _, k := range d.Keys {
		fmt.Fprintf(b, "[[dns.key]]\nname = %s\nalgorithm = %s\n# secret is not shown\n", name(k.Name), name(k.Algorithm))
	}
	for _, s := range d.Secondaries {
		fmt.Fprintf(b, "[[dns.secondary]]\naddress = %s\n", asText(s.Address))
		if s.Key != "" {
			fmt.Fprintf(b, "key = %s\n", name(s.Key))
		}
	}
	for _, z := range d.Zones {
		fmt.Fprintf(b, "[[dns.zone]]\nname = %s\n", name(z.Name))
		if z.File != "" {
			fmt.Fprintf(b, "records = %s\n", quoted(z.File))
		}
	}
}

// Example is a milepost.toml in which everything is said and nothing is set.
func Example() string {
	var b strings.Builder
	b.WriteString("# milepost.toml. What is commented out has its default, or is an example of what may\n# be set; in [[tables]], # # begins what stays a comment. 'milepost config' prints what\n# is in force, and where it comes from.\n")
	all, none := Settings(), defaults()
	for _, t := range Tables {
		fmt.Fprintf(&b, "\n%s[%s]\n", comment("#", t.Doc), t.Name)
		for _, s := range all {
			if s.Table == t.Name {
				fmt.Fprintf(&b, "\n%s# %s = %s\n", comment("#", s.Doc+s.defaultNote(none)), s.Key, s.example(none))
			}
		}
		for _, a := range Arrays {
			if a.Under() == t.Name {
				fmt.Fprintf(&b, "\n%s# [[%s]]\n", comment("#", a.Doc), a.Name)
				for _, k := range a.Keys {
					b.WriteString("#\n" + comment("# #", k.Doc))
					if slices.Contains(instead, a.Name+"."+k.Name) {
						b.WriteString("# ")
					}
					fmt.Fprintf(&b, "# %s = %s\n", k.Name, k.Example)
				}
			}
		}
	}
	return b.String()
}

// Word says what kind of value it takes, as "array of strings".
func (s *Setting) Word() string { return s.word }

// Default is the value as TOML if it is not set; empty: there is none.
func (s *Setting) Default() string {
	if v := s.show(defaults()); v != `""` {
		return v
	}
	return ""
}

// example is a value that may be set.
func (s *Setting) example(none *Config) string {
	if s.Example != "" {
		return s.Example
	}
	return s.show(none)
}

// defaultNote names the default if the example is another value.
func (s *Setting) defaultNote(none *Config) string {
	v := s.show(none)
	if s.Example == "" || v == `""` || v == s.Example {
		return ""
	}
	return " Default: " + v + "."
}

// comment breaks a text into lines of a comment. The sign that begins each is "# #" in
// tables that are commented out themselves.
func comment(sign, text string) string {
	const width = 88
	var b strings.Builder
	line := sign
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = sign
		}
		line += " " + word
	}
	return b.String() + line + "\n"
}

// Manual is docs/configuration.md.
func Manual() string {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, r := range Rules {
		b.WriteString("- " + r + "\n")
	}
	b.WriteString(manualRest)
	all := Settings()
	cell := strings.NewReplacer("|", `\|`).Replace
	for _, t := range Tables {
		fmt.Fprintf(&b, "\n## [%s]\n\n%s\n\n| key | value | default | what it is for |\n|---|---|---|---|\n", t.Name, t.Doc)
		for _, s := range all {
			if s.Table != t.Name {
				continue
			}
			byDefault := "not set"
			if v := s.Default(); v != "" {
				byDefault = "`" + v + "`"
			}
			doc := s.Doc
			if s.Flag != "" {
				doc += " Option: `-" + s.Flag + "`."
			}
			if s.Restart {
				doc += " ↻"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key, cell(s.word), cell(byDefault), cell(doc))
		}
		for _, a := range Arrays {
			if a.Under() == t.Name {
				fmt.Fprintf(&b, "\n`[[%s]]`: %s\n\n| key | as | what it is for |\n|---|---|---|\n", a.Name, a.Doc)
				for _, k := range a.Keys {
					fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", k.Name, k.Example, cell(k.Doc))
				}
			}
		}
	}
	return b.String()
}

const manualHead = `# The configuration

Everything that ` + "`milepost serve`" + ` needs stands in one file, milepost.toml. All keys have a default; a key that is not known, or a value that is not allowed, refuses the
whole file, and every mistake is said at once, with its line.

`

const manualRest = `
The same definitions make the reader, ` + "`-example`" + `, milepost.toml(5) and this page. ↻ marks what needs a restart.
`

// Rules say where a configuration comes from and when it is read, in Markdown.
var Rules = []string{
	"**Which file**: the one that `-config` names, else the one that the environment's `MILEPOST_CONFIG` names, else `/etc/milepost/milepost.toml` if it is there; the server says so then. Paths in the file begin where the file lies.",
	"**The environment comes over the file**: `MILEPOST_HTTP_LISTEN=:80` is `listen` of `[http]`; lists have commas between their elements.",
	"**Options come over both**: those named below, and `-set http.listen=:80` for every key that has a single value or a list.",
	"`milepost config` prints what is in force, each value with where it comes from; `milepost config -example` prints a file with everything in it, commented out; `milepost check` says what is wrong.",
	"A changed file is noticed by its content within seconds, and taken over whole or not at all; so it is at SIGHUP. What needs a restart is marked, and the log says so.",
}

// NeedRestart names the settings whose values differ from those that the server was
// started with, and that a reload does not apply.
func NeedRestart(started, now *Config) (names []string) {
	for _, s := range Settings() {
		if s.Restart && (s.show(started) != s.show(now) || s.hidden != nil && s.hidden(started) != s.hidden(now)) {
			names = append(names, s.Name())
		}
	}
	slices.Sort(names)
	return names
}
