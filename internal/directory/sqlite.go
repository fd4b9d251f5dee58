package directory

import (
	"net/url"
	"strings"
)

// sqliteURL opens a file to read alone, and waits for those who write.
func sqliteURL(dsn string) string {
	path, query, _ := strings.Cut(dsn, "?")
	values := url.Values{}
	if strings.HasPrefix(dsn, "file:") {
		values, _ = url.ParseQuery(query)
		path = strings.TrimPrefix(path, "file:")
	} else {
		path = (&url.URL{Path: dsn}).EscapedPath()
	}
	values.Set("mode", "ro")
	values["_pragma"] = append(values["_pragma"], "busy_timeout(5000)", "query_only(1)")
	return "file:" + path + "?" + values.Encode()
}

// sqliteFile is the path that a DSN names.
func sqliteFile(dsn string) string {
	rest, ok := strings.CutPrefix(dsn, "file:")
	if !ok {
		return dsn
	}
	path, _, _ := strings.Cut(rest, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	if after, ok := strings.CutPrefix(path, "//"); ok {
		path = "/" + strings.TrimLeft(after, "/")
	}
	return path
}
