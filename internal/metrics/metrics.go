// Package metrics counts what the server does, for Prometheus. It is the one room
// that knows the library of it.
//
// No label has a value that a stranger chooses: all values of a label stand in a
// table, and what is in none is "other". So the number of series is bounded.
//
// What happens often is added to a cell that is found by indexes, and becomes a
// metric when it is scraped. A nil [Metrics], or a nil [Format], counts nothing.
package metrics

import (
	"math"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Sources are what is read at each scrape. One that is nil has no metrics.
type Sources struct {
	Version, Commit string // of this build
	// Catalogue returns how many providers and domains are served, and how many
	// entries of lists the snapshot has lost to mistakes.
	Catalogue func() (providers, domains, rejected int)
	// Certificates returns how many certificates are held, and when the first of them
	// ends; zero: there is none.
	Certificates func() (held int, soonest time.Time)
	// Directories returns how many directories of login names there are, and how many of
	// them are not asked, for they have failed too often of late.
	Directories func() (open, failing int)
	// LogLinesDropped returns how many lines the log has lost since the start.
	LogLinesDropped func() uint64
	// Domains returns how it stands with each source of domains.
	Domains func() []DomainSource
}

// DomainSource is a source of domains, as its configuration names it.
type DomainSource struct {
	Name          string
	Domains, Lost int       // rows that are served, and rows that are not understood
	Fetched       time.Time // when it last agreed with what is served; zero: never
	Down          bool      // it cannot be read now
}

// Metrics holds all counters. Make one with [New].
type Metrics struct {
	registry *prometheus.Registry

	limited    counter
	lookups    counter
	mxLookups  counter
	logins     counter
	handshakes counter
	orders     counter
	responses  counter
	dnsLimited counter
	reloads    counter
	diagnoses  counter
	unreached  counter

	loginsTook histogram

	lastReload atomic.Int64 // nanoseconds since 1970; 0: none yet
	lastGood   atomic.Int64 // of those that succeeded

	mu        sync.Mutex
	formats   []*Format
	listeners map[string]func() int
}

// New makes metrics in a registry of their own.
func New(s Sources) *Metrics {
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		limited:    newCounter("http_limited_total", "HTTP requests and connections that a limit has refused.", label{"reason", limitNames[:]}),
		lookups:    newCounter("lookups_total", "Look-ups of an address or a domain.", label{"result", lookupNames[:]}),
		mxLookups:  newCounter("mx_lookups_total", "Look-ups of a domain's MX hosts.", label{"result", mxLookupNames[:]}),
		logins:     newCounter("login_lookups_total", "Look-ups of a login name in a directory.", label{"result", loginLookupNames[:]}),
		handshakes: newCounter("tls_handshakes_total", "TLS handshakes.", label{"result", handshakeNames[:]}),
		orders:     newCounter("acme_orders_total", "Orders of certificates.", label{"result", orderNames[:]}),
		responses: newCounter("dns_responses_total", "DNS responses made.",
			label{"type", dnsTypes}, label{"rcode", rcodes}, label{"transport", []string{"udp", "tcp"}}),
		dnsLimited: newCounter("dns_limited_total", "DNS queries over UDP that the rate limit did not answer in full.", label{"result", dnsLimitNames[:]}),
		reloads:    newCounter("reloads_total", "Snapshots that were to be served, the first one included.", label{"result", []string{"ok", "refused"}}),
		diagnoses:  newCounter("doctor_diagnoses_total", "Diagnoses of domains that visitors asked for.", label{"result", diagnosisNames[:]}),
		unreached:  newCounter("doctor_refused_total", "What a visitor's diagnosis led to and was not asked.", label{"reason", doctorRefusalNames[:]}),
		listeners:  make(map[string]func() int),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: namespace + "build_info", Help: "1, with what this build is.",
		ConstLabels: prometheus.Labels{"version": s.Version, "commit": s.Commit, "goversion": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m, scraped(s), build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers a scrape.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Limit is why a request or a connection is refused.
type Limit uint8

const (
	Rate        Limit = iota // of one client
	Overload                 // too many requests at once
	Connections              // too many connections
	limits
)

var limitNames = [limits]string{"rate", "overload", "connections"}

// Limited counts a refusal.
func (m *Metrics) Limited(why Limit) {
	if m != nil {
		m.limited.add(int(why))
	}
}

// Lookup is what a look-up finds.
type Lookup uint8

const (
	Known   Lookup = iota // a provider that names the domain
	Unknown               // none
	Default               // the default provider, which names no domain
	Refused               // the question names no address, or one that is none
	ByMX                  // the provider of the domain's MX host
	lookups
)

var lookupNames = [lookups]string{"known", "unknown", "default", "refused", "mx"}

// LookedUp counts a look-up.
func (m *Metrics) LookedUp(found Lookup) {
	if m != nil {
		m.lookups.add(int(found))
	}
}

// MXLookup is how a look-up of MX hosts ends.
type MXLookup uint8

const (
	MXKept    MXLookup = iota // answered before, whatever the answer was
	MXFound                   // the resolver has named hosts
	MXNone                    // it says that there are none
	MXFailed                  // it could not say
	MXTimeout                 // it did not say in time
	MXLimited                 // it was not asked, for too much else is
	mxLookups
)

var mxLookupNames = [mxLookups]string{"kept", "found", "none", "failed", "timeout", "limited"}

// MXLookedUp counts a look-up of MX hosts.
func (m *Metrics) MXLookedUp(how MXLookup) {
	if m != nil {
		m.mxLookups.add(int(how))
	}
}

// LoginLookup is how a look-up of a login name ends.
type LoginLookup uint8

const (
	LoginFound     LoginLookup = iota
	LoginUnknown               // the directory does not have the address
	LoginAmbiguous             // it has the address more than once
	LoginSlow                  // it did not say in time
	LoginFailed                // it could not say
	LoginSkipped               // it was not asked, for it has failed too often of late
	LoginRefused               // it was not asked, for whoever asks may not know
	loginLookups
)

var loginLookupNames = [loginLookups]string{"found", "unknown", "ambiguous", "slow", "failed", "skipped", "refused"}

// String is the name that the metric has for it.
func (l LoginLookup) String() string { return loginLookupNames[l] }

// LoginLookedUp counts a look-up of a login name, and how long it took if a directory
// was asked.
func (m *Metrics) LoginLookedUp(how LoginLookup, took time.Duration) {
	if m == nil {
		return
	}
	m.logins.add(int(how))
	if how < LoginSkipped {
		m.loginsTook.add(took)
	}
}

// Handshake is how a TLS handshake ends.
type Handshake uint8

const (
	HandshakeOK     Handshake = iota
	HandshakeName             // no certificate is given out for the name
	HandshakeFailed           // anything else, a client that leaves included
	handshakes
)

var handshakeNames = [handshakes]string{"ok", "refused_name", "failed"}

// Handshaken counts a TLS handshake.
func (m *Metrics) Handshaken(how Handshake) {
	if m != nil {
		m.handshakes.add(int(how))
	}
}

// Order is how an order of a certificate ends.
type Order uint8

const (
	OrderOK Order = iota
	OrderFailed
	OrderLimited // the server's own limit an hour let none begin
	orders
)

var orderNames = [orders]string{"ok", "failed", "limited"}

// Ordered counts an order.
func (m *Metrics) Ordered(how Order) {
	if m != nil {
		m.orders.add(int(how))
	}
}

// Reloaded notes that a snapshot is served from now on, or was refused. The first one
// is noted too.
func (m *Metrics) Reloaded(ok bool, now time.Time) {
	if m == nil {
		return
	}
	m.lastReload.Store(now.UnixNano())
	if ok {
		m.lastGood.Store(now.UnixNano())
		m.reloads.add(0)
	} else {
		m.reloads.add(1)
	}
}

// Connections has the open connections of a listener counted at each scrape: "http",
// "https" and "dns" are the names.
func (m *Metrics) Connections(listener string, open func() int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners[listener] = open
}

const namespace = "milepost_"

var (
	lastReloadOK   = prometheus.NewDesc(namespace+"last_reload_success", "1 if the last reload was taken over, else 0.", nil, nil)
	lastReloadTime = prometheus.NewDesc(namespace+"last_reload_timestamp_seconds", "When the last reload was, successful or not, in seconds since 1970.", nil, nil)
	snapshotTime   = prometheus.NewDesc(namespace+"snapshot_timestamp_seconds", "When the snapshot that is served was made, in seconds since 1970.", nil, nil)
	connections    = prometheus.NewDesc(namespace+"connections", "Open connections.", []string{"listener"}, nil)
)

// Describe sends nothing: which series there are depends on what has happened.
func (m *Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect makes metrics of what was counted.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range []*counter{&m.limited, &m.lookups, &m.mxLookups, &m.logins, &m.handshakes, &m.orders, &m.reloads, &m.dnsLimited, &m.diagnoses, &m.unreached} {
		c.collect(to, true) // an alert needs the 0 before the first
	}
	m.responses.collect(to, false)
	m.loginsTook.collect(to, loginsTook)
	m.mu.Lock()
	formats, listeners := slices.Clone(m.formats), make(map[string]func() int, len(m.listeners))
	for name, open := range m.listeners {
		listeners[name] = open
	}
	m.mu.Unlock()
	for _, f := range formats {
		f.collect(to)
	}
	for name, open := range listeners {
		to <- prometheus.MustNewConstMetric(connections, prometheus.GaugeValue, float64(open()), name)
	}
	last, good := m.lastReload.Load(), m.lastGood.Load()
	if last == 0 {
		return
	}
	ok := 0.0
	if last == good {
		ok = 1
	}
	gauge(to, lastReloadOK, ok)
	gauge(to, lastReloadTime, seconds(last))
	gauge(to, snapshotTime, seconds(good))
}

func gauge(to chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func seconds(nanoseconds int64) float64 { return math.Round(float64(nanoseconds)/1e6) / 1e3 }

// scraped are the metrics of sources.
type scraped Sources

var (
	providers    = prometheus.NewDesc(namespace+"catalogue_providers", "Providers that are served.", nil, nil)
	domains      = prometheus.NewDesc(namespace+"catalogue_domains", "Domains and wildcards that are served.", nil, nil)
	rejected     = prometheus.NewDesc(namespace+"catalogue_rejected_entries", "Entries of lists that the snapshot has lost to mistakes.", nil, nil)
	certificates = prometheus.NewDesc(namespace+"certificates", "Certificates that are held.", nil, nil)
	expiry       = prometheus.NewDesc(namespace+"certificate_expiry_seconds", "When the first of the certificates ends, in seconds since 1970.", nil, nil)
	directories  = prometheus.NewDesc(namespace+"login_directories", "Directories of login names.", nil, nil)
	failing      = prometheus.NewDesc(namespace+"login_directories_failing", "Directories of login names that are not asked for the moment, for they have failed too often.", nil, nil)
	dropped      = prometheus.NewDesc(namespace+"log_lines_dropped_total", "Lines that the log has lost, because nobody took them in time.", nil, nil)
)

var (
	ofSource      = []string{"source"}
	sourceDomains = prometheus.NewDesc(namespace+"source_domains", "Domains of a source.", ofSource, nil)
	sourceLost    = prometheus.NewDesc(namespace+"source_rejected_rows", "Rows of a source that are not understood, and so not served.", ofSource, nil)
	sourceUp      = prometheus.NewDesc(namespace+"source_up", "1 if the source could be read when that was last tried.", ofSource, nil)
	sourceFetched = prometheus.NewDesc(namespace+"source_fetched_seconds", "When the source last agreed with what is served, in seconds since 1970; not there: never.", ofSource, nil)
)

// Describe sends nothing, as for [Metrics].
func (s scraped) Describe(chan<- *prometheus.Desc) {}

func (s scraped) Collect(to chan<- prometheus.Metric) {
	if s.Catalogue != nil {
		p, d, r := s.Catalogue()
		gauge(to, providers, float64(p))
		gauge(to, domains, float64(d))
		gauge(to, rejected, float64(r))
	}
	if s.Certificates != nil {
		held, soonest := s.Certificates()
		gauge(to, certificates, float64(held))
		if !soonest.IsZero() {
			gauge(to, expiry, float64(soonest.Unix()))
		}
	}
	if s.Directories != nil {
		all, bad := s.Directories()
		gauge(to, directories, float64(all))
		gauge(to, failing, float64(bad))
	}
	if s.LogLinesDropped != nil {
		to <- prometheus.MustNewConstMetric(dropped, prometheus.CounterValue, float64(s.LogLinesDropped()))
	}
	if s.Domains != nil {
		for _, source := range s.Domains() {
			gauge(to, sourceDomains, float64(source.Domains), source.Name)
			gauge(to, sourceLost, float64(source.Lost), source.Name)
			up := 1.0
			if source.Down {
				up = 0
			}
			gauge(to, sourceUp, up, source.Name)
			if !source.Fetched.IsZero() {
				gauge(to, sourceFetched, float64(source.Fetched.Unix()), source.Name)
			}
		}
	}
}
