package certs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// longestLook is how often the storage is asked at least for a certificate that the
// service waits for: another replica may have it, or a database answer again.
const longestLook = 10 * time.Second

// Start gets the certificate of DefaultServerName, in the background and until it
// is there. The listeners must be there before.
func (a *ACME) Start() {
	name := a.options.DefaultServerName
	if name == "" {
		return
	}
	a.work.Go(func() {
		for a.await(a.ctx, name) != nil {
			until, err := a.orders.waits(name)
			if err == nil {
				until = time.Now().Add(time.Minute)
			}
			if !a.sleep(min(time.Until(until), longestLook)) {
				return
			}
		}
	})
}

func (a *ACME) sleep(d time.Duration) bool {
	select {
	case <-a.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// await waits for the certificate of a name, which one goroutine gets for all who
// wait. It goes on when they have left.
func (a *ACME) await(ctx context.Context, name string) error {
	done := a.group.DoChan(name, func() (any, error) {
		a.mu.Lock() // Wait sees either this work or an ended context
		ended := a.ctx.Err()
		if ended == nil {
			a.work.Add(1)
		}
		a.mu.Unlock()
		if ended != nil {
			return nil, ended
		}
		defer a.work.Done()
		return nil, a.provide(name)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// provide puts the certificate of a name into the cache, from storage or from a new
// order.
func (a *ACME) provide(name string) error {
	ctx, cancel := context.WithTimeout(a.ctx, orderTimeout)
	defer cancel()
	get := a.config.ObtainCertAsync
	switch c, err := a.config.CacheManagedCertificate(ctx, name); {
	case err == nil && !c.Expired():
		a.remember(name)
		return nil
	case err == nil: // nobody has asked while it was time to renew it
		a.remember(name)
		get = func(ctx context.Context, name string) error { return a.config.RenewCertAsync(ctx, name, false) }
	case !errors.Is(err, fs.ErrNotExist):
		if _, waiting := a.orders.waits(name); waiting != nil {
			return waiting
		}
		return a.postponed(name, err, false)
	case name == a.options.DefaultServerName:
		a.none.Store(true)
	case a.orders.empty():
		return a.refused()
	}
	if _, err := a.orders.waits(name); err != nil {
		return err
	}
	begun := time.Now()
	switch counted, err := a.once(ctx, name, get); {
	case err == nil:
	case errors.Is(err, errLimit) || a.ctx.Err() != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded) || isProblem(err):
		return a.failed(name, err)
	default:
		return a.postponed(name, err, counted)
	}
	a.orders.succeed(name)
	a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}}) // the expired one
	c, err := a.config.CacheManagedCertificate(ctx, name)
	if err != nil {
		return a.postponed(name, err, false)
	}
	a.remember(name)
	a.log.Info("there is a certificate", "name", name, "end", date(c.Leaf.NotAfter), "duration", time.Since(begun).Round(time.Millisecond))
	return nil
}

// isProblem says whether the ACME server has refused something (RFC 8555 §6.7). Other
// errors are about the way to it, or the storage, not about the name.
func isProblem(err error) bool {
	_, ok := errors.AsType[acme.Problem](err)
	return ok
}

// attempt is known to the events of one order.
type attempt struct {
	end     context.CancelCauseFunc
	counted bool // it was taken from the limit
}

type attemptKey struct{}

// once makes one attempt. certmagic's way without retries would ask for an address
// on standard input; in its other one, the event of a failure ends the context.
func (a *ACME) once(ctx context.Context, name string, get func(context.Context, string) error) (counted bool, err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	this := &attempt{end: end}
	err = get(context.WithValue(ctx, attemptKey{}, this), name)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return this.counted, err
}

// event is what certmagic tells. An error keeps it from making the order.
func (a *ACME) event(ctx context.Context, event string, about map[string]any) error {
	name, _ := about["identifier"].(string)
	renewal, _ := about["renewal"].(bool)
	this, _ := ctx.Value(attemptKey{}).(*attempt) // none when it is renewed in the background
	switch event {
	case "cert_obtaining":
		if !a.allowed(name) { // it was, when it was first asked for
			a.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
			return certmagic.ErrNoRetry{Err: errRefused}
		}
		if !renewal {
			if err := a.orders.take(name, name == a.options.DefaultServerName); err != nil {
				return certmagic.ErrNoRetry{Err: a.refused()}
			}
			if this != nil {
				this.counted = true
			}
		}
		a.log.Info("a certificate is ordered", "name", name, "from", a.options.Directory)
		a.options.Observe(OrderStarted)
	case "cert_obtained":
		a.options.Observe(OrderSucceeded)
	case "cert_failed":
		a.options.Observe(OrderFailed)
		if err, ok := about["error"].(error); ok && this != nil {
			this.end(err)
		}
	}
	return nil
}

// refused counts an order that is not made, and complains once an hour.
func (a *ACME) refused() error {
	a.options.Observe(OrderRefused)
	if a.hourly(&a.limited) {
		a.log.Warn("as many certificates were ordered as an hour may have; names without one wait", "limit", a.options.NewOrdersPerHour)
	}
	return errLimit
}

// failed makes a name wait that the ACME server has refused.
func (a *ACME) failed(name string, err error) error {
	a.missing(name, err, a.orders.fail(name, err))
	return err
}

// postponed makes a name wait for what concerns all of them, so that one line an hour
// tells it.
func (a *ACME) postponed(name string, err error, counted bool) error {
	until := a.orders.postpone(name, err, counted)
	if name == a.options.DefaultServerName || a.hourly(&a.troubled) {
		a.missing(name, err, until)
	}
	return err
}

func (a *ACME) missing(name string, err error, until time.Time) {
	a.log.Warn("there is no certificate", "name", name, "err", withoutLocalPart(err.Error()), "next", date(until))
}

// hourly says whether an hour has passed since it last said so.
func (a *ACME) hourly(last *time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if now.Sub(*last).Abs() < time.Hour {
		return false
	}
	*last = now
	return true
}

// remember notes a name for Expiries; more than are in the cache it does not keep.
func (a *ACME) remember(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.names[name] = true
	if len(a.names) > maxCached {
		a.forget()
	}
}

func (a *ACME) forget() {
	for name := range a.names {
		if a.cached(name) == nil {
			delete(a.names, name)
		}
	}
}

// Expiries are the ends of the certificates in memory, the soonest first.
func (a *ACME) Expiries() []Expiry {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget()
	var all []Expiry
	for name := range a.names {
		if c := a.cached(name); c != nil {
			all = append(all, Expiry{name, c.Leaf.NotAfter})
		}
	}
	slices.SortFunc(all, func(x, y Expiry) int {
		return cmp.Or(x.NotAfter.Compare(y.NotAfter), cmp.Compare(x.Name, y.Name))
	})
	return all
}

// watch complains once a day of certificates that should have been renewed, or are
// not valid yet, until the context ends.
func (a *ACME) watch() {
	for wait := time.Hour; a.sleep(wait); {
		if wait = time.Hour; a.complain(time.Now()) {
			wait = 24 * time.Hour
		}
	}
}

func (a *ACME) complain(now time.Time) bool {
	for _, e := range a.Expiries() { // the first is the soonest
		c := a.cached(e.Name)
		if c == nil {
			continue
		}
		left, life := c.Leaf.NotAfter.Sub(now), c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
		switch {
		case now.Before(c.Leaf.NotBefore):
			a.log.Error("a certificate is not valid yet; is the clock right?", "name", e.Name, "begin", date(c.Leaf.NotBefore))
			return true
		case left < life/6: // it was to be renewed at a third
			a.log.Error("a certificate could not be renewed", "name", e.Name, "end", date(c.Leaf.NotAfter))
			return true
		}
	}
	return false
}
