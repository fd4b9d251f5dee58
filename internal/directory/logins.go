package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"milepost/address"
	"milepost/internal/config"
	"milepost/internal/lookup"
	"milepost/internal/metrics"
	"milepost/internal/textfile"
)

// What is believed of a directory.
const (
	maxLogin    = 254 // octets, as an address
	maxFullName = 128 // characters
)

// Logins are the directories of login names. They are a [lookup.Logins].
type Logins struct {
	// Metrics counts look-ups; nil: nothing does. It is set before the first one.
	Metrics *metrics.Metrics

	log *slog.Logger

	mu   sync.Mutex // held to open and close
	all  []*logins
	byID atomic.Pointer[map[string]*logins] // by provider
}

// NewLogins has no directory yet.
func NewLogins(log *slog.Logger) *Logins { return &Logins{log: log} }

// CheckDirectory says what is wrong with a directory, as far as that can be said without
// asking it.
func CheckDirectory(d config.Directory) error {
	a, err := openAsker(d)
	if err != nil {
		return err
	}
	a.close()
	return nil
}

// Use takes these directories in place of the present ones: those that have changed are
// opened, those that have gone are closed once nobody asks them any more. Nothing is
// connected to before somebody asks. With an error, the present ones stay.
func (l *Logins) Use(directories []config.Directory) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all, opened []*logins
	byID := make(map[string]*logins)
	for _, d := range directories {
		i := slices.IndexFunc(l.all, func(x *logins) bool { return unchanged(x.Directory, d) && !slices.Contains(all, x) })
		var x *logins
		if i >= 0 {
			x = l.all[i]
		} else {
			asker, err := openAsker(d)
			if err != nil {
				for _, o := range opened {
					o.asker.close()
				}
				place := d.Place
				place.Err = err
				return place
			}
			x = &logins{Directory: d, asker: asker}
			opened = append(opened, x)
		}
		all = append(all, x)
		for _, id := range d.DomainsOf {
			byID[id] = x
		}
	}
	for _, old := range l.all {
		if !slices.Contains(all, old) {
			time.AfterFunc(2*old.Budget, old.asker.close)
		}
	}
	l.all = all
	l.byID.Store(&byID)
	return nil
}

// unchanged tells whether two directories are asked in the same way.
func unchanged(a, b config.Directory) bool {
	a.Place, b.Place = textfile.Error{}, textfile.Error{}
	return reflect.DeepEqual(a, b)
}

// Close closes all directories.
func (l *Logins) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.all {
		x.asker.close()
	}
	l.all = nil
	l.byID.Store(new(map[string]*logins))
}

// States returns how many directories there are, and how many of them are not asked for
// the moment.
func (l *Logins) States() (open, failing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.all {
		if x.breaker.isOpen() {
			failing++
		}
	}
	return len(l.all), failing
}

// logins is one directory.
type logins struct {
	config.Directory
	asker   asker
	breaker breaker
}

// Login is that of [lookup.Logins].
func (l *Logins) Login(ctx context.Context, provider string, a address.Address, by lookup.Asker) (Login, error) {
	x := l.of(provider)
	if x == nil {
		return Login{}, nil
	}
	if !x.tells(by) {
		l.Metrics.LoginLookedUp(metrics.LoginRefused, 0)
		return Login{}, nil
	}
	found, how := l.look(ctx, x, a)
	if how == metrics.LoginUnknown && x.TellUnknown && askable(a) {
		return Login{}, &lookup.UnknownAddress{Domain: a.Domain}
	}
	return found, nil
}

func (l *Logins) of(provider string) *logins {
	byID := l.byID.Load()
	if byID == nil {
		return nil
	}
	return (*byID)[provider]
}

// tells tells whether the directory may be asked for somebody.
func (x *logins) tells(by lookup.Asker) bool {
	return by.Encrypted || by.Client.IsValid() && slices.ContainsFunc(x.AllowHTTP, func(p netip.Prefix) bool { return p.Contains(by.Client) })
}

// look asks within the budget, which begins before a connection is free.
func (l *Logins) look(ctx context.Context, x *logins, a address.Address) (Login, metrics.LoginLookup) {
	if !askable(a) {
		l.Metrics.LoginLookedUp(metrics.LoginUnknown, 0)
		return Login{}, metrics.LoginUnknown
	}
	start := time.Now()
	if !x.breaker.enter(start) {
		l.Metrics.LoginLookedUp(metrics.LoginSkipped, 0)
		return Login{}, metrics.LoginSkipped
	}
	// A client that leaves says nothing about the directory.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.Budget)
	defer cancel()
	found, how, err := x.ask(ctx, a)
	end := time.Now()
	if x.breaker.leave(err == nil, end) {
		if err != nil {
			l.log.Warn("login names are not asked for any more, and fallbacks are told", "providers", strings.Join(x.DomainsOf, ","), "err", err)
		} else {
			l.log.Info("login names are asked for again", "providers", strings.Join(x.DomainsOf, ","))
		}
	}
	l.Metrics.LoginLookedUp(how, end.Sub(start))
	return found, how
}

// ask asks. An error says that the directory does not work; no message of it has an
// address.
func (x *logins) ask(ctx context.Context, a address.Address) (Login, metrics.LoginLookup, error) {
	if !askable(a) {
		return Login{}, metrics.LoginUnknown, nil
	}
	found, err := x.asker.login(ctx, a)
	switch {
	case err != nil && ctx.Err() != nil:
		return Login{}, metrics.LoginSlow, fmt.Errorf("no answer within %v", x.Budget)
	case aboutAddress(err): // so that no stranger's address can open the breaker
		return Login{}, metrics.LoginUnknown, nil
	case err != nil:
		return Login{}, metrics.LoginFailed, withoutValues(err)
	}
	found = slices.DeleteFunc(found, func(l Login) bool { return !usable(l.Name, len(l.Name) <= maxLogin) })
	switch len(found) {
	case 0:
		return Login{}, metrics.LoginUnknown, nil
	case 1:
		if n := found[0].FullName; !usable(n, utf8.RuneCountInString(n) <= maxFullName) {
			found[0].FullName = ""
		}
		return found[0], metrics.LoginFound, nil
	}
	return Login{}, metrics.LoginAmbiguous, nil
}

// usable tells whether a text of a directory's can stand in a document.
func usable(s string, short bool) bool {
	return short && strings.TrimSpace(s) != "" && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}

// Ask asks for somebody at this machine, who may know why there is no login name.
func (l *Logins) Ask(ctx context.Context, provider string, a address.Address) (Login, metrics.LoginLookup, error) {
	x := l.of(provider)
	if x == nil {
		return Login{}, metrics.LoginFailed, errors.New("the provider has no directory")
	}
	ctx, cancel := context.WithTimeout(ctx, max(x.Budget, connectTimeout))
	defer cancel()
	return x.ask(ctx, a)
}
