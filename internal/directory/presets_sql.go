package directory

import (
	"fmt"
	"maps"
	"slices"

	"milepost/internal/config"
	"milepost/internal/tomlfile"
)

// sqlQueries are what a source is asked, and the channel that says when; empty: there
// is none.
type sqlQueries struct{ domains, since, version, channel, files string }

// sqlPresets are the queries of the mail systems that keep their domains in SQL: the
// pages in testdata/presets have each system's schema, and say where it was read.
// Domains that are not active are left out, and so are those whose mail only passes
// through: backup MX and relays have no mailboxes.
var sqlPresets = map[string]map[config.Kind]sqlQueries{
	"postfixadmin": {
		config.MySQL:    timed(postfixadmin("UNIX_TIMESTAMP(%s)")),
		config.Postgres: timed(postfixadmin("CAST(floor(extract(epoch FROM %s)) AS bigint)")),
		config.SQLite:   timed(postfixadmin("CAST(strftime('%%s', %s) AS integer)")),
	},
	// In mailcow, modified is NULL until a row is changed.
	"mailcow": {config.MySQL: timed(`SELECT domain, UNIX_TIMESTAMP(COALESCE(modified, created)) AS changed, active = 1 AND backupmx = 0 AS active FROM domain
		UNION ALL SELECT a.alias_domain, UNIX_TIMESTAMP(GREATEST(COALESCE(a.modified, a.created), COALESCE(d.modified, d.created))), a.active = 1 AND d.active = 1 AND d.backupmx = 0
		FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain`)},
	// iRedMail's PostgreSQL has times without a zone, which are that of the session.
	"iredmail": {
		config.MySQL:    timed(iredmail("UNIX_TIMESTAMP(%s)")),
		config.Postgres: timed(iredmail("CAST(floor(extract(epoch FROM CAST(%s AS timestamptz))) AS bigint)")),
	},
	// ISPConfig writes no time of change. An alias domain is a mail_domain too, and its
	// addresses are those of another.
	"ispconfig": {config.MySQL: untimed(config.MySQL, `SELECT domain FROM mail_domain WHERE active = 'y'
		UNION SELECT SUBSTRING(f.source, 2) FROM mail_forwarding AS f JOIN mail_domain AS d ON d.domain = SUBSTRING(f.destination, 2)
		WHERE f.type = 'aliasdomain' AND f.active = 'y' AND f.source LIKE '@%' AND d.active = 'y'`)},
	"froxlor": {config.MySQL: untimed(config.MySQL, `SELECT domain FROM panel_domains WHERE isemaildomain = 1 AND deactivated = 0`)},
	// Django writes UTC, whatever the zone of the session.
	"modoboa": {
		config.MySQL:    timed(modoboa("TIMESTAMPDIFF(SECOND, '1970-01-01', %s)")),
		config.Postgres: timed(modoboa("CAST(floor(extract(epoch FROM %s)) AS bigint)")),
		config.SQLite:   timed(modoboa("CAST(strftime('%%s', %s) AS integer)")),
	},
	// Mailu writes the day of a change alone.
	"mailu": {
		config.MySQL:    untimed(config.MySQL, mailu),
		config.Postgres: untimed(config.Postgres, mailu),
		config.SQLite:   untimed(config.SQLite, mailu),
	},
	"ispmail": {config.MySQL: untimed(config.MySQL, `SELECT name AS domain FROM virtual_domains`)},
	// Mail-in-a-Box has no table of domains; these are the ones that it serves
	// autoconfig of.
	"mailinabox": {config.SQLite: untimed(config.SQLite, `SELECT DISTINCT lower(substr(email, instr(email, '@') + 1)) AS domain FROM users`)},
	// Our own tables tell of each row that was changed or deleted, so nothing is
	// counted. Transactions may commit after one with a later time: so those of the
	// last minute are.
	"milepost": {config.Postgres: {
		domains: `SELECT domain, provider, host, name, CAST(floor(extract(epoch FROM changed)) AS bigint) AS changed FROM milepost.domain WHERE active`,
		since: `SELECT domain, provider, host, name, CAST(floor(extract(epoch FROM changed)) AS bigint) AS changed, active FROM milepost.domain WHERE changed >= to_timestamp(?)
			UNION ALL SELECT domain, '', '', '', CAST(floor(extract(epoch FROM changed)) AS bigint), false FROM milepost.gone WHERE changed >= to_timestamp(?)`,
		version: `SELECT (SELECT max(changed) FROM milepost.domain), (SELECT max(changed) FROM milepost.gone),
			(SELECT count(*) FROM milepost.domain WHERE changed >= (SELECT max(changed) - interval '1 minute' FROM milepost.domain)),
			(SELECT count(*) FROM milepost.gone WHERE changed >= (SELECT max(changed) - interval '1 minute' FROM milepost.gone)),
			(SELECT md5(string_agg(id || ' ' || md5(file), ' ' ORDER BY id)) FROM milepost.provider)`,
		channel: "milepost",
		files:   `SELECT id, file FROM milepost.provider ORDER BY id`,
	}},
}

// timed makes the queries of one that has domains, the second in which each changed,
// and whether it is active.
func timed(all string) sqlQueries {
	return sqlQueries{
		domains: "SELECT domain, changed FROM (" + all + ") AS d WHERE active",
		since:   "SELECT domain, changed, active FROM (" + all + ") AS d WHERE changed >= ?",
		version: "SELECT COALESCE(SUM(CASE WHEN active THEN 1 ELSE 0 END), 0) AS domains, COUNT(*), MAX(changed) FROM (" + all + ") AS d",
	}
}

// untimed makes those of one that has domains alone. Then all are read whenever they
// have another sum, or, in SQLite, when anything has changed.
func untimed(kind config.Kind, all string) sqlQueries {
	q := sqlQueries{domains: all}
	switch kind {
	case config.MySQL:
		q.version = "SELECT COUNT(*) AS domains, SUM(CRC32(domain)) FROM (" + all + ") AS d"
	case config.Postgres:
		q.version = "SELECT count(*) AS domains, sum(hashtext(domain)) FROM (" + all + ") AS d"
	}
	return q
}

// postfixadmin has a domain ALL that stands for all of them. An alias domain changes
// when its own row does or its target's.
func postfixadmin(seconds string) string {
	const served = "%[1]sactive AND NOT %[1]sbackupmx AND COALESCE(%[1]stransport, '') NOT LIKE 'smtp%%' AND COALESCE(%[1]stransport, '') NOT LIKE 'relay%%'"
	own, target, alias := fmt.Sprintf(seconds, "modified"), fmt.Sprintf(seconds, "d.modified"), fmt.Sprintf(seconds, "a.modified")
	return "SELECT domain, " + own + " AS changed, " + fmt.Sprintf(served, "") + " AS active FROM domain WHERE domain <> 'ALL'" +
		" UNION ALL SELECT a.alias_domain, " + later(alias, target) + ", a.active AND " + fmt.Sprintf(served, "d.") +
		" FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain"
}

func iredmail(seconds string) string {
	own, target, alias := fmt.Sprintf(seconds, "modified"), fmt.Sprintf(seconds, "d.modified"), fmt.Sprintf(seconds, "a.modified")
	return "SELECT domain, " + own + " AS changed, active = 1 AND backupmx = 0 AS active FROM domain" +
		" UNION ALL SELECT a.alias_domain, " + later(alias, target) + ", a.active = 1 AND d.active = 1 AND d.backupmx = 0" +
		" FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain"
}

func modoboa(seconds string) string {
	own, target, alias := fmt.Sprintf(seconds, "last_modification"), fmt.Sprintf(seconds, "d.last_modification"), fmt.Sprintf(seconds, "a.last_modification")
	return "SELECT name AS domain, " + own + " AS changed, enabled AND type = 'domain' AS active FROM admin_domain" +
		" UNION ALL SELECT a.name, " + later(alias, target) + ", a.enabled AND d.enabled AND d.type = 'domain'" +
		" FROM admin_domainalias AS a JOIN admin_domain AS d ON d.id = a.target_id"
}

const mailu = `SELECT name AS domain FROM domain UNION SELECT name FROM alternative`

// later is the greater of two times, in words that all databases have.
func later(a, b string) string {
	return "CASE WHEN " + a + " > " + b + " THEN " + a + " ELSE " + b + " END"
}

// sqlPreset finds the queries of a preset.
func sqlPreset(name string, kind config.Kind) (sqlQueries, error) {
	if q, ok := sqlPresets[name][kind]; ok {
		return q, nil
	}
	var kinds, names []string
	for _, k := range slices.Sorted(maps.Keys(sqlPresets[name])) {
		kinds = append(kinds, string(k))
	}
	if kinds != nil {
		return sqlQueries{}, fmt.Errorf("preset: %s has no %s; %s", name, kind, tomlfile.Allowed(kinds))
	}
	for n, of := range sqlPresets {
		if _, ok := of[kind]; ok {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return sqlQueries{}, fmt.Errorf("preset: %q is none of %s; %s", name, kind, tomlfile.Allowed(names))
}
