package exchange_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"milepost/catalogue"
	"milepost/internal/exchange"
	"milepost/internal/fixture"
	"milepost/internal/providerfile"
)

// bucket is what a CDN has: keys and contents.
type bucket map[string]string

// upload does what docs/export.md says: an export's files are put, and the keys of
// deleted.txt removed. It returns how many were put.
func (b bucket) upload(t testing.TB, dir string) (put int) {
	t.Helper()
	for _, folder := range []string{"v1.1", "ua-auto-config", "mta-sts"} {
		files, err := os.ReadDir(filepath.Join(dir, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b[folder+"/"+f.Name()] = fixture.ReadFile(t, filepath.Join(dir, folder, f.Name()))
			put++
		}
	}
	for key := range strings.Lines(fixture.ReadFile(t, filepath.Join(dir, exchange.DeletedFile))) {
		delete(b, strings.TrimSuffix(key, "\n"))
	}
	return put
}

// differs compares with a manifest.
func (b bucket) differs(t testing.TB, manifest string) string {
	t.Helper()
	var keys []string
	for line := range strings.Lines(manifest) {
		var o exchange.Object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		body, ok := b[o.Key]
		if sum := sha256.Sum256([]byte(body)); !ok || o.SHA256 != hex.EncodeToString(sum[:]) || o.Size != int64(len(body)) {
			return fmt.Sprintf("%s is %q, %v", o.Key, body, o)
		}
		keys = append(keys, o.Key)
	}
	for key := range b {
		if !slices.Contains(keys, key) {
			return key + " is there still"
		}
	}
	return ""
}

// exportBucket exports, and returns the directory, its manifest and what was said.
func exportBucket(t testing.TB, c *catalogue.Catalogue, since *string) (dir, manifest, said string) {
	t.Helper()
	var b strings.Builder
	dir = filepath.Join(t.TempDir(), "out")
	var err error
	if since == nil {
		err = exporter(c, &b).Bucket(dir, nil, "")
	} else {
		err = exporter(c, &b).Bucket(dir, strings.NewReader(*since), "manifest")
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, fixture.ReadFile(t, filepath.Join(dir, exchange.ManifestFile)), b.String()
}

// A bucket that gets only what has changed holds the same as one that gets everything.
func TestBucketSince(t *testing.T) {
	policy := "[mta_sts]\nmode = \"testing\"\nmx = [\"mx.example.com\"]\n"
	family := func(domains string) string { return strings.Replace(fixture.Family, `"example.com"`, domains, 1) }
	steps := []struct {
		name    string
		file    string
		put     int
		deleted string
	}{
		{"the first", family(`"a.example", "b.example", "c.example"`), 6, ""}, // as many PACC documents
		{"nothing has changed", family(`"c.example", "b.example", "a.example"`), 0, ""},
		{"a domain comes", family(`"a.example", "b.example", "bb.example", "c.example"`), 2, ""},
		{"a domain goes", family(`"a.example", "b.example", "c.example"`), 0, "v1.1/bb.example\nua-auto-config/bb.example\n"},
		{"the last goes", family(`"a.example", "b.example"`), 0, "v1.1/c.example\nua-auto-config/c.example\n"},
		{"a server moves", strings.ReplaceAll(family(`"a.example", "b.example"`), "mail.", "mx."), 4, ""},
		{"policies come", family(`"a.example", "b.example"`) + policy, 6, ""},
		{"a policy changes", family(`"a.example", "b.example"`) + strings.Replace(policy, "testing", "enforce", 1), 2, ""},
		{"policies go", family(`"a.example", "b.example"`), 0, "mta-sts/a.example\nmta-sts/b.example\n"},
		{"one for another", family(`"a.example", "aa.example"`), 2, "v1.1/b.example\nua-auto-config/b.example\n"},
	}
	cdn := make(bucket)
	var held string
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			c := fixture.Catalogue(t, "a.toml", step.file)
			dir, manifest, _ := exportBucket(t, c, &held)
			if put := cdn.upload(t, dir); put != step.put {
				t.Errorf("%d objects are put, want %d", put, step.put)
			}
			if got := fixture.ReadFile(t, filepath.Join(dir, exchange.DeletedFile)); got != step.deleted {
				t.Errorf("deleted %q, want %q", got, step.deleted)
			}
			if difference := cdn.differs(t, manifest); difference != "" {
				t.Error(difference)
			}
			whole, same, _ := exportBucket(t, c, nil)
			fresh := make(bucket)
			fresh.upload(t, whole)
			if difference := fresh.differs(t, manifest); same != manifest || difference != "" {
				t.Errorf("a whole export has another manifest\n%s\nthan\n%s\n%s", same, manifest, difference)
			}
			held = manifest
		})
	}
}

// Shipped providers' domains are not the admin's, so no host of theirs leads here. Those
// of tables are.
func TestBucketOfShipped(t *testing.T) {
	shipped := providerfile.Directory{FS: fixture.FS("theirs.toml", strings.Replace(fixture.Family, "example.com", "theirs.example", 1))}
	ours := providerfile.Directory{FS: fixture.FS("ours.toml", fixture.Family)}
	c, _, err := catalogue.New(t.Context(), catalogue.Input{Shipped: shipped, Own: []catalogue.Source{ours}, Tables: []*catalogue.Table{
		catalogue.NewTable("rows", slices.Values([]catalogue.Row{{Domain: fixture.Domain(t, "row.example"), Belonging: catalogue.Belonging{Provider: "ours"}}})),
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, manifest, _ := exportBucket(t, c, nil)
	var keys []string
	for line := range strings.Lines(manifest) {
		_, rest, _ := strings.Cut(line, `{"key":"`)
		key, _, _ := strings.Cut(rest, `"`)
		keys = append(keys, key)
	}
	if want := []string{"v1.1/example.com", "ua-auto-config/example.com", "v1.1/row.example", "ua-auto-config/row.example", "v1.1/theirs.example"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q, want %q", keys, want)
	}
	_, _, said := exportBucket(t, customers(t), nil)
	want := `mx: what it serves by wildcards (0) or MX domains (1) has no object
none: has no document: no mail program gets in
same: what it serves by wildcards (1) or MX domains (0) has no object
objects: 10; 10 to upload, 0 to delete
`
	if said != want {
		t.Errorf("said\n%s", said)
	}
}

func TestBucketMistakes(t *testing.T) {
	line := func(key string) string {
		return fmt.Sprintf(`{"key":%q,"content_type":"","cache_control":"","size":0,"sha256":""}`+"\n", key)
	}
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(fmt.Sprintf("v1.1/gone-%03d.example", i)))
		}
		return b.String()
	}
	for _, tc := range []struct {
		name, since string
		takeLoss    bool
		want        string // empty: none
	}{
		{"no JSON", line("v1.1/a.example") + "x\n", false, "held:2: is no line of a manifest that an export has made"},
		{"two in a line", strings.TrimSuffix(line("v1.1/a.example"), "\n") + line("v1.1/b.example"), false, "held:1: is no line of a manifest"},
		{"a field too many", `{"key":"v1.1/a.example","x":1}` + "\n", false, "held:1: is no line of a manifest"},
		{"an endless line", strings.Repeat("x", 1<<20), false, "held:1: bufio.Scanner: token too long"},
		{"another's key", line("photos/cat.jpeg"), false, `held:1: "photos/cat.jpeg" is no key that an export has made`},
		{"a key with a path", line("v1.1/../x"), false, `is no key that an export has made`},
		{"a key of two lines", line("v1.1/a.example\nphotos/cat.jpeg"), false, `is no key that an export has made`},
		{"no key", line(""), false, `held:1: "" is no key`},
		{"another order", line("v1.1/b.example") + line("v1.1/a.example"), false, "held:2: v1.1/a.example is not in its place; a manifest stays in the order in which it was written"},
		{"twice the same", line("v1.1/a.example") + line("v1.1/a.example"), false, "is not in its place"},
		{"one of one is gone", many(1), false, "1 of the 1 objects that held has would be deleted; is a list or a source of domains empty? -take-loss says that it is meant"},
		{"twelve of twelve are gone", many(12), false, "12 of the 12 objects"},
		{"twelve of twelve are gone, as is meant", many(12), true, ""},
		{"four of five are gone", line("v1.1/example.com") + many(4), false, ""},
		{"ten of eleven are gone", line("v1.1/example.com") + many(10), false, "10 of the 11 objects"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			e := exporter(customers(t), new(strings.Builder))
			e.TakeLoss = tc.takeLoss
			err := e.Bucket(dir, strings.NewReader(tc.since), "held")
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, none := os.Stat(dir); (none == nil) != (err == nil) {
				t.Errorf("the directory: %v", none)
			}
		})
	}
}
