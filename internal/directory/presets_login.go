package directory

import (
	"strings"

	"milepost/internal/config"
)

// loginPresets are the queries for login names of the mail systems that keep them in SQL:
// the pages in testdata/logins have each system's schema, and say where it was read. A
// mailbox comes before an alias of the same address. An alias leads to the login name of
// its mailbox; one with several destinations is ambiguous, and has two rows.
var loginPresets = map[string]map[config.Kind]string{
	"postfixadmin": of(postfixadminLogins, config.MySQL, config.Postgres, config.SQLite),
	"mailcow":      of(mailcowLogins, config.MySQL),
	"mailu":        of(mailuLogins, config.MySQL, config.Postgres, config.SQLite),
	"mailinabox":   of(mailinaboxLogins, config.SQLite),
	"iredmail":     of(iredmailLogins, config.MySQL, config.Postgres),
	"modoboa":      of(modoboaLogins, config.MySQL, config.Postgres, config.SQLite),
	"ispmail":      of(ispmailLogins, config.MySQL),
	"ispconfig": {config.MySQL: `SELECT u.login, u.name FROM mail_user AS u WHERE u.email = lower(?1)` + ispconfigOpen + `
		UNION ALL SELECT u.login, u.name FROM mail_forwarding AS f JOIN mail_user AS u ON u.email = CONCAT(lower(?2), f.destination)
			WHERE f.source = CONCAT('@', ?3) AND f.type = 'aliasdomain' AND f.active = 'y'` + ispconfigOpen + `
		UNION ALL SELECT COALESCE(u.login, f.destination), u.name FROM mail_forwarding AS f LEFT JOIN mail_user AS u ON u.email = TRIM(f.destination)` + ispconfigOpen + `
			JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS two ON two.n = 1 OR f.destination REGEXP '[,\n]'
			WHERE f.source = lower(?1) AND f.type IN ('alias', 'forward') AND f.active = 'y' AND (u.login IS NOT NULL OR f.destination REGEXP '[,\n]')
			AND NOT EXISTS (SELECT 1 FROM mail_user AS x WHERE x.email = f.source)`},
	"froxlor": {config.MySQL: `SELECT u.username AS login FROM mail_users AS u JOIN panel_customers AS c ON c.customerid = u.customerid
			WHERE u.email = lower(?1) AND (u.imap = 1 OR u.pop3 = 1) AND c.deactivated = 0
		UNION ALL SELECT COALESCE(u.username, v.destination) FROM mail_virtual AS v JOIN panel_customers AS c ON c.customerid = v.customerid
			LEFT JOIN mail_users AS u ON u.email = TRIM(v.destination) AND (u.imap = 1 OR u.pop3 = 1)
			JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS two ON two.n = 1 OR TRIM(v.destination) LIKE '% %'
			WHERE v.email = lower(?1) AND c.deactivated = 0 AND (u.username IS NOT NULL OR TRIM(v.destination) LIKE '% %')
			AND NOT EXISTS (SELECT 1 FROM mail_users AS x WHERE x.email = v.email)`},
}

// ispconfigOpen leaves out mailboxes that nobody can log in to.
const ispconfigOpen = ` AND NOT (u.disableimap = 'y' AND u.disablepop3 = 'y')
	AND NOT EXISTS (SELECT 1 FROM mail_domain AS d WHERE d.domain = SUBSTRING_INDEX(u.email, '@', -1) AND d.active = 'n')`

func of(query func(config.Kind) string, kinds ...config.Kind) map[config.Kind]string {
	m := make(map[config.Kind]string)
	for _, k := range kinds {
		m[k] = query(k)
	}
	return m
}

// aliasTables are those of a system that keeps all destinations of an alias in one text,
// with commas. Conditions speak of m, the mailbox, a, the alias, and d, the alias domain.
type aliasTables struct {
	mailbox, address, name, open string // open: somebody can log in
	alias, source, target, on    string // on: it is active
	domains, from, to, onDomain  string // of alias domains; empty: there are none
}

func (t aliasTables) query(kind config.Kind) string {
	fields := strings.NewReplacer("MAILBOX", t.mailbox, "ADDRESS", t.address, "NAME", t.name, "OPEN", t.open,
		"ALIAS", t.alias, "SOURCE", t.source, "TARGET", t.target, "ACTIVE", t.on)
	// A mailbox or an alias whose address is the one that was asked about, or the one that
	// an alias domain makes of it.
	parts := func(domain, address, condition string) string {
		several := "(a." + t.target + " LIKE '%,%')"
		return fields.Replace("SELECT m.ADDRESS AS login, NAME AS name FROM "+domain+"MAILBOX AS m WHERE m.ADDRESS = "+address+" AND OPEN"+condition+
			" UNION ALL SELECT COALESCE(m.ADDRESS, a.TARGET), NAME FROM "+domain+"ALIAS AS a LEFT JOIN MAILBOX AS m ON m.ADDRESS = a.TARGET AND OPEN") +
			" JOIN (SELECT 1 AS n UNION ALL SELECT 2) AS two ON two.n = 1 OR " + several +
			fields.Replace(" WHERE a.SOURCE = "+address+" AND ACTIVE AND (m.ADDRESS IS NOT NULL OR ") + several +
			fields.Replace(") AND NOT EXISTS (SELECT 1 FROM MAILBOX AS x WHERE x.ADDRESS = a.SOURCE)"+condition)
	}
	query := parts("", "lower(?1)", "")
	if t.domains != "" {
		query += " UNION ALL " + parts(t.domains+" AS d CROSS JOIN ", joined(kind, "lower(?2)", "'@'", "d."+t.to), " AND d."+t.from+" = ?3 AND "+t.onDomain)
	}
	return query
}

// joined puts texts together.
func joined(kind config.Kind, parts ...string) string {
	if kind == config.MySQL {
		return "CONCAT(" + strings.Join(parts, ", ") + ")"
	}
	return "(" + strings.Join(parts, " || ") + ")"
}

func postfixadminLogins(kind config.Kind) string {
	return aliasTables{"mailbox", "username", "m.name", "m.active", "alias", "address", "goto", "a.active", "alias_domain", "alias_domain", "target_domain", "d.active"}.query(kind)
}

// In mailcow, a mailbox whose active is 2 takes mail and lets nobody in; one of another
// kind is a room or a thing.
func mailcowLogins(kind config.Kind) string {
	return aliasTables{"mailbox", "username", "m.name", "m.active = 1 AND m.kind = ''", "alias", "address", "goto", "a.active = 1", "alias_domain", "alias_domain", "target_domain", "d.active = 1"}.query(kind)
}

// Mailu's table is named user, which is a word of SQL.
func mailuLogins(kind config.Kind) string {
	user := `"user"`
	if kind == config.MySQL {
		user = "`user`"
	}
	return aliasTables{user, "email", "m.displayed_name", "m.enabled AND (m.enable_imap OR m.enable_pop)", "alias", "email", "destination", "NOT a.disabled AND NOT a.wildcard", "alternative", "name", "domain_name", "1 = 1"}.query(kind)
}

func mailinaboxLogins(kind config.Kind) string {
	return aliasTables{mailbox: "users", address: "email", name: "NULL", open: "1 = 1", alias: "aliases", source: "source", target: "destination", on: "1 = 1"}.query(kind)
}

// destinations are the mailboxes of an alias that has a row for each destination: all of
// them if there are several. More tells whether there are, of a row f of its table, with
// these columns; only says which rows count.
func destinations(table, source, target, only string) (more string) {
	return "EXISTS (SELECT 1 FROM " + table + " AS g WHERE g." + source + " = f." + source + " AND " + strings.ReplaceAll(only, "ROW", "g") + " AND g." + target + " <> f." + target + ")"
}

func iredmailLogins(kind config.Kind) string {
	const only = "ROW.active = 1 AND (ROW.is_alias = 1 OR ROW.is_list = 1)"
	more := destinations("forwardings", "address", "forwarding", only)
	return `SELECT m.username AS login, m.name FROM mailbox AS m WHERE m.username = lower(?1) AND m.active = 1
		UNION ALL SELECT m.username, m.name FROM alias_domain AS d CROSS JOIN mailbox AS m
			WHERE d.alias_domain = ?3 AND d.active = 1 AND m.username = ` + joined(kind, "lower(?2)", "'@'", "d.target_domain") + ` AND m.active = 1
		UNION ALL SELECT COALESCE(m.username, f.forwarding), m.name FROM forwardings AS f LEFT JOIN mailbox AS m ON m.username = f.forwarding AND m.active = 1
			WHERE f.address = lower(?1) AND ` + strings.ReplaceAll(only, "ROW", "f") + ` AND (m.username IS NOT NULL OR ` + more + `)
			AND NOT EXISTS (SELECT 1 FROM mailbox AS x WHERE x.username = f.address)`
}

func ispmailLogins(config.Kind) string {
	more := destinations("virtual_aliases", "source", "destination", "1 = 1")
	return `SELECT m.email AS login FROM virtual_users AS m WHERE m.email = lower(?1)
		UNION ALL SELECT COALESCE(m.email, f.destination) FROM virtual_aliases AS f LEFT JOIN virtual_users AS m ON m.email = f.destination
			WHERE f.source = lower(?1) AND (m.email IS NOT NULL OR ` + more + `) AND NOT EXISTS (SELECT 1 FROM virtual_users AS x WHERE x.email = f.source)`
}

// In Modoboa, the login name is the user's, and the address of a mailbox stands in two
// tables.
func modoboaLogins(kind config.Kind) string {
	now := "now()"
	switch kind {
	case config.MySQL:
		now = "utc_timestamp()" // which Django writes
	case config.SQLite:
		now = "datetime('now')"
	}
	name := "TRIM(" + joined(kind, "u.first_name", "' '", "u.last_name") + ") AS name"
	const open = "m.user_id = u.id AND u.is_active AND NOT m.is_send_only AND t.id = m.domain_id AND t.enabled"
	more := destinations("modoboa_admin_aliasrecipient", "alias_id", "address", "1 = 1")
	return `SELECT u.username AS login, ` + name + ` FROM admin_mailbox AS m CROSS JOIN admin_domain AS t CROSS JOIN core_user AS u
			WHERE t.name = ?3 AND m.address = lower(?2) AND ` + open + `
		UNION ALL SELECT u.username, ` + name + ` FROM admin_domainalias AS d CROSS JOIN admin_mailbox AS m CROSS JOIN admin_domain AS t CROSS JOIN core_user AS u
			WHERE d.name = ?3 AND d.enabled AND t.id = d.target_id AND m.address = lower(?2) AND ` + open + `
		UNION ALL SELECT COALESCE(u.username, f.address), ` + name + ` FROM admin_alias AS a JOIN modoboa_admin_aliasrecipient AS f ON f.alias_id = a.id
			LEFT JOIN admin_mailbox AS m ON m.id = f.r_mailbox_id AND NOT m.is_send_only LEFT JOIN core_user AS u ON u.id = m.user_id AND u.is_active
			WHERE a.address = lower(?1) AND a.enabled AND NOT a.internal AND (a.expire_at IS NULL OR a.expire_at > ` + now + `) AND (u.username IS NOT NULL OR ` + more + `)
			AND NOT EXISTS (SELECT 1 FROM admin_mailbox AS x JOIN admin_domain AS y ON y.id = x.domain_id WHERE x.address = lower(?2) AND y.name = ?3)`
}
