package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/textfile"
)

const (
	versionTimeout = 10 * time.Second
	readTimeout    = 10 * time.Minute
	// wholeEvery is how often everything is read although nothing seems to have
	// changed: not every system writes down the time of each change.
	wholeEvery = 10 * time.Minute
	// atLeast is how much longer than a whole read took nothing is read as a whole
	// again, so that it cannot keep a database busy.
	atLeast = 10
	// seldom is how much longer than a question took it is not asked again: so it takes
	// the database a twentieth of a core at most.
	seldom = 20
	// rarely is the same of counting, where another question says when something is new.
	rarely = 100
	// lookBack is how many seconds before the last change the next ones are looked
	// for: transactions do not commit in the order in which they took their time.
	lookBack = 60
	// fewRows may lose more than half of them and yet be taken over.
	fewRows = 10
	// settling is how long after a version was first seen it may hide another change: most
	// say the time of the last one in seconds.
	settling = 2 * time.Second
)

// reading is the state of reading one source. It belongs to one goroutine at a time.
type reading struct {
	config config.Source
	reader reader

	table   *catalogue.Table
	unseen  bool              // nobody has it yet, so nobody need know what changes in it
	texts   map[string]string // provider files by ID
	version string
	news    time.Time        // when it was first seen
	settled bool             // what it says was read long enough after that
	at      uint32           // the last change that was seen
	off     int              // by how much the source counts more domains than the table has
	counts  bool             // whether it counts
	whole   time.Time        // when it was read as a whole; zero: never
	took    time.Duration    // how long that took
	asking  [2]time.Duration // how long it took to ask for the version, last and before
	short   error            // why it is not taken over; nil: it is
}

// update is what a look at a source brought.
type update struct {
	changed  []string // domains
	files    bool     // provider files
	warnings textfile.Errors
	lost     int // rows that are not served
	whole    bool
}

// look sees whether a source has changed and reads what has. Confirmed, it takes over
// also what seems to have lost most of its domains.
func (r *reading) look(ctx context.Context, confirmed bool) (update, error) {
	begun := time.Now()
	version, err := bounded(ctx, versionTimeout, r.reader.version)
	r.asking[0], r.asking[1] = time.Since(begun), r.asking[0]
	if err != nil {
		return update{}, err
	}
	rest := time.Since(r.whole)
	if version != r.version {
		r.news = begun
	}
	if !confirmed && version != "" && version == r.version && r.settled && rest < wholeEvery {
		return update{}, r.short
	}
	var u update
	if !confirmed && !r.whole.IsZero() && r.short == nil && r.at > 0 && rest < wholeEvery {
		var complete bool
		if u, complete, err = r.increment(ctx); complete || err != nil {
			if err == nil {
				r.saw(version, begun)
			}
			return u, err
		}
	}
	if !confirmed && rest < atLeast*r.took {
		return u, r.short // and the version does not count as seen
	}
	w, err := r.readWhole(ctx, confirmed)
	w.changed, w.files = append(w.changed, u.changed...), w.files || u.files
	if err == nil || r.short != nil {
		r.saw(version, begun)
	}
	return w, err
}

// saw notes that what a version says was read, from a time on.
func (r *reading) saw(version string, begun time.Time) {
	r.version = version
	r.settled = r.at == 0 || r.short != nil || begun.Sub(r.news) >= settling
}

// increment takes over what has changed. It is not complete if that does not explain
// what there is now: a row may be gone without a trace.
func (r *reading) increment(ctx context.Context) (u update, complete bool, err error) {
	rows := r.rows()
	var changes []catalogue.Change
	seen := make(map[string]int) // its place among them
	total, able := -1, false
	_, err = bounded(ctx, readTimeout, func(ctx context.Context) (_ any, err error) {
		total, able, err = r.reader.since(ctx, r.at-min(r.at, lookBack), func(rec record) error {
			row, ok := rows.row(rec)
			if !ok {
				return nil
			}
			c := catalogue.Change{Row: row, Gone: rec.gone}
			if i, twice := seen[row.Domain.ASCII]; twice {
				if changes[i].Gone { // of two rows, the one that is served counts
					changes[i] = c
				}
				return nil
			}
			if len(changes) == maxRows {
				return errTooMany
			}
			seen[row.Domain.ASCII] = len(changes)
			changes = append(changes, c)
			return nil
		})
		return nil, err
	})
	if err != nil || !able {
		return u, false, err
	}
	next := r.table
	if changes = r.real(changes); len(changes) > 0 {
		next = r.table.With(changes)
	}
	if shrunk(next.Len(), r.table.Len()) != nil { // the whole will say so
		return u, false, nil
	}
	texts, files, err := r.readFiles(ctx)
	if err != nil {
		return u, false, err
	}
	r.table, r.texts, r.at = next, texts, max(r.at, rows.latest)
	u.files, u.warnings, u.lost = files, rows.warnings(), rows.lost
	for _, c := range changes {
		u.changed = append(u.changed, c.Domain.ASCII)
	}
	return u, !r.counts || total-next.Len() == r.off, nil
}

// real leaves out changes that change nothing.
func (r *reading) real(changes []catalogue.Change) []catalogue.Change {
	kept := changes[:0]
	for _, c := range changes {
		was, ok := r.table.Find(c.Domain.ASCII)
		if ok != !c.Gone || ok && (was.Belonging != c.Belonging || was.Changed != c.Changed) {
			kept = append(kept, c)
		}
	}
	return kept
}

var errTooMany = fmt.Errorf("has more than %d rows; so many are allowed", maxRows)

// readWhole reads everything and finds what differs.
func (r *reading) readWhole(ctx context.Context, confirmed bool) (u update, err error) {
	begun := time.Now()
	rows := r.rows()
	total, n := -1, 0
	fresh, err := bounded(ctx, readTimeout, func(ctx context.Context) (t *catalogue.Table, err error) {
		t = catalogue.NewTable(r.config.Name, func(yield func(catalogue.Row) bool) {
			total, err = r.reader.all(ctx, func(rec record) error {
				if n++; n > maxRows {
					return errTooMany
				}
				if rec.gone {
					return nil
				}
				if row, ok := rows.row(rec); ok {
					yield(row)
				}
				return nil
			})
		})
		return t, err
	})
	if err != nil {
		return u, err
	}
	texts, files, err := r.readFiles(ctx)
	if err != nil {
		return u, err
	}
	r.whole, r.took = time.Now(), time.Since(begun)
	u.whole, u.warnings, u.lost = true, rows.warnings(), rows.lost
	if r.short = shrunk(fresh.Len(), r.table.Len()); r.short != nil && !confirmed {
		return u, r.short
	}
	r.short = nil
	r.texts, u.files = texts, files
	r.at, r.counts, r.off = rows.latest, total >= 0, total-fresh.Len()
	if r.unseen {
		r.table = fresh
		return u, nil
	}
	u.changed = differences(r.table, fresh)
	switch {
	case len(u.changed) == 0:
	case len(u.changed) < r.table.Len()/16:
		r.table = r.table.With(changes(u.changed, r.table, fresh)) // shares what is the same with the one that is served
	default:
		r.table = fresh
	}
	return u, nil
}

func (r *reading) rows() *rows { return &rows{source: &r.config, now: time.Now().Unix()} }

// readFiles reads the provider files, if the source has any.
func (r *reading) readFiles(ctx context.Context) (texts map[string]string, changed bool, err error) {
	f, ok := r.reader.(filer)
	if !ok {
		return nil, false, nil
	}
	if texts, err = f.files(ctx); err != nil {
		return r.texts, false, err
	}
	return texts, !maps.Equal(texts, r.texts), nil
}

// differences are the domains whose rows are not the same in two tables.
func differences(before, after *catalogue.Table) (domains []string) {
	for row := range after.All() {
		if was, ok := before.Find(row.Domain.ASCII); !ok || was.Belonging != row.Belonging || was.Changed != row.Changed {
			domains = append(domains, row.Domain.ASCII)
		}
	}
	for row := range before.All() {
		if _, ok := after.Find(row.Domain.ASCII); !ok {
			domains = append(domains, row.Domain.ASCII)
		}
	}
	return domains
}

// changes make the rows of some domains in one table what they are in another.
func changes(domains []string, before, after *catalogue.Table) []catalogue.Change {
	all := make([]catalogue.Change, len(domains))
	for i, d := range domains {
		row, ok := after.Find(d)
		if !ok {
			row, _ = before.Find(d)
		}
		all[i] = catalogue.Change{Row: row, Gone: !ok}
	}
	return all
}

// shrunk refuses what has lost most of its domains: more likely a table is being
// filled again than half of all customers left.
func shrunk(now, before int) error {
	if before > 0 && now == 0 || before >= fewRows && 2*now < before {
		return lostMost{now, before}
	}
	return nil
}

type lostMost struct{ now, before int }

func (l lostMost) Error() string {
	return fmt.Sprintf("has %d domains, and had %d; if that is meant, SIGUSR1 takes it over, as a restart does", l.now, l.before)
}

// bounded calls a function with so much time, and says so if that was too little.
func bounded[T any](ctx context.Context, time time.Duration, f func(context.Context) (T, error)) (T, error) {
	within, cancel := context.WithTimeout(ctx, time)
	defer cancel()
	v, err := f(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = errors.New("does not answer within " + time.String())
	}
	return v, err
}
