package directory

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/textfile"
)

// kept is what a file on the disk keeps of a source, for a start at which it is down.
type kept struct {
	table   *catalogue.Table
	texts   map[string]string
	fetched time.Time // when it was read from the source
}

// A file of state is text in lines: what it is; the source's name; what the source is
// asked, as a hash; when it was read; how many provider files and domains follow. Then
// a provider file a line, as JSON; a domain a line: domain, provider, host, name and
// time of change with tabs between. The last line is the SHA-256 of all before it.
const stateHead = "milepost source, form 1"

const (
	maxStateLine = 8 << 20 // octets; a provider file is the longest
	maxFiles     = 10_000  // provider files of a source

	unfinishedFor = time.Hour // nobody writes for so long
)

// statePath is where the state of a source lies.
func statePath(dir, name string) string { return filepath.Join(dir, name+".domains") }

// asked identifies what a source is asked. The DSN is not in it: the same database may
// be reached in another way.
func asked(s config.Source) string {
	text := fmt.Sprintf("%q", []string{string(s.Kind), s.Preset, s.Base, s.Filter, s.Provider, s.Domains, s.DomainAttribute, s.ProviderAttribute, s.HostAttribute, s.NameAttribute})
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// keep writes a source's state in place of the one before.
func keep(dir string, s config.Source, k kept) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	removeUnfinished(dir, s.Name)
	f, err := os.CreateTemp(dir, unfinished(s.Name)) // 0600, and nobody's else
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<16)
	fmt.Fprintf(w, "%s\n%s\n%s\n%s\n%d\n%d\n", stateHead, s.Name, asked(s), k.fetched.UTC().Format(time.RFC3339), len(k.texts), k.table.Len())
	for id, text := range k.texts {
		line, err := json.Marshal([2]string{id, text})
		if err != nil {
			return err
		}
		w.Write(line)
		w.WriteByte('\n')
	}
	var line []byte
	for row := range k.table.All() {
		line = append(line[:0], row.Domain.ASCII...)
		for _, s := range [...]string{row.Provider, string(row.Host), row.Name} {
			line = append(append(line, '\t'), s...)
		}
		w.Write(append(strconv.AppendUint(append(line, '\t'), uint64(row.Changed), 10), '\n'))
	}
	if err := w.Flush(); err != nil {
		return cmp.Or(f.Close(), err)
	}
	_, err = fmt.Fprintf(f, "%x\n", sum.Sum(nil))
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), statePath(dir, s.Name))
}

// unfinished is the pattern of the names under which a state is written.
func unfinished(name string) string { return "." + name + ".*" }

// removeUnfinished removes what processes have left that were killed while they wrote: one
// that is killed again and again would fill the disk.
func removeUnfinished(dir, name string) {
	left, _ := filepath.Glob(filepath.Join(dir, unfinished(name)))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > unfinishedFor {
			os.Remove(path)
		}
	}
}

// recall reads it. There is no error, and no table, if there is none.
func recall(dir string, s config.Source) (k kept, err error) {
	f, err := os.Open(statePath(dir, s.Name))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, textfile.Reason(err)
	}
	defer f.Close()
	l := &lines{r: bufio.NewReaderSize(f, 1<<16), sum: sha256.New()}
	if l.next() != stateHead {
		return k, cmp.Or(l.err, errors.New("is no state of a source that this version reads"))
	}
	name, question, when := l.next(), l.next(), l.next()
	files, domains := l.number(maxFiles), l.number(maxRows)
	fetched, err := time.Parse(time.RFC3339, when)
	switch {
	case l.err != nil || err != nil || name != s.Name:
		return k, errDamaged
	case question != asked(s):
		return k, errors.New("is what the source said when it was asked something else, as its table in milepost.toml shows")
	}
	k.fetched, k.texts = fetched, make(map[string]string)
	for range files {
		var pair [2]string
		if json.Unmarshal([]byte(l.next()), &pair) != nil {
			return kept{}, errDamaged
		}
		k.texts[pair[0]] = pair[1]
	}
	parse := rows{source: &s, now: time.Now().Unix()}
	var last record // most rows have what the one before had, so it is kept once
	k.table = catalogue.NewTable(s.Name, func(yield func(catalogue.Row) bool) {
		for n := 0; n < domains && l.err == nil; n++ {
			r, ok := recallRow(l.line(), last)
			if !ok {
				l.err = errDamaged
				return
			}
			last = r
			if row, ok := parse.row(r); ok {
				yield(row)
			}
		}
	})
	want := hex.EncodeToString(l.sum.Sum(nil))
	if got := l.next(); l.err != nil || got != want || parse.lost > 0 {
		return kept{}, errDamaged
	}
	return k, nil
}

// recallRow reads a domain's line. What is the same in the row before is taken from there.
func recallRow(line []byte, before record) (r record, ok bool) {
	r = record{provider: before.provider, host: before.host, name: before.name}
	domain, rest, ok := bytes.Cut(line, tab)
	for _, to := range [...]*string{&r.provider, &r.host, &r.name} {
		cell, after, more := bytes.Cut(rest, tab)
		if string(cell) != *to {
			*to = string(cell)
		}
		rest, ok = after, ok && more
	}
	changed, err := strconv.ParseUint(string(rest), 10, 32)
	r.domain, r.changed = string(domain), int64(changed)
	return r, ok && err == nil
}

var tab = []byte{'\t'}

var errDamaged = errors.New("is damaged")

// lines reads a file of state, and sums what it has read.
type lines struct {
	r   *bufio.Reader
	sum hash.Hash
	err error
}

// next is the next line; empty after an error.
func (l *lines) next() string { return string(l.line()) }

// line is the same until the next one is read.
func (l *lines) line() []byte {
	if l.err != nil {
		return nil
	}
	var long []byte
	for {
		part, err := l.r.ReadSlice('\n')
		l.sum.Write(part)
		if err == nil && long == nil {
			return bytes.TrimSuffix(part, []byte("\n"))
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(long, []byte("\n"))
		case !errors.Is(err, bufio.ErrBufferFull) || len(long) > maxStateLine:
			l.err = errDamaged
			return nil
		}
	}
}

func (l *lines) number(most int) int {
	n, err := strconv.Atoi(l.next())
	if err != nil || n < 0 || n > most {
		l.err = errDamaged
		return 0
	}
	return n
}
