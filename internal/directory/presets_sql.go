package directory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"milepost/internal/config"
	"milepost/internal/tomlfile"
)

// sqlQueries are what a source is asked, and the channel that says when; empty: there
// is none. Where latest is, the version is asked for more seldom.
type sqlQueries struct {
	domains, since, latest, version, channel, files string
	// plain are those for tables without the columns that not every version of the system
	// has; nil: all have them.
	plain *sqlQueries
}

// sqlPresets are the queries of the mail systems that keep their domains in SQL: the
// pages in testdata/presets have each system's schema, and say where it was read.
// Domains that are not active are left out, and so are those whose mail only passes
// through: backup MX and relays have no mailboxes.
var sqlPresets = map[string]map[config.Kind]sqlQueries{
	"postfixadmin": {
		config.MySQL:    timed(postfixadmin, unixTime, "modified domain", "modified alias_domain").or(untimed(config.MySQL, domainAndAlias)),
		config.Postgres: timed(postfixadmin, epoch, "modified domain", "modified alias_domain").or(untimed(config.Postgres, domainAndAlias)),
		config.SQLite:   timed(postfixadmin, strftime, "modified domain", "modified alias_domain").or(untimed(config.SQLite, domainAndAlias)),
	},
	// In mailcow, modified is NULL until a row is changed.
	"mailcow": {config.MySQL: timed(`SELECT domain, COALESCE(modified, created) AS changed, active = 1 AND backupmx = 0 AS active FROM domain
		UNION ALL SELECT a.alias_domain, GREATEST(COALESCE(a.modified, a.created), COALESCE(d.modified, d.created)), a.active = 1 AND d.active = 1 AND d.backupmx = 0
		FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain`, unixTime, "modified domain", "created domain", "modified alias_domain", "created alias_domain").or(untimed(config.MySQL, domainAndAlias))},
	// iRedMail's PostgreSQL has times without a zone, which are that of the session.
	"iredmail": {
		config.MySQL:    timed(iredmail, unixTime, "modified domain", "modified alias_domain"),
		config.Postgres: timed(iredmail, times{"CAST(floor(extract(epoch FROM CAST(changed AS timestamptz))) AS bigint)", "changed >= CAST(to_timestamp(?) AS timestamp)"}, "modified domain", "modified alias_domain"),
	},
	// ISPConfig writes no time of change. An alias domain is a mail_domain too, and its
	// addresses are those of another.
	"ispconfig": {config.MySQL: untimed(config.MySQL, `SELECT domain FROM mail_domain WHERE active = 'y'
		UNION SELECT SUBSTRING(f.source, 2) FROM mail_forwarding AS f JOIN mail_domain AS d ON d.domain = SUBSTRING(f.destination, 2)
		WHERE f.type = 'aliasdomain' AND f.active = 'y' AND f.source LIKE '@%' AND d.active = 'y'`)},
	"froxlor": {config.MySQL: untimed(config.MySQL, `SELECT domain FROM panel_domains WHERE isemaildomain = 1 AND deactivated = 0`)},
	// Django writes UTC, whatever the zone of the session.
	"modoboa": {
		config.MySQL:    timed(modoboa, times{"TIMESTAMPDIFF(SECOND, '1970-01-01', changed)", "changed >= TIMESTAMPADD(SECOND, ?, '1970-01-01')"}, "last_modification admin_domain", "last_modification admin_domainalias"),
		config.Postgres: timed(modoboa, epoch, "last_modification admin_domain", "last_modification admin_domainalias"),
		config.SQLite:   timed(modoboa, strftime, "last_modification admin_domain", "last_modification admin_domainalias"),
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
	// counted. A row whose time is ahead must not hide a later change. Transactions may commit after one with a later time: so those of the
	// last minute are.
	"milepost": {config.Postgres: {
		domains: `SELECT domain, provider, host, name, CAST(floor(extract(epoch FROM changed)) AS bigint) AS changed FROM milepost.domain WHERE active`,
		since: `SELECT domain, provider, host, name, CAST(floor(extract(epoch FROM changed)) AS bigint) AS changed, active FROM milepost.domain WHERE changed >= to_timestamp(?)
			UNION ALL SELECT domain, '', '', '', CAST(floor(extract(epoch FROM changed)) AS bigint), false FROM milepost.gone AS g
			WHERE changed >= to_timestamp(?) AND NOT EXISTS (SELECT FROM milepost.domain AS d WHERE d.domain = g.domain)`,
		version: `SELECT (SELECT max(changed) FROM milepost.domain WHERE changed <= now()), (SELECT max(changed) FROM milepost.gone WHERE changed <= now()),
			(SELECT count(*) FROM milepost.domain WHERE changed >= (SELECT max(changed) - interval '1 minute' FROM milepost.domain WHERE changed <= now())),
			(SELECT count(*) FROM milepost.gone WHERE changed >= (SELECT max(changed) - interval '1 minute' FROM milepost.gone WHERE changed <= now())),
			(SELECT md5(string_agg(id || ' ' || md5(file), ' ' ORDER BY id)) FROM milepost.provider)`,
		channel: "milepost",
		files:   `SELECT id, file FROM milepost.provider ORDER BY id`,
	}},
}

// times are how a database makes seconds since 1970 of the column changed, and how it
// compares that with some, in a way for which an index of it can be used.
type times struct{ seconds, since string }

var (
	unixTime = times{"UNIX_TIMESTAMP(changed)", "changed >= FROM_UNIXTIME(?)"}
	epoch    = times{"CAST(floor(extract(epoch FROM changed)) AS bigint)", "changed >= to_timestamp(?)"}
	strftime = times{"CAST(strftime('%s', changed) AS integer)", "CAST(strftime('%s', changed) AS integer) >= ?"}
)

// timed makes the queries of one that has domains, when each changed, and whether it is
// active. The columns, each before its table, say when the last did; without an index a
// database finds that still in half the time in which it counts.
func timed(all string, t times, columns ...string) sqlQueries {
	var latest []string
	for _, c := range columns {
		column, table, _ := strings.Cut(c, " ")
		latest = append(latest, "(SELECT MAX("+column+") FROM "+table+")")
	}
	return sqlQueries{
		domains: "SELECT domain, " + t.seconds + " AS changed FROM (" + all + ") AS d WHERE active",
		since:   "SELECT domain, " + t.seconds + " AS changed, active FROM (" + all + ") AS d WHERE " + t.since,
		latest:  "SELECT " + strings.Join(latest, ", "),
		version: "SELECT COUNT(CASE WHEN active THEN 1 END) AS domains, COUNT(*), MAX(changed) FROM (" + all + ") AS d",
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
var postfixadmin = "SELECT domain, modified AS changed, " + served("") + " AS active FROM domain WHERE domain <> 'ALL'" +
	" UNION ALL SELECT a.alias_domain, " + later("a.modified", "d.modified") + ", a.active AND " + served("d.") +
	" FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain"

// served leaves out what Postfixadmin has mail only pass through.
func served(of string) string {
	return of + "active AND NOT " + of + "backupmx AND COALESCE(" + of + "transport, '') NOT LIKE 'smtp%' AND COALESCE(" + of + "transport, '') NOT LIKE 'relay%'"
}

// domainAndAlias is what Postfixadmin's tables had from the start, and those of the systems
// that began with them.
const domainAndAlias = `SELECT domain FROM domain WHERE active AND NOT backupmx AND domain <> 'ALL'
	UNION SELECT a.alias_domain FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain WHERE a.active AND d.active AND NOT d.backupmx`

// or names the queries for tables that lack a column.
func (q sqlQueries) or(plain sqlQueries) sqlQueries {
	q.plain = &plain
	return q
}

var iredmail = "SELECT domain, modified AS changed, active = 1 AND backupmx = 0 AS active FROM domain" +
	" UNION ALL SELECT a.alias_domain, " + later("a.modified", "d.modified") + ", a.active = 1 AND d.active = 1 AND d.backupmx = 0" +
	" FROM alias_domain AS a JOIN domain AS d ON d.domain = a.target_domain"

var modoboa = "SELECT name AS domain, last_modification AS changed, enabled AND type = 'domain' AS active FROM admin_domain" +
	" UNION ALL SELECT a.name, " + later("a.last_modification", "d.last_modification") + ", a.enabled AND d.enabled AND d.type = 'domain'" +
	" FROM admin_domainalias AS a JOIN admin_domain AS d ON d.id = a.target_id"

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
	return sqlQueries{}, fmt.Errorf("preset: %q is no preset for %s; %s", name, kind, tomlfile.Allowed(names))
}
