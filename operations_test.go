package milepost_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"milepost/internal/metrics"
	"milepost/internal/useragent"

	"github.com/google/go-cmp/cmp"
)

const operations = "docs/operations.md"

// table returns the first cells of the rows of a table in docs/operations.md, which
// begins with a heading cell.
func table(t *testing.T, heading string, cells int) (rows []string) {
	t.Helper()
	text, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(text), "\n| "+heading+" |")
	body, _, _ = strings.Cut(body, "\n\n")
	for i, line := range strings.Split(strings.TrimSpace(body), "\n") {
		if i < 2 { // the heading and the rule below it
			continue
		}
		row := strings.Split(strings.Trim(line, "|"), "|")
		for i := range row {
			row[i] = strings.Trim(strings.TrimSpace(row[i]), "`")
		}
		if len(row) <= cells || row[len(row)-1] == "" {
			t.Fatalf("%s: a cell is missing: %s", operations, line)
		}
		rows = append(rows, strings.Join(row[:cells], " | "))
	}
	if !ok || len(rows) < 5 {
		t.Fatalf("%s has %d rows under %s", operations, len(rows), heading)
	}
	slices.Sort(rows)
	return rows
}

// source walks all calls and selectors of the program, tests left out.
func source(t *testing.T, visit func(path string, n ast.Node)) {
	t.Helper()
	files := token.NewFileSet()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			visit(path, n)
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// logger is what an expression looks like that is a log.
var logger = regexp.MustCompile(`(^|\.)(log|Log|logger|Logger|slog)$|^slog\.New\(`)

// Every line of the log has a row: its level, its message and its attributes.
func TestLogTable(t *testing.T) {
	levels := map[string]string{"Debug": "debug", "Info": "info", "Warn": "warn", "Error": "error"}
	var logged []string
	source(t, func(path string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !logger.MatchString(types.ExprString(sel.X)) {
			return
		}
		args := call.Args
		level, context := strings.CutSuffix(sel.Sel.Name, "Context")
		if levels[level] == "" {
			return
		}
		if context {
			args = args[1:]
		}
		words := make([]string, 0, len(args))
		for i, arg := range args {
			switch arg := arg.(type) {
			case *ast.BasicLit:
				if i == 0 || i%2 == 1 {
					words = append(words, strings.Trim(arg.Value, `"`))
				}
			default:
				if i == 0 || i%2 == 1 {
					t.Errorf("%s: %s: a message or a key is no literal, so no table can be compared with it", path, types.ExprString(call))
					words = append(words, "?")
				}
			}
		}
		logged = append(logged, fmt.Sprintf("%s | %s | %s", levels[level], words[0], strings.Join(words[1:], " ")))
	})
	// The line of a request is written by hand.
	byHand, err := os.ReadFile("internal/httpd/logline.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(byHand), ") appendText(")
	text, _, _ = strings.Cut(text, "\n}\n")
	var keys []string
	for _, m := range regexp.MustCompile(`" ?[^"]*\b(\w+)="\.\.\.`).FindAllStringSubmatch(text, -1) {
		keys = append(keys, m[1])
	}
	logged = append(logged, "info | http | "+strings.Join(keys[1:], " ")) // time is of all lines
	slices.Sort(logged)
	if diff := cmp.Diff(slices.Compact(logged), table(t, "Level", 3)); diff != "" {
		t.Errorf("the source and %s differ:\n%s", operations, diff)
	}
}

// Every status that is sent has a row, and a series of its own.
func TestStatusTable(t *testing.T) {
	codes := map[string]int{"ErrNotFound": http.StatusNotFound, "ErrMethodNotAllowed": http.StatusMethodNotAllowed}
	for code := range 600 {
		codes["Status"+strings.ReplaceAll(http.StatusText(code), " ", "")] = code
	}
	sent := []string{strconv.Itoa(http.StatusRequestHeaderFieldsTooLarge)} // by net/http
	source(t, func(path string, n ast.Node) {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || strings.HasPrefix(path, "internal/metrics/") || strings.HasPrefix(path, "internal/fixture/") {
			return
		}
		switch pkg := types.ExprString(sel.X); {
		case pkg == "http" && strings.HasPrefix(sel.Sel.Name, "Status") && sel.Sel.Name != "StatusText", pkg == "echo" && codes[sel.Sel.Name] != 0:
			code := codes[sel.Sel.Name]
			sent = append(sent, strconv.Itoa(code))
			if !slices.Contains(metrics.Statuses(), code) {
				t.Errorf("%s: %d counts as other", path, code)
			}
		}
	})
	slices.Sort(sent)
	if diff := cmp.Diff(slices.Compact(sent), table(t, "Status", 1)); diff != "" {
		t.Errorf("the source and %s differ:\n%s", operations, diff)
	}
}

// Every metric has a row.
func TestMetricsTable(t *testing.T) {
	named := regexp.MustCompile(`(?:namespace ?\+ ?|newCounter\()"(\w+)"`)
	var names []string
	paths, err := filepath.Glob("internal/metrics/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		code, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(code), -1) {
			names = append(names, "milepost_"+m[1])
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff(slices.Compact(names), table(t, "Metric", 1)); diff != "" {
		t.Errorf("the source and %s differ:\n%s", operations, diff)
	}
}

// Every class of clients has a row.
func TestClassTable(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(slices.Values(useragent.Names())), table(t, "Class", 1)); diff != "" {
		t.Errorf("the source and %s differ:\n%s", operations, diff)
	}
}
