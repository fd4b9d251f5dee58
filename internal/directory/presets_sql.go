package directory

import "milepost/internal/config"

// sqlQueries are what a source is asked, and the channel that says when; empty: there
// is none.
type sqlQueries struct{ domains, since, version, channel string }

// sqlPresets are the queries of the mail systems that keep their domains in SQL, each
// as its own schema has them: testdata/presets says where that stands. Domains that
// are not active, or whose mail goes elsewhere, are left out.
var sqlPresets = map[string]map[config.Kind]sqlQueries{}
