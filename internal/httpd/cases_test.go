package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"milepost/catalogue"
	"milepost/data"
	"milepost/internal/httpd"
	"milepost/internal/pages"
	"milepost/internal/providerfile"
	"milepost/internal/snapshot"
)

var update = flag.Bool("update", false, "rewrite the responses under testdata/cases")

// TestCases plays the pages under testdata/cases: each holds provider files
// (none: the shipped catalogue), and requests with their responses as wire text.
func TestCases(t *testing.T) {
	pages, err := filepath.Glob("../../testdata/cases/*.txtar")
	if err != nil || len(pages) == 0 {
		t.Fatal("no cases", err)
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(page)
			if err != nil {
				t.Fatal(err)
			}
			addr := start(t, catalogueOf(t, archive), io.Discard)
			for i := 0; i < len(archive.Files); i++ { // the list grows
				name, ok := strings.CutSuffix(archive.Files[i].Name, ".request")
				if !ok {
					continue
				}
				got := exchange(t, addr, string(archive.Files[i].Data))
				if i+1 == len(archive.Files) || archive.Files[i+1].Name != name+".response" {
					archive.Files = slices.Insert(archive.Files, i+1, txtar.File{Name: name + ".response"})
				}
				answer := &archive.Files[i+1]
				if !*update {
					if diff := cmp.Diff(string(answer.Data), got); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
				answer.Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(page, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func catalogueOf(t testing.TB, archive *txtar.Archive) *catalogue.Catalogue {
	t.Helper()
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		if ext := filepath.Ext(f.Name); ext == ".toml" || ext == ".txt" {
			files[f.Name] = &fstest.MapFile{Data: f.Data}
		}
	}
	source := providerfile.Directory{FS: files}
	if len(files) == 0 {
		source.FS = data.Providers()
	}
	c, _, err := providerfile.Load(source)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start serves a catalogue on a free port until the test ends.
func start(t testing.TB, c *catalogue.Catalogue, logTo io.Writer) (addr string) {
	t.Helper()
	return startOptions(t, httpd.Options{Current: current(t, c, "")}, logTo)
}

func startOptions(t testing.TB, o httpd.Options, logTo io.Writer) (addr string) {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(logTo, nil))
	return startHandler(t, httpd.Handler(o), o.Log)
}

// current makes a snapshot that stays.
func current(t testing.TB, c *catalogue.Catalogue, publicURL string) func() *snapshot.Snapshot {
	t.Helper()
	s, err := snapshot.New(c, pages.Branding{}, publicURL)
	if err != nil {
		t.Fatal(err)
	}
	return func() *snapshot.Snapshot { return s }
}

func startHandler(t testing.TB, h http.Handler, log *slog.Logger) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- httpd.Serve(ctx, listener, h, log, httpd.DefaultDrain) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().String()
}

// clock is what differs from one error document to the next.
var clock = regexp.MustCompile(`Time="\d\d:\d\d:\d\d\.\d{7}"`)

// exchange sends wire text, with the length of its body added, and returns the
// response as wire text: its headers sorted, without the date and the clock.
func exchange(t testing.TB, addr, request string) string {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute)) // a broken server ends the test, not CI
	if body != "" && !strings.Contains(head, "Content-Length:") {
		head += fmt.Sprintf("\nContent-Length: %d", len(body))
	}
	wire := strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
	if _, err := io.WriteString(conn, wire); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	content = clock.ReplaceAll(content, []byte(`Time="HH:MM:SS.fraction"`))
	resp.Header.Del("Date")
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %s\n", resp.Status)
	names := make([]string, 0, len(resp.Header))
	for name := range resp.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(resp.Header[name], ", "))
	}
	fmt.Fprintf(&b, "\n%s", content)
	if len(content) == 0 || content[len(content)-1] != '\n' {
		b.WriteByte('\n')
	}
	return b.String()
}
