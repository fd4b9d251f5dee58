package textfile_test

import (
	"errors"
	"testing"

	"milepost/internal/textfile"
)

func TestErrorIsOneLine(t *testing.T) {
	for name, tc := range map[string]struct {
		err  textfile.Error
		want string
	}{
		"all parts":            {textfile.Error{File: "f", Line: 2, Key: "k", Err: errors.New("is wrong")}, "f:2: k: is wrong"},
		"a file's odd name":    {textfile.Error{File: "a\nb\x1b[2J", Err: errors.New("is wrong")}, `a\nb\x1b[2J: is wrong`},
		"a quote at the end":   {textfile.Error{File: "f", Err: errors.New("\x00 is not \"x\"")}, `f: \x00 is not \"x\"`},
		"no text at all":       {textfile.Error{File: "f", Key: "\xff", Err: errors.New("is wrong")}, `f: \xff: is wrong`},
		"quotes that are fine": {textfile.Error{File: "f", Err: errors.New(`"x" is wrong`)}, `f: "x" is wrong`},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}
