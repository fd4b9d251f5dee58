package textfile_test

import (
	"errors"
	"strings"
	"testing"

	"milepost/internal/textfile"
)

func TestSeries(t *testing.T) {
	for _, tc := range []struct {
		name  string
		added int
		told  int
		last  string
	}{
		{"none", 0, 0, ""},
		{"one", 1, 1, "f:1: is wrong"},
		{"a hundred", 100, 100, "f:100: is wrong"},
		{"one more", 101, 101, "f:101: is the first of 1 more that are not told one by one"},
		{"many more", 100_000, 101, "f:101: is the first of 99900 more that are not told one by one"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s textfile.Series
			asked := 0
			for i := range tc.added {
				s.Add(textfile.Error{File: "f", Line: i + 1}, func() error { asked++; return errors.New("is wrong") })
			}
			lines := strings.Split(s.Errors().Error(), "\n")
			if s.Len() != tc.added || len(s.Errors()) != tc.told || lines[len(lines)-1] != tc.last || asked > 100 {
				t.Errorf("%d added, %d told, asked %d times, last: %s", s.Len(), len(s.Errors()), asked, lines[len(lines)-1])
			}
		})
	}
}
