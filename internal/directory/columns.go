package directory

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"milepost/internal/tomlfile"
)

// columns are where in a row a query has what it says of a domain; -1: nowhere.
type columns struct{ domain, provider, host, name, changed, active int }

var columnNames = []string{"domain", "provider", "template", "host", "mx", "name", "changed", "active"}

// parseColumns finds them by their names. A query of one column has the domains in it,
// whatever that is called.
func parseColumns(names []string) (columns, error) {
	c := columns{-1, -1, -1, -1, -1, -1}
	if len(names) == 1 {
		c.domain = 0
		return c, nil
	}
	at := map[string]*int{"domain": &c.domain, "provider": &c.provider, "template": &c.provider,
		"host": &c.host, "mx": &c.host, "name": &c.name, "changed": &c.changed, "active": &c.active}
	for i, name := range names {
		switch to := at[strings.ToLower(name)]; {
		case to == nil:
			return c, fmt.Errorf("the query has a column %q; %s", name, tomlfile.Allowed(columnNames))
		case *to >= 0:
			return c, fmt.Errorf("the query has %q beside %q, which says the same; one of them is allowed", name, names[*to])
		default:
			*to = i
		}
	}
	if c.domain < 0 {
		return c, errors.New(`the query has no column "domain"; "SELECT name AS domain", say, makes one`)
	}
	return c, nil
}

// values are those of a row.
type values struct{ of, pointers []any }

func newValues(n int) values {
	v := values{make([]any, n), make([]any, n)}
	for i := range v.of {
		v.pointers[i] = &v.of[i]
	}
	return v
}

// record reads a row. What cannot be read is said in it.
func (c columns) record(row []any) record {
	var r record
	text := func(to *string, column int) {
		if column >= 0 {
			s, ok := asText(row[column])
			if *to = s; !ok {
				r.bad = fmt.Errorf("the column %q has a value that is no text", c.nameOf(column))
			}
		}
	}
	text(&r.domain, c.domain)
	text(&r.provider, c.provider)
	text(&r.host, c.host)
	text(&r.name, c.name)
	if c.changed >= 0 {
		var ok bool
		if r.changed, ok = asTime(row[c.changed]); !ok {
			r.bad = errors.New(`the column "changed" has no time; seconds since 1970 and dates are allowed`)
		}
	}
	if c.active >= 0 {
		active, ok := asTruth(row[c.active])
		if r.gone = !active; !ok {
			r.bad = errors.New(`the column "active" is neither true nor false; 1 and 0, y and n, and truth values are allowed`)
		}
	}
	return r
}

func (c columns) nameOf(column int) string {
	switch column {
	case c.domain:
		return "domain"
	case c.provider:
		return "provider"
	case c.host:
		return "host"
	}
	return "name"
}

// asText is false for what nobody would write as text. NULL is empty.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case []byte:
		return string(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), true
	}
	return "", false
}

func asNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		if math.Abs(v) < 1<<53 { // NaN is not
			return int64(math.Floor(v)), true
		}
		return 0, false
	}
	s, _ := asText(v)
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		return n, true
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return asNumber(f)
	}
	return 0, false
}

// dates are how databases write a time as text; without a zone it is UTC.
var dates = []string{"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999Z07", time.RFC3339Nano, "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999", time.DateOnly}

// asTime is seconds since 1970; 0: the source does not say. MySQL has 0000-00-00 for that.
func asTime(v any) (int64, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case time.Time:
		return max(v.Unix(), 0), true
	}
	if n, ok := asNumber(v); ok {
		return max(n, 0), true
	}
	s, ok := asText(v)
	s = strings.TrimSpace(s)
	if !ok || s == "" || strings.HasPrefix(s, "0000-00-00") {
		return 0, ok
	}
	for _, form := range dates {
		if t, err := time.Parse(form, s); err == nil {
			return max(t.Unix(), 0), true
		}
	}
	return 0, false
}

// asTruth takes NULL for false.
func asTruth(v any) (truth, ok bool) {
	if b, ok := v.(bool); ok {
		return b, true
	}
	if n, ok := asNumber(v); ok {
		return n != 0, true
	}
	s, ok := asText(v)
	if !ok {
		return false, false
	}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "y", "yes", "t", "true", "on":
		return true, true
	case "", "n", "no", "f", "false", "off", "\x00":
		return false, true
	case "\x01": // a BIT of MySQL
		return true, true
	}
	return false, false
}
