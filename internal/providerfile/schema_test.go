package providerfile_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"milepost/data"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
)

// schema is the JSON Schema, compiled.
func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(providerfile.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("provider.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("provider.json")
}

// valid tells what a schema says of a TOML text, as an editor asks it: local dates are
// strings. False: it is no TOML.
func valid(t testing.TB, s *jsonschema.Schema, text string) (error, bool) {
	t.Helper()
	var values map[string]any
	if _, err := toml.Decode(text, &values); err != nil {
		return nil, false
	}
	if d, ok := values["checked"].(time.Time); ok && d.Location().String() == "date-local" {
		values["checked"] = d.Format(time.DateOnly)
	}
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc), true
}

// The schema takes every shipped file.
func TestSchemaShipped(t *testing.T) {
	s := schema(t)
	files, err := fs.Glob(data.Providers(), "*.toml")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		text, err := fs.ReadFile(data.Providers(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err, ok := valid(t, s, string(text)); err != nil || !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The schema refuses nothing that the reader takes. Of the shelf of bad files it refuses
// all those in which a key, a type, a word or a number is wrong.
func TestSchemaBad(t *testing.T) {
	s := schema(t)
	tells := []string{"access", "authentication", "closed", "people", "redirects", "servers", "spelling", "types", "unknown-keys", "urls"}
	refused := 0
	fixture.Pages(t, "testdata/bad/*.txtar", func(t *testing.T, p *fixture.Page) {
		for i, files := 0, p.List(); i < len(files); i += 2 {
			name, text := files[i], files[i+1]
			if !strings.HasSuffix(name, ".toml") {
				continue
			}
			_, _, mistakes := providerfile.Directory{FS: fixture.FS(files...)}.Parse(name, []byte(text))
			err, ok := valid(t, s, text)
			switch page := strings.TrimPrefix(t.Name(), "TestSchemaBad/"); {
			case !ok:
			case err != nil && len(mistakes) == 0:
				t.Errorf("%s is refused, and the reader takes it: %v", name, err)
			case err != nil:
				refused++
			case len(mistakes) > 0 && slices.Contains(tells, page):
				t.Errorf("%s is taken, and has %v", name, mistakes)
			}
		}
	})
	if refused < 29 {
		t.Errorf("only %d are refused", refused)
	}
}

// The reader takes the keys that the tables have, and no others: it lists them where it
// finds one that it does not know.
func TestKeys(t *testing.T) {
	for _, table := range providerfile.Tables() {
		text := fixture.Family
		switch {
		case table.Name == "":
			text = "zzzzzzzz = 1\n" + text
		case table.Name == "enable.text":
			text += "[[enable]]\ntext.zzzzzzzzz = \"x\"\n"
		case table.Array:
			text += "[[" + table.Name + "]]\nzzzzzzzzz = \"x\"\n"
		default:
			text += "[" + table.Name + "]\nzzzzzzzzz = \"x\"\n"
		}
		_, _, mistakes := providerfile.Directory{}.Parse("a.toml", []byte(text))
		var got []string
		for _, m := range mistakes {
			_, key, _ := strings.Cut("."+m.Key, ".zzz")
			if key == "" {
				continue
			}
			_, allowed, _ := strings.Cut(m.Err.Error(), "; ")
			allowed = strings.TrimSuffix(strings.TrimSuffix(allowed, " is allowed"), " are allowed")
			got = strings.Split(strings.ReplaceAll(allowed, " and ", ", "), ", ")
		}
		var want []string
		for _, k := range table.Keys {
			want = append(want, k.Name)
		}
		if table.Name == "" { // and the tables
			for _, other := range providerfile.Tables()[1:] {
				if !strings.Contains(other.Name, ".") {
					want = append(want, other.Name)
				}
			}
		}
		if table.Name == "enable" {
			want = append(want, "text")
		}
		if table.Texts {
			want = append(want, "tags such as en", "fr", "pt-BR")
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("[%s]: the reader knows %q, the table %q", table.Name, got, want)
		}
	}
}

// docs/catalogue.md has the tables as they are.
func TestManual(t *testing.T) {
	manual := fixture.ReadFile(t, "../../docs/catalogue.md")
	for _, table := range providerfile.Tables() {
		if name := table.Name; name == "setup" || name == "outgoing" || name == "enable.text" {
			continue // as incoming; as a notice
		}
		if rows := table.Manual(); !strings.Contains(manual, rows) {
			t.Errorf("docs/catalogue.md lacks the rows of [%s]:\n%s", table.Name, rows)
		}
	}
}
