package directory

import (
	"slices"
	"testing"

	"milepost/internal/config"
)

func TestParseStatement(t *testing.T) {
	for name, tc := range map[string]struct {
		kind      config.Kind
		arguments int
		query     string
		want      string // or the error
		order     []int
	}{
		"postgres":                      {config.Postgres, 1, "SELECT 1 WHERE a = ? OR b = ?", "SELECT 1 WHERE a = $1 OR b = $1", []int{0}},
		"mysql":                         {config.MySQL, 1, "SELECT 1 WHERE a = ? OR b = ?", "SELECT 1 WHERE a = ? OR b = ?", []int{0, 0}},
		"sqlite":                        {config.SQLite, 1, "SELECT 1 WHERE a = ? OR b = ?", "SELECT 1 WHERE a = ?1 OR b = ?1", []int{0}},
		"numbers in postgres":           {config.Postgres, 3, "a = ?3 AND b = ?2 AND c = ?3", "a = $1 AND b = $2 AND c = $1", []int{2, 1}},
		"numbers in mysql":              {config.MySQL, 3, "a = ?3 AND b = ?2 AND c = ?3", "a = ? AND b = ? AND c = ?", []int{2, 1, 2}},
		"numbers in sqlite":             {config.SQLite, 3, "a = ?3 AND b = ?2", "a = ?1 AND b = ?2", []int{2, 1}},
		"text":                          {config.Postgres, 1, "a = '?' AND b = 'it''s ?' AND c = ?", "a = '?' AND b = 'it''s ?' AND c = $1", []int{0}},
		"a backslash is text":           {config.Postgres, 1, `a = '\' AND b = ?`, `a = '\' AND b = $1`, []int{0}},
		"a backslash in an E string":    {config.Postgres, 1, `a = E'\'?' AND b = ?`, `a = E'\'?' AND b = $1`, []int{0}},
		"an e at the end of a word":     {config.Postgres, 1, `a LIKE'\' AND b = ?`, `a LIKE'\' AND b = $1`, []int{0}},
		"a backslash in mysql":          {config.MySQL, 1, `a = '\'?' AND b = "\"?" AND c = ?`, `a = '\'?' AND b = "\"?" AND c = ?`, []int{0}},
		"a name":                        {config.Postgres, 1, `"wh?t" = ?`, `"wh?t" = $1`, []int{0}},
		"a name in mysql":               {config.MySQL, 1, "`wh?t` = ?", "`wh?t` = ?", []int{0}},
		"a name in sqlite":              {config.SQLite, 1, "[wh?t] = ?", "[wh?t] = ?1", []int{0}},
		"an index is no name":           {config.Postgres, 1, "a[?] = 1", "a[$1] = 1", []int{0}},
		"a comment":                     {config.Postgres, 1, "a -- why?\n= ? /* ? /* ? */ ? */ + ?", "a -- why?\n= $1 /* ? /* ? */ ? */ + $1", []int{0}},
		"comments do not nest in mysql": {config.MySQL, 1, "a # why?\n= ? /* ? /* ? */ + ?", "a # why?\n= ? /* ? /* ? */ + ?", []int{0, 0}},
		"minus minus in mysql":          {config.MySQL, 1, "5--? -- ?\n", "5--? -- ?", []int{0}},
		"dollars":                       {config.Postgres, 1, "a = $$?$$ AND b = $t$ ? $$ ? $t$ AND c = ?", "a = $$?$$ AND b = $t$ ? $$ ? $t$ AND c = $1", []int{0}},
		"dollars in a name":             {config.Postgres, 1, "a$b$ = ?", "a$b$ = $1", []int{0}},
		"dollars in mysql":              {config.MySQL, 1, "a = $$ ? $$", "a = $$ ? $$", []int{0}},
		"a text without an end":         {config.Postgres, 1, "a = ? AND b = '?", "a = $1 AND b = '?", []int{0}},
		"a comment without an end":      {config.Postgres, 1, "a = ? /* ?", "a = $1 /* ?", []int{0}},
		"a semicolon":                   {config.Postgres, 0, " SELECT 1 ;\n", "SELECT 1", nil},
		"too many":                      {config.Postgres, 3, "a = ?4", "has the placeholder ?4; ? and ?1 to ?3 are allowed", nil},
		"zero":                          {config.Postgres, 1, "a = ?0", "has the placeholder ?0; ? is allowed", nil},
		"a long number":                 {config.Postgres, 1, "a = ?99999999999999999999", "has the placeholder ?99999999999999999999; ? is allowed", nil},
		"none":                          {config.MySQL, 0, "a = ?", "has a placeholder; none is allowed here", nil},
		"empty":                         {config.MySQL, 0, " ;", "is empty; a query is needed", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStatement(tc.kind, tc.query, tc.arguments)
			if err != nil {
				got.text = err.Error()
				got.order = nil
			}
			if got.text != tc.want || !slices.Equal(got.order, tc.order) {
				t.Errorf("%s %v\n%s %v", got.text, got.order, tc.want, tc.order)
			}
		})
	}
}

// No query breaks the reading of it, and what has no placeholder stays as it is.
func FuzzParseStatement(f *testing.F) {
	f.Add("SELECT ?1 FROM \"a?\" -- ?")
	f.Fuzz(func(t *testing.T, query string) {
		for _, kind := range []config.Kind{config.Postgres, config.MySQL, config.SQLite} {
			s, err := parseStatement(kind, query, 3)
			if err != nil {
				continue
			}
			for _, n := range s.order {
				if n < 0 || n > 2 {
					t.Fatal(s)
				}
			}
			if kind == config.MySQL || len(s.order) > 0 {
				continue
			}
			if again, err := parseStatement(kind, s.text, 3); err != nil || again.text != s.text {
				t.Fatalf("%q became %q, %v", s.text, again.text, err)
			}
		}
	})
}
