// Package webdoctor examines domains for visitors of the pages. They are strangers, and
// what they name may be a stranger's too, so everything is bounded: how many diagnoses
// are under way, what they may reach (reach.go), and what is kept of them, for how long.
//
// A diagnosis is of a domain. No local part ever comes here.
package webdoctor

import (
	"context"
	"crypto/x509"
	"hash/maphash"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"

	"milepost/address"
	"milepost/internal/doctor"
	"milepost/internal/metrics"
	"milepost/internal/observe"
	"milepost/internal/ratelimit"
)

const (
	// Kept is how long a result can be looked at.
	Kept = time.Hour
	// fresh is how long it is shown to who would have the domain examined again.
	fresh = time.Minute

	atOnce    = 4       // diagnoses under way
	maxKept   = 256     // diagnoses
	maxReport = 4 << 20 // octets of the reports of all of them
)

// Options are what a doctor is made of.
type Options struct {
	// Context ends what is under way when the server stops.
	Context context.Context
	// Resolvers are asked in their order, as 127.0.0.1:53; none: those of /etc/resolv.conf.
	Resolvers []string
	// Own returns the addresses of this machine and of the service, at which nothing is
	// asked; nil: there are none.
	Own func() []netip.Addr
	// Host returns the service's name, whose addresses are its own too; nil or empty:
	// it has none.
	Host func() string
	// Allow returns the networks that may be asked though they are not public, or this
	// machine's own; nil: there are none.
	Allow func() []netip.Prefix
	// Roots are whose certificates count; nil: those of the system.
	Roots *x509.CertPool
	// Dial connects to an address; nil: over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Log is told of panics; nil: nothing is.
	Log *slog.Logger
	// Metrics counts diagnoses; nil: nothing does.
	Metrics *metrics.Metrics
	// Now is the clock; nil: it is time.Now.
	Now func() time.Time
}

// Doctor examines domains, and keeps what it found for a while. Make one with [New].
type Doctor struct {
	Options
	places   places
	connects ratelimit.Table // by address
	seed     maphash.Seed
	start    time.Time

	mu       sync.Mutex
	kept     map[string]*Diagnosis // by domain
	underWay int
}

// New makes a doctor. It asks nothing yet.
func New(o Options) *Doctor {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Doctor{Options: o, connects: ratelimit.New(connectBuckets, connectEvery, connectsAtOnce), seed: maphash.MakeSeed(), start: o.Now(), kept: make(map[string]*Diagnosis)}
}

// May tells whether a domain can be one on the Internet: it lies below a suffix that is
// delegated there. So neither a name of somebody's own network is asked for, nor one that
// a person typed in place of an address.
func May(d address.Domain) bool {
	suffix, delegated := publicsuffix.PublicSuffix(d.ASCII)
	return publicName(d.ASCII) && suffix != d.ASCII && (delegated || strings.Contains(suffix, "."))
}

// Refusal says why a domain is not examined now.
type Refusal string

const (
	Busy     Refusal = "busy"      // too many are
	TooOften Refusal = "too often" // the client has had its share
)

// Begin examines a domain, or returns the diagnosis of it that is under way, or one that
// is fresh. The client is asked for its share, if it needs some.
func (d *Doctor) Begin(domain address.Domain, share func() bool) (*Diagnosis, Refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.Now()
	if x := d.find(domain, now); x != nil && (!x.ended() || now.Sub(x.at) < fresh) {
		d.Metrics.Diagnosed(metrics.DoctorKept)
		return x, ""
	}
	switch {
	case d.underWay >= atOnce:
		d.Metrics.Diagnosed(metrics.DoctorBusy)
		return nil, Busy
	case !share():
		d.Metrics.Diagnosed(metrics.DoctorLimited)
		return nil, TooOften
	}
	x := &Diagnosis{Domain: domain, done: make(chan struct{})}
	d.kept[domain.ASCII] = x
	d.underWay++
	go d.examine(x)
	return x, ""
}

// Find returns the diagnosis of a domain that is under way or kept; nil: there is none.
func (d *Doctor) Find(domain address.Domain) *Diagnosis {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.find(domain, d.Now())
}

func (d *Doctor) find(domain address.Domain, now time.Time) *Diagnosis {
	x := d.kept[domain.ASCII]
	if x != nil && x.ended() && now.Sub(x.at) >= Kept {
		return nil
	}
	return x
}

// examine asks the world, and keeps the result.
func (d *Doctor) examine(x *Diagnosis) {
	report, text, complete := d.diagnose(x)
	stopped := !complete || d.Context.Err() != nil // what it found is not all
	if !stopped {
		d.Metrics.Diagnosed(outcomes[report.Grade])
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underWay--
	x.at = d.Now()
	if stopped {
		delete(d.kept, x.Domain.ASCII)
	} else {
		x.report, x.octets = report, len(text)
	}
	close(x.done)
	d.forget()
}

// diagnose is not complete if something a stranger sent has met a mistake of ours. That
// costs the diagnosis, not the server.
func (d *Doctor) diagnose(x *Diagnosis) (report *doctor.Report, text []byte, complete bool) {
	w := d.newWorld()
	defer w.Close()
	defer d.fence(func() { report, complete = nil, false })
	ctx, cancel := context.WithCancel(d.Context)
	defer cancel()
	if d.Host != nil {
		w.own = append(w.own, w.addressesOf(ctx, d.Host())...)
	}
	r := observe.Run(ctx, w, doctor.Asked{Address: address.Address{Domain: x.Domain}}, observe.Budget, x.progressed)
	r.Provider, r.Left = nil, nil // nobody is shown them
	text, err := r.JSON()
	return &r, text, err == nil
}

// fence, deferred, ends a panic: it is logged, with a stack that holds nothing of what was
// sent, and then is called.
func (d *Doctor) fence(then func()) {
	if recover() != nil {
		d.Log.Error("panic", "stack", string(debug.Stack()))
		then()
	}
}

var outcomes = map[doctor.Grade]metrics.Diagnosis{"A": metrics.DoctorA, "B": metrics.DoctorB, "C": metrics.DoctorC, "D": metrics.DoctorD, "E": metrics.DoctorE, "F": metrics.DoctorF}

// addressesOf are those of this machine's own name.
func (w *world) addressesOf(ctx context.Context, host string) (out []netip.Addr) {
	if host == "" {
		return nil
	}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		for _, rr := range w.Internet.Resolve(ctx, doctor.Question{Name: strings.ToLower(host), Type: kind}).Records {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				out = append(out, a.Unmap())
			}
		}
	}
	return out
}

// forget lets go of what is old, and of the oldest as long as there is too much.
func (d *Doctor) forget() {
	var ended []*Diagnosis
	octets := 0
	for _, x := range d.kept {
		if x.ended() {
			ended = append(ended, x)
			octets += x.octets
		}
	}
	slices.SortFunc(ended, func(a, b *Diagnosis) int { return a.at.Compare(b.at) })
	for i, x := range ended {
		if d.Now().Sub(x.at) < Kept && len(ended)-i <= maxKept && octets <= maxReport {
			return
		}
		octets -= x.octets
		delete(d.kept, x.Domain.ASCII)
	}
}

// Diagnosis is one of a domain, under way or done.
type Diagnosis struct {
	Domain address.Domain
	done   chan struct{} // closed once what follows stays as it is
	at     time.Time
	report *doctor.Report // nil: the server stopped before it was there
	octets int

	mu       sync.Mutex
	progress Progress
}

// Progress is how far a diagnosis is.
type Progress struct {
	Done, Known int    // of the questions that are known so far
	Asked       string // what was answered last; without any address
}

func (x *Diagnosis) ended() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// Done is closed when the diagnosis ends.
func (x *Diagnosis) Done() <-chan struct{} { return x.done }

// Report returns the report and when it was made; nil: it is not there yet.
func (x *Diagnosis) Report() (*doctor.Report, time.Time) {
	if !x.ended() {
		return nil, time.Time{}
	}
	return x.report, x.at
}

// Progress returns how far it is.
func (x *Diagnosis) Progress() Progress {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.progress
}

func (x *Diagnosis) progressed(p observe.Progress) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.progress = Progress{p.Done, p.Known, p.Asked.String()}
}
