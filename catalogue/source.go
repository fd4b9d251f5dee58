package catalogue

import (
	"context"

	"milepost/internal/textfile"
	"milepost/settings"
)

// Source is where providers come from: a directory of files, a database.
type Source interface {
	// Load reads every provider; the entries are the caller's. A warning says what
	// was left out, or what is allowed and probably not meant. After a mistake
	// nothing is served, but the entries that could be read are returned all the
	// same, so that New tells what is claimed twice too. When ctx ends, that is a
	// mistake.
	Load(ctx context.Context) (entries []Entry, warnings, mistakes textfile.Errors)
}

// Entry is a provider and where it came from. What stands in no file has a place
// too: File is then the source's name for its table, Line the number of a row.
type Entry struct {
	Provider *settings.Provider // Domains: those of File, then those of List
	File     string
	Line     int     // of the provider's ID, and of whatever has no line below
	Lines    []int32 // of the Domains in File
	MXLines  []int32 // of the MX domains
	List     List    // zero: there is none
	// Bare is the mistake that a provider without domains and MX domains is, unless a
	// table has domains of it; zero: it has some.
	Bare textfile.Error
}

// List is a provider's list of domains. It is data, not configuration: a domain
// that was claimed before is left out, with a warning; in File it is a mistake.
type List struct {
	File    string
	Lines   []int32 // one for each domain
	Dropped int     // lines that were left out
}

// ListSize says how long a list of domains is.
type ListSize struct {
	File             string
	Domains, Dropped int // lines that name a domain; lines that were left out
}

// own returns how many of the domains stand in File, not in List.
func (e *Entry) own() int { return len(e.Provider.Domains) - len(e.List.Lines) }

// claimed says where the i-th domain is claimed.
func (e *Entry) claimed(i int) textfile.Error {
	if own := e.own(); i >= own {
		return textfile.Error{File: e.List.File, Line: int(e.List.Lines[i-own])}
	}
	return textfile.Error{File: e.File, Line: e.line(e.Lines, i), Key: "domains"}
}

func (e *Entry) line(lines []int32, i int) int {
	if 0 <= i && i < len(lines) {
		return int(lines[i])
	}
	return e.Line
}
