package config

import (
	"net/netip"
	"time"

	"milepost/internal/textfile"
	"milepost/settings"
)

// Kind is what a source of domains or a directory of login names is kept in.
type Kind string

const (
	Postgres Kind = "postgres"
	MySQL    Kind = "mysql" // MariaDB too
	SQLite   Kind = "sqlite"
	LDAP     Kind = "ldap"
	File     Kind = "file" // sources alone
)

// Access is how one gets at a database, an LDAP server or a file.
type Access struct {
	Kind   Kind
	DSN    string // as the driver reads it; for a file its path. It may hold a password, so it is never shown
	Preset string // the name of ready-made queries; empty: none
	// Base and Filter are an LDAP search (RFC 4515); empty: the preset's.
	Base, Filter string
	// Place is where the table stands in milepost.toml.
	Place textfile.Error
}

// Source is a [[source]]: where domains come from.
type Source struct {
	Access
	Name     string // no other source has it; it is in messages, metrics and the name of the file that keeps it
	Provider string // the ID of the provider that domains belong to, if their rows do not say; empty: they must
	// Domains yields all rows, ChangedSince those that changed at a time or later (and
	// those that went, where active is false), Version a row that changes whenever they
	// do. Empty: the preset's.
	Domains, ChangedSince, Version string
	// DomainAttribute is what holds the domain in LDAP, or several with commas between;
	// empty: the preset's. The others hold the ID of its provider, the host that has its
	// mail and the service's name; empty: nothing does.
	DomainAttribute, ProviderAttribute, HostAttribute, NameAttribute string

	Listen string        // the channel of Postgres' NOTIFY; empty: none
	Every  time.Duration // how often it is asked whether something has changed; 0: its reader decides
}

// Directory is a [[directory]]: where login names come from.
type Directory struct {
	Access
	DomainsOf []string // the IDs of the providers whose usernames it knows
	// Login yields the login name of an address, and perhaps the full name; empty: the
	// preset's.
	Login string
	// LoginAttribute and NameAttribute hold them in LDAP; empty: the preset's.
	LoginAttribute, NameAttribute string
	Fallback                      settings.Username // what %LOGIN% is when the login name is not known
	Budget                        time.Duration     // how long a look-up may take
	Connections                   int               // how many it has at most
	AllowHTTP                     []netip.Prefix    // who may ask without TLS
	TellUnknown                   bool              // whether an address that it does not have is refused, which tells which mailboxes exist
}
