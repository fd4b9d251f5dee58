package storage

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// Serials are those of parts of zones on which replicas agree: whoever has the same part
// has the same serial. A part is known by its name and a digest of what is in it.
type Serials struct {
	storage Storage
	log     *slog.Logger
	changed chan struct{}

	mu   sync.Mutex
	mine map[string]mine
	read time.Time // when what was read last was written
	away bool      // the storage cannot be used
}

// agreed is a part as the storage has it.
type agreed struct {
	Digest []byte `json:"digest"`
	Serial uint32 `json:"serial"`
	Used   uint32 `json:"used"` // the day since 1970 on which somebody wrote that he has it
}

// mine is a part as this process serves it.
type mine struct {
	digest [32]byte
	serial uint32
	kept   bool // the storage had it so, once
}

const (
	serialsKey = "serials"
	// agreeing is how long a reload may wait for the storage.
	agreeing = 5 * time.Second
	day      = 24 * 60 * 60
	// unused is how many days a part is kept that nobody writes he has.
	unused = 366
)

// OpenSerials opens the storage in which they are. A mistake in where it is is an error;
// a database that does not answer now is none.
func OpenSerials(ctx context.Context, where string, log *slog.Logger) (*Serials, error) {
	storage, err := Open(where)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, agreeing)
	defer cancel()
	s := &Serials{storage: storage, log: log, changed: make(chan struct{}, 1), mine: make(map[string]mine)}
	if err := storage.Check(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, ErrUnreachable) {
		return nil, err
	}
	return s, nil
}

// Agree returns the serials of parts. That of a part that has another digest than the
// storage has of it rises to now, seconds since 1970, or more. While the storage cannot
// be used, what has changed gets a serial of this process, on which it agrees with the
// others later. Parts that are not named stay as they are.
func (s *Serials) Agree(now uint32, parts map[string][32]byte) map[string]uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string][32]byte, len(s.mine)+len(parts))
	for part, m := range s.mine {
		all[part] = m.digest
	}
	maps.Copy(all, parts)
	ctx, cancel := context.WithTimeout(context.Background(), agreeing)
	defer cancel()
	next, err := s.agree(ctx, now, all)
	s.tell(err)
	if err != nil {
		next, _ = s.take(now, all, nil)
	}
	s.mine = next
	serials := make(map[string]uint32, len(parts))
	for part := range parts {
		serials[part] = next[part].serial
	}
	return serials
}

// agree writes only if there is something new.
func (s *Serials) agree(ctx context.Context, now uint32, parts map[string][32]byte) (map[string]mine, error) {
	kept, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if next, all := s.take(now, parts, kept); all {
		return next, nil
	}
	return s.write(ctx, now, parts)
}

// take makes the parts this process's own, with the serials that are kept as far as they
// are. It tells whether those are all of them.
func (s *Serials) take(now uint32, parts map[string][32]byte, kept map[string]agreed) (next map[string]mine, all bool) {
	next, all = make(map[string]mine, len(parts)), true
	for part, digest := range parts {
		k, known := kept[part]
		m, had := s.mine[part]
		same := had && m.digest == digest
		switch {
		case known && string(k.Digest) == string(digest[:]) && m.serial <= k.Serial: // else it would fall
			m = mine{digest, k.Serial, true}
		case known && same && m.kept && string(k.Digest) != string(digest[:]):
			// Others have another one already, or still, and nothing has changed here.
		default:
			all = false
			serial := m.serial // it was given out while the storage could not be used
			if !same {
				serial = max(now, m.serial+1)
			}
			if known && serial <= k.Serial {
				serial = max(now, k.Serial+1)
			}
			m = mine{digest: digest, serial: serial}
		}
		next[part] = m
	}
	return next, all
}

// write keeps what take finds to be new.
func (s *Serials) write(ctx context.Context, now uint32, parts map[string][32]byte) (map[string]mine, error) {
	if err := s.storage.Lock(ctx, serialsKey); err != nil {
		return nil, err
	}
	defer s.storage.Unlock(context.WithoutCancel(ctx), serialsKey)
	kept, err := s.load(ctx) // another one may have been faster
	if err != nil {
		return nil, err
	}
	next, all := s.take(now, parts, kept)
	if all {
		return next, nil
	}
	today := now / day
	for part, m := range next {
		if !m.kept {
			kept[part] = agreed{Digest: m.digest[:], Serial: m.serial}
		}
		k := kept[part]
		k.Used = max(k.Used, today)
		kept[part] = k
	}
	maps.DeleteFunc(kept, func(_ string, k agreed) bool { return k.Used+unused < today })
	text, err := json.Marshal(kept)
	if err == nil {
		err = s.storage.Store(ctx, serialsKey, text)
	}
	if err != nil {
		return nil, err
	}
	for part, m := range next {
		m.kept = true
		next[part] = m
	}
	return next, nil
}

// load reads what is kept. What cannot be read counts as nothing: this process's own
// serials are kept then.
func (s *Serials) load(ctx context.Context) (map[string]agreed, error) {
	text, err := s.storage.Load(ctx, serialsKey)
	kept := make(map[string]agreed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		s.log.Error("the serials that replicas have agreed on are damaged; they begin anew", "err", err)
		clear(kept)
	}
	return kept, nil
}

// tell logs when the storage goes, and when it is back.
func (s *Serials) tell(err error) {
	switch away := err != nil; {
	case away && !s.away:
		s.log.Warn("the replicas cannot agree on serials; until they can, each has its own clock's", "err", err)
	case !away && s.away:
		s.log.Info("the replicas agree on serials again")
	}
	s.away = err != nil
}

// Changed tells when Agree would return other serials, or may do so at last.
func (s *Serials) Changed() <-chan struct{} { return s.changed }

// Run looks from time to time at what others have agreed on, until the context ends.
func (s *Serials) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.outdated(ctx) {
			select {
			case s.changed <- struct{}{}:
			default: // it has been told
			}
		}
	}
}

// outdated is cheap as long as nothing was written.
func (s *Serials) outdated(ctx context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, agreeing)
	defer cancel()
	about, err := s.storage.Stat(ctx, serialsKey)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.tell(err)
		return false
	}
	for _, m := range s.mine {
		if !m.kept {
			return true
		}
	}
	if about.Modified.Equal(s.read) {
		return false
	}
	kept, err := s.load(ctx)
	if err != nil {
		s.tell(err)
		return false
	}
	s.read = about.Modified
	for part, m := range s.mine {
		if k := kept[part]; string(k.Digest) == string(m.digest[:]) && k.Serial > m.serial {
			return true
		}
	}
	return false
}
