package directory

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/tools/txtar"

	"milepost/catalogue"
	"milepost/internal/config"
	"milepost/internal/textfile"
)

// Options say where sources are kept for when they are down, and who is told.
type Options struct {
	State string // a directory; empty: they are not kept
	Log   *slog.Logger
}

// Sources are all sources of domains, read and watched.
type Sources struct {
	options Options
	changed chan struct{}

	mu      sync.Mutex
	running context.Context // nil: they are not watched
	all     []*source       // in the order of the configuration
	edition int             // of the provider files; grows with each change
}

// source is one of them. Its reading is its watcher's.
type source struct {
	reading reading
	wake    chan struct{} // holds one

	// What follows is behind the lock of all.

	stop context.CancelFunc // nil: it is not watched
	done chan struct{}

	unkept    bool // the disk has not what there is, as its watcher begins
	gone      bool // it is none any more, and its file on the disk perhaps another's
	confirmed bool
	table     *catalogue.Table
	texts     map[string]string
	files     fs.FS               // of texts; nil: nobody has asked for it yet
	pending   map[string]struct{} // domains that changed since they were taken
	state     State
}

// State is how it stands with a source.
type State struct {
	Name    string
	Rows    int       // domains that it has, as far as is known
	Lost    int       // rows of it that are not understood and not served
	Fetched time.Time // when Rows last agreed with it; zero: never, so that its domains are missing
	Err     error     // why they may not agree now; nil: they do
}

// Stale tells whether the source may say something else by now than what is served.
func (s State) Stale() bool { return s.Err != nil }

// NewSources has no source yet.
func NewSources(options Options) *Sources {
	return &Sources{options: options, changed: make(chan struct{}, 1)}
}

// Tables opens and loads the sources that are new, keeps those that it knows as they
// are, and closes the others. Mistakes are in the configuration, and then nothing is
// opened or closed. A source that is down has the table of the one that was asked the same
// before, or that the disk keeps, or an empty one, with a warning; it is tried again in the
// background.
func (s *Sources) Tables(ctx context.Context, configured []config.Source) (tables []*catalogue.Table, warnings, mistakes textfile.Errors) {
	s.mu.Lock()
	known := slices.Clone(s.all)
	s.mu.Unlock()
	next, fresh := make([]*source, len(configured)), []*source(nil)
	for i, c := range configured {
		at := slices.IndexFunc(known, func(k *source) bool { return same(k.reading.config, c) })
		if at >= 0 {
			next[i] = known[at]
			continue
		}
		r, err := open(c)
		if err != nil {
			place := c.Place
			place.Err = err
			mistakes = append(mistakes, place)
			continue
		}
		next[i] = newSource(c, r)
		fresh = append(fresh, next[i])
	}
	if len(mistakes) > 0 {
		for _, n := range fresh {
			n.reading.reader.close()
		}
		return nil, nil, mistakes
	}

	said := make([]textfile.Errors, len(fresh))
	var loading sync.WaitGroup
	for i, n := range fresh {
		var former *source
		if at := slices.IndexFunc(known, func(k *source) bool { return k.reading.config.Name == n.reading.config.Name }); at >= 0 {
			former = known[at]
		}
		loading.Go(func() { said[i] = s.load(ctx, n, former) })
	}
	loading.Wait()
	warnings = slices.Concat(said...)

	s.mu.Lock()
	if !slices.Equal(s.all, next) {
		s.edition++
	}
	s.all = next
	for _, k := range known {
		k.gone = !slices.Contains(next, k)
	}
	for _, n := range next {
		tables = append(tables, n.table)
	}
	s.mu.Unlock()
	for _, k := range known { // before one of the same name writes the same file
		if !slices.Contains(next, k) {
			s.end(k)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range next {
		if s.running != nil && n.stop == nil {
			s.watch(n)
		}
	}
	return tables, warnings, nil
}

// same tells whether two sources are read alike, wherever they stand in the file.
func same(a, b config.Source) bool {
	a.Place, b.Place = textfile.Error{}, textfile.Error{}
	return a == b
}

func newSource(c config.Source, r reader) *source {
	empty := catalogue.NewTable(c.Name, func(func(catalogue.Row) bool) {})
	return &source{
		reading: reading{config: c, reader: r, table: empty},
		wake:    make(chan struct{}, 1), pending: make(map[string]struct{}),
		table: empty, state: State{Name: c.Name},
	}
}

// load reads a source for the first time: from itself, or what is known of it: from the
// former one of its name (nil: there is none), or from the disk.
func (s *Sources) load(ctx context.Context, n, former *source) (warnings textfile.Errors) {
	name := "source " + n.reading.config.Name
	n.reading.unseen = true
	u, err := n.reading.look(ctx, false)
	n.reading.unseen = false
	if err != nil {
		why := fmt.Errorf("cannot be read: %w", err)
		k, fault := s.before(former, n.reading.config), error(nil)
		if n.unkept = k.table != nil; !n.unkept && s.options.State != "" {
			k, fault = recall(s.options.State, n.reading.config)
		}
		switch {
		case fault != nil:
			warnings = append(warnings, textfile.Error{File: statePath(s.options.State, n.reading.config.Name), Err: fault})
			fallthrough
		case k.table == nil:
			why = fmt.Errorf("%w; its domains are missing until it can", why)
		default:
			n.reading.table, n.reading.texts, n.state.Fetched = k.table, k.texts, k.fetched
			why = fmt.Errorf("%w; it is served as it was on %s, with %d domains", why, k.fetched.Format(time.RFC3339), k.table.Len())
		}
		warnings = append(warnings, textfile.Error{File: name, Err: why})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.unkept = n.unkept || err == nil
	n.publish(u, err)
	return append(warnings, u.warnings...)
}

// before is what a former source has, if it was asked what another one is; no table: nothing.
func (s *Sources) before(former *source, c config.Source) (k kept) {
	if former == nil || asked(former.reading.config) != asked(c) {
		return k
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if former.state.Fetched.IsZero() {
		return k
	}
	return kept{table: former.table, texts: former.texts, fetched: former.state.Fetched}
}

// publish makes what was read visible to others. It tells whether they have to know.
func (n *source) publish(u update, err error) bool {
	for _, d := range u.changed {
		n.pending[d] = struct{}{}
	}
	n.table, n.texts = n.reading.table, n.reading.texts
	if u.files {
		n.files = nil
	}
	n.state.Rows, n.state.Err = n.table.Len(), err
	if err == nil {
		n.state.Fetched = time.Now()
	}
	if u.whole {
		n.state.Lost = u.lost
	}
	return len(u.changed) > 0 || u.files
}

// Run watches the sources until the context ends, and then keeps them on the disk.
func (s *Sources) Run(ctx context.Context) {
	s.mu.Lock()
	s.running = ctx
	for _, n := range s.all {
		s.watch(n)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.running = nil
	var watched []chan struct{}
	for _, n := range s.all {
		if n.done != nil { // else it has just been opened
			watched = append(watched, n.done)
		}
	}
	s.mu.Unlock()
	for _, done := range watched {
		<-done
	}
}

// Changed says that there is something to [Sources.Take].
func (s *Sources) Changed() <-chan struct{} { return s.changed }

// Take returns the tables as they are now, in the order of the configuration, and the
// domains in which they differ from those that were taken before, in A-labels.
func (s *Sources) Take() (tables []*catalogue.Table, changed []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		tables = append(tables, n.table)
		changed = slices.AppendSeq(changed, maps.Keys(n.pending))
		n.pending = make(map[string]struct{}) // one that was cleared would keep the memory of a million
	}
	return tables, changed
}

// Files are the provider files of the sources that have some, by the source's name. The
// edition is another whenever they are.
func (s *Sources) Files() (files map[string]fs.FS, edition int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	files = make(map[string]fs.FS)
	for _, n := range s.all {
		if len(n.texts) == 0 {
			continue
		}
		if n.files == nil { // every refresh asks whether they have changed
			n.files = filesOf(n.texts)
		}
		if n.files != nil {
			files[n.reading.config.Name] = n.files
		}
	}
	return files, s.edition
}

// filesOf makes provider files of their texts; nil: an ID is no name of a file, which was
// looked at when they were read.
func filesOf(texts map[string]string) fs.FS {
	var a txtar.Archive
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		a.Files = append(a.Files, txtar.File{Name: id + ".toml", Data: []byte(texts[id])})
	}
	dir, err := txtar.FS(&a)
	if err != nil {
		return nil
	}
	return dir
}

// States are in the order of the configuration.
func (s *Sources) States() (states []State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		states = append(states, n.state)
	}
	return states
}

// Confirm takes over, at once, also a source that seems to have lost most of its
// domains.
func (s *Sources) Confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		n.confirmed = true
		n.rouse()
	}
}

// Close ends the watching and closes the sources.
func (s *Sources) Close() {
	s.mu.Lock()
	all := s.all
	s.all, s.running = nil, nil
	s.mu.Unlock()
	for _, n := range all {
		s.end(n)
	}
}

func (s *Sources) end(n *source) {
	s.mu.Lock()
	stop, done := n.stop, n.done
	s.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
	n.reading.reader.close()
}

func (n *source) rouse() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (s *Sources) tell() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
